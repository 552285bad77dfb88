package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// longWait is how long waitstart and its like wait; SafeKit waits for ever.
const longWait = 15 * time.Minute

// as runs a command of the new form. AM and FILE in it stand for the module and the
// first argument.
func as(words ...string) func(*safekit, call) error {
	return func(s *safekit, c call) error {
		var args []string
		for _, w := range words {
			switch w {
			case "AM":
				w = c.module()
			case "FILE":
				w = c.arg(0)
			}
			args = append(args, w)
		}
		return s.orchestrate(args...)
	}
}

// says ends with a code after telling why there is nothing to do.
func says(code int) func(*safekit, call) error {
	return func(s *safekit, c call) error {
		text := fmt.Sprintf("safekit: %s: %s", c.old.words, c.old.note)
		if c.old.now != "" {
			text += "; use: " + c.old.now
		}
		fmt.Fprintln(s.stderr, text)
		if code == exitOK {
			return nil
		}
		return silent(code)
	}
}

// move carries out a verb; it waits for the end if wait is not 0.
func move(verb core.Verb, wait time.Duration) func(*safekit, call) error {
	return func(s *safekit, c call) error { return s.move(c, c.module(), verb, wait) }
}

func (s *safekit) move(c call, module string, verb core.Verb, wait time.Duration) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	if wait > 0 && module == s.get("SAFEMODULE") && s.get("SAFEHOOK") != "" {
		wait = 0 // the command is carried out when the hook has ended
	}
	q := control.VerbRequest{Nodes: c.hosts, Here: !c.remote, Identity: c.val["-i"], Wait: control.Duration(wait)}
	var out control.Outcome
	if err := client.Post(s.ctx, modulePath(module)+"/"+string(verb), q, &out); err != nil {
		return err
	}
	for _, n := range out.Nodes {
		if !n.OK {
			return errors.Join(silent(exitOldFailed), s.outcome(out))
		}
	}
	return nil
}

// second starts a module as secondary; fullsync copies everything.
func second(s *safekit, c call) error {
	verb := core.VerbSecond
	if c.arg(0) == "fullsync" {
		verb = core.VerbSecondForce
	}
	return s.move(c, c.module(), verb, 0)
}

// setFailover says whether the secondary takes over by itself.
func setFailover(s *safekit, c call) error {
	verb := core.VerbFailoverOn
	if c.arg(0) == "off" {
		verb = core.VerbFailoverOff
	}
	return s.move(c, c.module(), verb, 0)
}

// shutdown stops all modules of this server.
func shutdown(s *safekit, c call) error {
	st, err := s.status("")
	if err != nil {
		return err
	}
	var all error
	for _, m := range st.Modules {
		for _, n := range m.Nodes {
			if (n.Node == st.Node || c.remote) && n.Reachable && n.State != core.Stop {
				all = errors.Join(all, s.move(c, m.Name, core.VerbStop, longWait))
				break
			}
		}
	}
	return all
}

// setGroups is what scripts ask of vipd where scriptcontrol is on: all opens this
// server to the traffic, none closes it. What is so already is no mistake: a stop
// has closed it before any script can.
func setGroups(s *safekit, c call) error {
	verb, open := core.VerbUndrain, true
	if c.arg(0) == "none" {
		verb, open = core.VerbDrain, false
	}
	if c.remote {
		return s.move(c, c.module(), verb, 0)
	}
	_, n, err := s.own(c.module())
	switch {
	case err != nil:
		return err
	case open && n.State != core.Stop && !n.Drained, !open && (n.State != core.Up || n.Drained):
		return nil
	case !open && n.Phase == core.Transient:
		return nil // it stops, or a start that is under way opens nothing by itself
	}
	var wait time.Duration
	if !open && s.get("SAFEHOOK") == "" { // a hook has to end before it is done
		wait = drainWait
	}
	return s.move(c, c.module(), verb, wait)
}

// drainWait is how long it may take until the other servers take what this one does not.
const drainWait = time.Minute

// turn turns a switch of the module.
func turn(name, to string) func(*safekit, call) error {
	return func(s *safekit, c call) error { return s.turn(c, name, to) }
}

// turnClass switches a class of processes of the module's own.
func turnClass(to string) func(*safekit, call) error {
	return func(s *safekit, c call) error {
		return s.turn(c, control.ClassPrefix+c.arg(0), to)
	}
}

func (s *safekit) turn(c call, name, to string) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	var out control.Outcome
	q := control.SwitchRequest{Nodes: c.hosts, Here: !c.remote, Name: name, To: to}
	if err := client.Post(s.ctx, modulePath(c.module())+"/switch", q, &out); err != nil {
		return err
	}
	for _, n := range out.Nodes {
		if !n.OK {
			return errors.Join(silent(exitOldFailed), s.outcome(out))
		}
	}
	return nil
}

func setResource(s *safekit, c call) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	r := control.ResourceRequest{Name: c.val["-r"], Value: core.Value(c.val["-v"])}
	if c.val["-i"] != "" {
		r.Reason = "said by " + c.val["-i"]
	}
	var out control.Outcome
	return client.Post(s.ctx, modulePath(c.module())+"/resource", r, &out)
}

// printOld writes into the module's journal.
func printOld(level string) func(*safekit, call) error {
	return func(s *safekit, c call) error {
		client, err := s.client()
		if err != nil {
			return err
		}
		var out control.Outcome
		return client.Post(s.ctx, modulePath(c.module())+"/tell", control.TellRequest{Level: level, Text: strings.Join(c.args, " ")}, &out)
	}
}

// showLog shows the module's journal.
func showLog(more ...string) func(*safekit, call) error {
	return func(s *safekit, c call) error {
		return s.orchestrate(append([]string{"log", c.module(), "--lines", cmp.Or(c.val["-s"], "300"), "--level", leastLevel(c)}, append(more, s.nodeFlag()...)...)...)
	}
}

// nodeFlag says which server is to tell something, for commands of the new form.
func (s *safekit) nodeFlag() []string {
	if s.node == "" {
		return nil
	}
	return []string{"--node", s.node}
}

// commandLog shows who asked for what.
func commandLog(s *safekit, _ call) error {
	return s.orchestrate(append([]string{"log", "--type", "command"}, s.nodeFlag()...)...)
}

// leastLevel is what a log shows: with -A everything, else what an administrator wants to
// know.
func leastLevel(c call) string {
	if c.has["-A"] {
		return "debug"
	}
	return "info"
}

// saveLog writes all of the module's journal to a file.
func saveLog(s *safekit, c call) error {
	file, err := os.Create(c.arg(0))
	if err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	to := *s.app
	to.stdout = file
	err = (&safekit{app: &to, ctx: s.ctx, name: s.name}).orchestrate("log", c.module(), "--lines", "1000000000", "--level", leastLevel(c))
	return errors.Join(err, file.Close())
}

// installOld installs an archive, or a shipped module if none is named.
func installOld(s *safekit, c call) error {
	return s.orchestrate("module", "install", cmp.Or(c.arg(0), c.module()), "--name", c.module())
}

// status is the state of the modules; all if name is empty.
func (s *safekit) status(name string) (st control.Status, err error) {
	client, err := s.client()
	if err != nil {
		return st, err
	}
	path := "/v1/status"
	if name != "" {
		path += "?" + url.Values{"module": {name}}.Encode()
	}
	err = client.Get(s.ctx, path, &st)
	return st, err
}

// own is a module on this server.
func (s *safekit) own(name string) (control.ModuleStatus, control.ModuleNode, error) {
	st, err := s.status(name)
	if err != nil {
		return control.ModuleStatus{}, control.ModuleNode{}, err
	}
	for _, m := range st.Modules {
		for _, n := range m.Nodes {
			if m.Name == name && n.Node == cmp.Or(s.node, st.Node) {
				if !n.Reachable {
					return m, n, fmt.Errorf("%s does not answer", n.Node)
				}
				return m, n, nil
			}
		}
	}
	return control.ModuleStatus{}, control.ModuleNode{}, fmt.Errorf("%s is not on %s", name, cmp.Or(s.node, "this server"))
}
