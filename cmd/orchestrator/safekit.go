package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Called by the name safekit, the program takes the command lines of SafeKit; the
// table in safekit_table.go has them all. Scripts of modules call it as
// $SAFE/safekit, and a few helpers by names of their own.

// safekit is one run under an old name.
type safekit struct {
	*app
	ctx  context.Context
	name string // it was called by
	node string // that is to tell something; empty: this one
}

// helpers are the other names: commands of the table in programs of their own. The last
// ones are there on Windows only.
var helpers = []string{"boundcmd", "xpathGet", "gencron", "firewallcfg", "sleep", "exitcode", "sync", "namealias", "netnames"}

// calledAs is the old name that a program path ends with, empty if it is none.
func calledAs(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	if name == "safekit" || slices.Contains(helpers, name) {
		return name
	}
	return ""
}

// Scripts look at exit codes: 1 is any failure, but codes 0 to 4 of "state -lq" are
// states, so that command fails with another.
const (
	exitOldFailed  = 1
	exitNoState    = 255
	exitOldTimeout = 2 // of boundcmd
)

// runSafekit runs a command line of SafeKit and answers the exit code.
func runSafekit(ctx context.Context, e env, name string) int {
	s := &safekit{app: &app{env: e}, ctx: ctx, name: name}
	args := e.args
	if name != "safekit" {
		args = append([]string{name}, args...)
	}
	c, err := s.parse(args)
	if err == nil {
		err = s.runOn(c)
	}
	var code silent
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	var refusal *control.Refusal
	if errors.As(err, &refusal) && len(refusal.Problems) > 0 {
		fmt.Fprintf(e.stderr, "%s: %s\n", name, refusal.Text)
		refusal.Problems.Render(e.stderr, s.style(e.stderr))
	} else {
		fmt.Fprintf(e.stderr, "%s: %s\n", name, strings.TrimSpace(err.Error()))
	}
	if c.has["-lq"] {
		return exitNoState
	}
	return exitOldFailed
}

// runOn runs a command, on each of its servers if it is one that tells something.
func (s *safekit) runOn(c call) error {
	if !c.remote || c.old.reach != fromHosts {
		return c.old.run(s, c)
	}
	hosts := c.hosts
	if len(hosts) == 0 {
		client, err := s.client()
		if err != nil {
			return err
		}
		var st control.ClusterStatus
		if err := client.Get(s.ctx, "/v1/cluster", &st); err != nil {
			return err
		}
		for _, n := range st.Nodes {
			hosts = append(hosts, n.Name)
		}
	}
	var all error
	for _, host := range hosts {
		fmt.Fprintf(s.stdout, "-- %s --\n", clean(host))
		s.node = host
		if err := c.old.run(s, c); err != nil {
			all = err // what was wrong with it is told by now, or is this
			if code := silent(0); !errors.As(err, &code) {
				fmt.Fprintf(s.stderr, "%s: %s: %s\n", s.name, host, strings.TrimSpace(err.Error()))
				all = silent(exitOldFailed)
			}
		}
	}
	return all
}

// parse finds the command and reads its arguments.
func (s *safekit) parse(args []string) (call, error) {
	c := call{val: map[string]string{}, has: map[string]bool{}}
	if len(args) > 0 && args[0] == "-H" {
		if len(args) < 3 {
			return c, errors.New(`-H wants servers and a command: safekit -H "n1,n2" start -m AM, or -H "*" for all`)
		}
		c.hosts, args = hostsOf(args[1]), args[2:]
		c.remote = true
	}
	c.old = oldNamed(args)
	if c.old == nil {
		return c, unknownOld(args)
	}
	if err := c.read(args[len(strings.Fields(c.old.words)):]); err != nil {
		return c, fmt.Errorf("%w; it is written: safekit %s", err, c.old.spelling())
	}
	if c.old.wantsModule() {
		if c.val["-m"] = cmp.Or(c.val["-m"], s.get("SAFEMODULE")); c.val["-m"] == "" && c.old.needsModule() {
			return c, fmt.Errorf("name the module: safekit %s; in a module's scripts SAFEMODULE says it", c.old.spelling())
		}
	}
	if c.remote && c.old.reach == here {
		return c, fmt.Errorf("%s is for this server alone: run it on the other one, e.g. through ssh", c.old.words)
	}
	return c, nil
}

// oldNamed finds the command of the table with the most words at the beginning of
// a command line.
func oldNamed(args []string) *old {
	var best *old
	for i := range oldCommands {
		o := &oldCommands[i]
		words := strings.Fields(o.words)
		if len(words) > len(args) || !slices.Equal(words, args[:len(words)]) {
			continue
		}
		if best == nil || len(words) > len(strings.Fields(best.words)) {
			best = o
		}
	}
	return best
}

func unknownOld(args []string) error {
	if len(args) == 0 {
		return errors.New("which command? safekit help shows all")
	}
	var names []string
	for _, o := range oldCommands {
		first := strings.Fields(o.words)[0]
		if first == args[0] { // what follows is wrong
			return fmt.Errorf("%s goes on with: %s", first, strings.Join(secondWords(first), ", "))
		}
		names = append(names, first)
	}
	if near := diag.Nearest(args[0], names); near != "" {
		return fmt.Errorf("there is no command %q: did you mean %q? safekit help shows all", args[0], near)
	}
	return fmt.Errorf("there is no command %q; safekit help shows all", args[0])
}

func secondWords(first string) []string {
	var list []string
	for _, o := range oldCommands {
		if words := strings.Fields(o.words); words[0] == first && len(words) > 1 && !slices.Contains(list, words[1]) {
			list = append(list, words[1])
		}
	}
	return list
}

// hostsOf reads the servers of -H: *, names, or the URLs of their consoles; parts as
// [https:9453] say how to reach them, which is no matter here. None means all.
func hostsOf(text string) []string {
	var hosts []string
	for _, one := range strings.Split(text, ",") {
		one = strings.TrimSpace(one)
		if _, rest, isURL := strings.Cut(one, "://"); isURL {
			one, _, _ = strings.Cut(rest, "/")
			if i := strings.LastIndex(one, ":"); i > 0 {
				one = one[:i]
			}
		}
		switch {
		case one == "*":
			return nil
		case one != "" && !strings.HasPrefix(one, "["):
			hosts = append(hosts, one)
		}
	}
	return hosts
}

// orchestrate runs a command line of the new form.
func (s *safekit) orchestrate(args ...string) error {
	e := s.env
	e.args = args
	if code := run(s.ctx, e); code != exitOK {
		return silent(exitOldFailed)
	}
	return nil
}
