package main

import (
	"fmt"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// outcome shows what a command did: one line for each node, or one in all. It
// fails, silently, when a node did.
func (a *app) outcome(o control.Outcome) error {
	failed := false
	for _, n := range o.Nodes {
		failed = failed || !n.OK
	}
	if err := a.showOutcome(o); err != nil {
		return err
	}
	if failed {
		return silent(exitFailed)
	}
	return nil
}

func (a *app) showOutcome(o control.Outcome) error {
	if len(o.Warnings) > 0 {
		o.Warnings.Render(a.stderr, a.style(a.stderr))
	}
	if a.json {
		return a.printJSON(o)
	}
	if o.Text != "" {
		if _, err := fmt.Fprintln(a.stdout, o.Text); err != nil {
			return err
		}
	}
	if len(o.Changes) > 0 {
		if err := a.showChanges(o.Changes); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout)
	}
	var t table
	t.heads = []string{"NODE", "RESULT", "STATE", ""}
	for _, n := range o.Nodes {
		result := tinted("done", green)
		switch {
		case n.Idle:
			result = plain("skipped")
		case !n.OK:
			result = tinted("failed", red)
		}
		t.add(plain(n.Node), result, plain(n.State), plain(n.Text))
	}
	if len(t.rows) == 0 {
		return nil
	}
	return t.write(a.stdout, a.color(a.stdout), 0)
}
