package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/daemon"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/rules"
)

const rulesLong = `Explain and test the rules that turn resources into actions: those that a module
writes in <failover>, and those that are built in. Of a file or folder neither needs root,
a daemon or a network. The language is described in docs/rules.md.`

func rulesCommand(a *app) *cobra.Command {
	return noun("rules", "Explain and test failover rules", rulesLong, rulesExplain(a), rulesTest(a))
}

func rulesExplain(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "explain FILE|FOLDER|NAME [RESOURCE=VALUE]...", Short: "Show which rule holds, which does not, and why", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeKnown,
		Long: `Show each rule of a module: whether it holds when the resources have the given values,
why, and what it asks for. Values are init, up, down and unknown; a resource that is
not given has no result yet. remote.CLASS.ID is a resource of the other node, cluster the
state of the cluster.

Of a module that is installed here it is the configuration in use, and what is not given
is as it is on this server now.`,
		Example: `  orchestrator rules explain web_farm
  orchestrator rules explain shop --set VIRTUAL_IP=192.0.2.10
  orchestrator rules explain shop custom.app=down tcp.web=up cluster=down`,
	})
	given := setFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		set, installed, err := a.rulesOf(args[0], *given)
		if err != nil {
			return err
		}
		view := rules.View{Cluster: core.ResUp}
		if installed {
			view = a.viewNow(args[0])
		}
		if view, err = viewOf(view, args[1:]); err != nil {
			return err
		}
		return a.explain(set.Explain(view))
	}
	return c
}

func rulesTest(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "test FILE|FOLDER|NAME RESOURCE=VALUE...", Short: "Tell what the rules would do, and compare it", Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeKnown,
		Long: `Tell what a module would do when some of its resources have the given values and all others
that its rules name are up. With --expect the command fails when that is something else: an
action, or "nothing".`,
		Example: `  orchestrator rules test shop custom.app=down
  orchestrator rules test shop tcp.web=down --expect restart`,
	})
	given := setFlag(c)
	expect := c.Flags().String("expect", "", "fail unless this is the `ACTION`, or nothing")
	c.RunE = func(_ *cobra.Command, args []string) error {
		set, _, err := a.rulesOf(args[0], *given)
		if err != nil {
			return err
		}
		view := rules.View{Cluster: core.ResUp}
		for _, name := range set.Names() {
			view = view.With(name, core.ResUp)
		}
		if view, err = viewOf(view, args[1:]); err != nil {
			return err
		}
		return a.testRules(set.Explain(view), *expect)
	}
	return c
}

// rulesOf reads the rules of a module, the built-in ones first, and says whether it is one
// that is installed here.
func (a *app) rulesOf(arg string, given []string) (set rules.Set, installed bool, err error) {
	macros, err := settings(given)
	if err != nil {
		return set, false, err
	}
	from, macros, installed, err := a.sourceOf(arg, copyInUse, macros)
	if err != nil {
		return set, false, err
	}
	files, err := from.open()
	if err != nil {
		return set, false, err
	}
	m, problems := config.Parse(files, from.name, config.Options{Set: macros, Env: a.lookup, CheckRules: daemon.CheckRules, Path: from.where()})
	if m == nil {
		return set, false, problems
	}
	daemon.UnknownResources(m).Render(a.stderr, a.style(a.stderr))
	set = daemon.RuleSet(m).Complete(m.Core())
	if len(set.Rules) == 0 {
		return set, false, errors.New(from.name + " has no rules")
	}
	return set, installed, nil
}

// viewOf gives resources the values that were typed.
func viewOf(v rules.View, given []string) (rules.View, error) {
	values := []string{"init", "up", "down", "unknown"}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name != "cluster" && !strings.Contains(name, ".") {
			return v, usagef("%q is not RESOURCE=VALUE, e.g. tcp.web=down", text)
		}
		known := false
		for _, w := range values {
			known = known || w == value
		}
		if !known {
			hint := "use one of " + strings.Join(values, ", ")
			if near := diag.Nearest(value, values); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return v, usagef("%q is no value of a resource: %s", value, hint)
		}
		v = v.With(name, core.Value(value))
	}
	return v, nil
}

// told is an explanation as --json prints it.
type told struct {
	Rule    string `json:"rule"`
	Builtin bool   `json:"builtin"`
	If      string `json:"if"`
	Action  string `json:"action"`
	Truth   string `json:"truth"`
	Why     string `json:"why"`
}

func tell(all []rules.Explanation) []told {
	out := make([]told, 0, len(all))
	for _, e := range all {
		out = append(out, told{e.Rule.Label, e.Rule.Builtin, e.Rule.Text, e.Rule.Action.String(), string(e.Truth), e.Why})
	}
	return out
}

func (a *app) explain(all []rules.Explanation) error {
	if a.json {
		return a.printJSON(tell(all))
	}
	for _, e := range all {
		fmt.Fprintln(a.stdout, e)
	}
	return nil
}

// testRules prints what would be done.
func (a *app) testRules(all []rules.Explanation, expect string) error {
	act, found := rules.Decide(all)
	action := "nothing"
	if found {
		action = string(act.Rule.Action.Verb)
	}
	if a.json {
		if err := a.printJSON(struct {
			Action string `json:"action"`
			Rules  []told `json:"rules"`
		}{action, tell(all)}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.stdout, action)
		for _, e := range all {
			if e.Truth == rules.True && e.Rule.Action.Verb != core.VerbWakeup {
				fmt.Fprintf(a.stdout, "  %s asks for %s: %s\n", e.Rule.Label, e.Rule.Action, e.Why)
			}
		}
	}
	if expect != "" && expect != action {
		return fmt.Errorf("the rules ask for %s, expected was %s", action, expect)
	}
	return nil
}
