package core

import (
	"fmt"
	"slices"
)

// command judges what an operator, or somebody automatic, asks for.
func (m *machine) command(ev Event) error {
	name := m.Module.Name
	operator := ev.Identity == ""
	reason := fmt.Sprintf("%s asked for by %s", ev.Verb, asker(ev)) + because(ev.Reason)
	r, ok := m.reply(ev.Verb)
	switch {
	case ev.Verb == VerbResetLoop:
		m.Failures = nil
		return nil
	case ev.Verb == VerbIncLoop:
		if !m.counts() {
			return &Refusal{fmt.Sprintf("%s has reached its limit of automatic actions: stop it", name)}
		}
		return nil
	case ev.Verb == VerbUpdate:
		m.turned(reason)
		return nil
	case ev.Verb == VerbWakeup:
		return m.wakeup(reason)
	case !ok && slices.Contains(pairVerbs, ev.Verb):
		return &Refusal{fmt.Sprintf("%s is a %s module: it has no primary and no secondary", name, m.Module.Mode)}
	case !ok:
		return &Refusal{fmt.Sprintf("%q is not a command for %s: use %s", ev.Verb, name, m.commandList())}
	case r.how == refuse:
		return m.refusal(r)
	case r.how == mark && slices.Contains(pairVerbs, ev.Verb):
		return m.markPair(ev.Verb, reason)
	case r.how == mark:
		return m.setDrained(ev.Verb == VerbDrain, reason)
	case r.how == swap:
		return m.swapAsked(operator, reason)
	case r.how == begin && wishOf[ev.Verb] != "":
		if err := m.startRefused(ev.Verb); err != nil {
			return err
		}
	}
	m.hold(ev, operator, reason)
	if operator {
		m.Failures = nil
		m.Wanted = Up
		if ev.Verb == VerbStop || ev.Verb == VerbForceStop {
			m.Wanted = Stop
		}
	}
	switch {
	case ev.Verb == VerbWait && m.gateAhead(): // it comes to wait by itself
	case r.how == queue:
		m.Then = Order{Verb: VerbStart, Reason: reason, Cause: m.cause}
	case r.how == forget:
		m.Then = Order{}
	case r.how != begin:
	case operator:
		planned := ev.Verb != VerbForceStop
		m.replace(Order{Verb: ev.Verb, Reason: reason, Leave: planned, Nice: planned})
	default:
		m.automatic(Order{Verb: ev.Verb, Reason: reason, Nice: ev.Verb != VerbForceStop})
	}
	return nil
}

// hold keeps that somebody lets the module wait, or forgets it: whoever stops the
// module, and an operator who wants it to run, ends that.
func (m *machine) hold(ev Event, operator bool, reason string) {
	switch {
	case ev.Verb == VerbWait:
		m.Held = "held back by " + asker(ev) + because(ev.Reason) + ": wakeup lets it go on"
	case m.Held != "" && (operator || ev.Verb == VerbStop || ev.Verb == VerbForceStop):
		m.letGo(reason)
	}
}

// letGo ends that somebody lets the module wait.
func (m *machine) letGo(reason string) {
	m.Held = ""
	if m.State == Wait && m.Phase == NotReady {
		m.BlockedBy, m.LastReason, m.Cause = "", reason, m.cause
		m.enter(status{Wait, Transient}, reason, m.cause)
	}
}

// gateAhead reports that what goes on leads to WAIT, and asks there whether it may go on.
func (m *machine) gateAhead() bool {
	return m.Next.Verb == "" && slices.ContainsFunc(m.Plan, func(t Task) bool { return t.Kind == TaskGate || t.Kind == TaskRole })
}

// wakeup lets a module go on that somebody lets wait. What waits for a resource
// goes on by itself.
func (m *machine) wakeup(reason string) error {
	switch {
	case m.Held == "" && m.BlockedBy != "":
		return &Refusal{fmt.Sprintf("%s goes on by itself when it can: %s", m.Module.Name, m.BlockedBy)}
	case m.Held == "":
		return &Refusal{fmt.Sprintf("%s is not held back on this node", m.Module.Name)}
	}
	m.letGo(reason)
	return nil
}

func (m *machine) commandList() string {
	if m.mirror() {
		return "start, stop, forcestop, restart, stopstart, wait, wakeup, swap, prim, second, primforce, secondforce, failover-on or failover-off"
	}
	return "start, stop, forcestop, restart, stopstart, wait, wakeup, drain or undrain"
}

func asker(ev Event) string {
	switch {
	case ev.By != "":
		return ev.By
	case ev.Identity != "":
		return ev.Identity
	default:
		return "an operator"
	}
}

func (m *machine) refusal(r reply) error {
	text := fmt.Sprintf("%s %s", m.Module.Name, r.why)
	switch {
	case r == isStarting && m.BlockedBy != "":
		text = fmt.Sprintf("%s waits on this node: %s", m.Module.Name, m.BlockedBy)
	case r == isStarting && m.mirror():
		text = fmt.Sprintf("%s is starting on this node: wait until it is ALONE, PRIM or SECOND Ready, or stop it", m.Module.Name)
	case r == alreadyUp && m.mirror():
		text = fmt.Sprintf("%s is already %s on this node", m.Module.Name, m.State)
	case r == alreadyUp && m.Drained:
		text += ", but drained: undrain it to let it take connections"
	}
	switch r {
	case alreadyUp, alreadyStop:
		return &Already{Refusal{text}}
	case notStarted:
		return &NotStarted{Refusal{text}}
	}
	return &Refusal{text}
}

// setDrained notes the wish; settle puts it into effect.
func (m *machine) setDrained(drained bool, reason string) error {
	switch {
	case m.mirror():
		return &Refusal{fmt.Sprintf("%s is a mirror: its primary serves all; use swap or stop", m.Module.Name)}
	case !m.Module.Shared:
		return &Refusal{fmt.Sprintf("%s has no virtual address: it has no share of connections to drain", m.Module.Name)}
	case drained && m.Drained:
		return &Already{Refusal{fmt.Sprintf("%s is already drained on this node", m.Module.Name)}}
	case !drained && !m.Drained:
		return &Already{Refusal{fmt.Sprintf("%s is not drained on this node", m.Module.Name)}}
	}
	m.Drained, m.DrainedBy = drained, Order{Reason: reason, Cause: m.cause}
	if m.Verb == VerbDrain && !drained {
		m.unask()
	}
	return nil
}

// replace puts an order in the place of the plan. A hook or the network that is
// at work ends first; only force cuts a hook short.
func (m *machine) replace(o Order) {
	if o.Cause == 0 {
		o.Cause = m.cause
	}
	m.Plan, m.Then, m.Next = nil, Order{}, o
	m.Target = Up
	if o.Verb == VerbStop || o.Verb == VerbForceStop {
		m.Target = Stop
	}
	m.unask()
	if o.Verb == VerbForceStop && m.Asked.Kind == TaskHook && !m.Asked.Force {
		m.out = append(m.out, Action{Kind: ActCancel, Reason: o.Reason, Cause: o.Cause})
	}
}
