package core

import (
	"fmt"
	"slices"
)

// hookUpdate is called after a change of the configuration that does not stop
// the module.
const hookUpdate = "update"

// moduleChanged notes a new configuration of a module that goes on running. It
// is taken over when no transition is under way; a later one takes its place.
func (m *machine) moduleChanged(ev Event) error {
	n := ev.Module
	switch {
	case n == nil || n.Name != m.Module.Name:
		return m.impossible("the configuration of another module")
	case n.Mode != m.Module.Mode || n.Shared != m.Module.Shared || n.Mirror.Self != m.Module.Mirror.Self || n.Mirror.Peer != m.Module.Mirror.Peer || n.Mirror.Replicated != m.Module.Mirror.Replicated:
		if m.State != Stop || !m.Settled() {
			return &Refusal{fmt.Sprintf("%s cannot change its mode, its nodes, or whether it has an address and replicated data, while it is %s: stop it first", n.Name, m.State)}
		}
	}
	m.Update = n
	return nil
}

// renews takes over a new configuration, if there is one: checks that changed
// begin anew, then the hook update runs. It reports whether it did.
func (m *machine) renews() bool {
	if m.Update == nil {
		return false
	}
	old, next := m.Module, *m.Update
	m.Update = nil
	var changed []When
	for _, w := range m.Checking {
		if !slices.Equal(old.checks(w), next.checks(w)) {
			changed = append(changed, w)
		}
	}
	if m.Verb == "" {
		m.LastReason, m.Cause = "", m.cause
	}
	m.note("the configuration changed")
	for _, w := range changed {
		m.switchChecks(checks(w, false))
	}
	for _, c := range old.Checks {
		if !slices.Contains(next.Checks, c) {
			delete(m.Resources, c.Resource)
		}
	}
	m.Module = next
	for _, c := range next.Checks {
		if !slices.Contains(old.Checks, c) {
			m.Resources[c.Resource] = Resource{Name: c.Resource, Value: ResInit, Since: m.now}
		}
	}
	for _, w := range changed {
		m.switchChecks(checks(w, true))
	}
	if m.State != Stop {
		m.Plan = slices.Insert(m.Plan, 0, hook(hookUpdate, m.State, m.State))
	}
	return true
}

// checks are those that run at a time.
func (m Module) checks(w When) []Check {
	var some []Check
	for _, c := range m.Checks {
		if c.When == w {
			some = append(some, c)
		}
	}
	return some
}
