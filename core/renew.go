package core

import (
	"fmt"
	"slices"
	"strings"
)

// hookUpdate is called after a change of the configuration that does not stop
// the module.
const hookUpdate = "update"

// hookConfig and hookPostconfig are called before that, one after the other, and where
// the module is stopped by whoever loads it.
const (
	hookConfig     = "config"
	hookPostconfig = "postconfig"
)

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
	if n.Version != "" && n.Version == m.Module.Version {
		return nil // told twice: it is the one in use
	}
	m.Update = n
	return nil
}

// renews takes over a new configuration, if there is one: addresses become the new
// ones, then the hook update runs. It reports whether it did.
func (m *machine) renews() bool {
	if m.Update == nil {
		return false
	}
	old, next := m.Module, *m.Update
	m.Update = nil
	if m.Verb == "" {
		m.LastReason, m.Cause = "", m.cause
	}
	m.note("the configuration changed")
	m.emit(Action{Kind: ActRenew, Version: next.Version})
	m.Module = next
	m.renewResources(old)
	if m.State != Stop {
		m.Plan = slices.Insert(m.Plan, 0, hook(hookConfig, m.State, m.State), hook(hookPostconfig, m.State, m.State), Task{Kind: TaskNetworkNew}, hook(hookUpdate, m.State, m.State))
	}
	return true
}

// turned has the hook update called when nothing else is being done: something that scripts may
// want to know of was switched on or off.
func (m *machine) turned(why string) {
	if partsOf[m.State] != 0 && m.Module.Hooks[hookUpdate] {
		m.Turned = why
	}
}

// renewResources begins anew with the checks that come, and with all rules, and
// forgets those that go. Of a check that goes on what was seen still holds; if what
// it looks at changed, who runs it says so.
func (m *machine) renewResources(old Module) {
	runs := func(c Check) bool { return slices.Contains(m.Checking, c.When) }
	was := map[string]bool{}
	for _, c := range old.Checks {
		was[c.Resource] = runs(c)
		if !slices.ContainsFunc(m.Module.Checks, func(n Check) bool { return n.Resource == c.Resource }) {
			delete(m.Resources, c.Resource)
		}
	}
	for _, c := range m.Module.Checks {
		ran, had := was[c.Resource]
		if !had || ran != runs(c) || strings.HasPrefix(c.Resource, RulePrefix) {
			m.Resources[c.Resource] = Resource{Name: c.Resource, Value: ResInit, Since: m.now}
		}
	}
}
