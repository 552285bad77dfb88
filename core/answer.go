package core

import (
	"fmt"
	"slices"
)

// timerLeave limits how long a share order may wait.
const timerLeave = "leave"

// hookEnded goes on after a hook. What a failure means depends on the hook: that
// of prestart refuses the start, a start hook's undoes it, to be tried again
// within the limits, a forced stop hook's forbids to start again
// (something may still run), any other's is noted.
func (m *machine) hookEnded(ev Event) error {
	t := m.Asked
	if t.Kind != TaskHook || t.Hook != ev.Name {
		return m.impossible(fmt.Sprintf("the end of hook %s", ev.Name))
	}
	m.Asked = Task{}
	part, start, ok := hookPart(t.Hook)
	stop := ok && !start
	if stop && (ev.OK || t.Force) {
		m.setRunning(part, false)
	}
	if ev.OK {
		return nil
	}
	why := t.label() + " failed" + because(ev.Reason)
	switch {
	case m.Next.Verb != "":
		m.Next.Reason += "; " + why
	case t.Hook == hookPrestart:
		m.replace(Order{Verb: VerbStop, Reason: why})
	case start:
		m.startFailed(why)
	case stop && t.Force && m.Target != Stop:
		m.note(why)
		m.replace(Order{Verb: VerbStop, Reason: m.LastReason + "; not started again, because something of the application may still run"})
	case stop && t.Force:
		m.Then = Order{}
		m.note(why + "; something of the application may still run")
	default:
		m.note(why)
		if stop && m.mirror() && m.State != Wait { // the peer may start its own as soon as this goes on
			t.Force = true
			if len(m.Plan) == 0 || m.Plan[0] != t {
				m.Plan = slices.Insert(m.Plan, 0, t)
			}
		}
	}
	return nil
}

func (t Task) label() string {
	if t.Force {
		return t.Hook + " force"
	}
	return t.Hook
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func (m *machine) networkAnswered(ev Event) error {
	t := m.Asked
	if t.Kind != TaskNetworkUp && t.Kind != TaskNetworkDown && t.Kind != TaskNetworkNew {
		return m.impossible("an answer of the network")
	}
	m.Asked = Task{}
	if t.Kind == TaskNetworkDown {
		m.Network = false
	}
	switch {
	case ev.OK:
	case t.Kind == TaskNetworkUp && m.Next.Verb == "":
		m.startFailed("the virtual address could not be set up" + because(ev.Reason))
	case t.Kind == TaskNetworkUp:
		m.Next.Reason += "; the virtual address could not be set up" + because(ev.Reason)
	case t.Kind == TaskNetworkNew: // what was there before is still there
		m.note("the virtual addresses could not be changed" + because(ev.Reason))
	default:
		m.note("the virtual address could not be removed" + because(ev.Reason))
	}
	return nil
}

// orderShare gives a share order; those that wait are limited by a timer. A
// drained module that starts is ready without taking a share.
func (m *machine) orderShare(t Task) {
	if t.Share == ShareOpen && m.Drained {
		t.Share = ShareDrain
	}
	m.Share = map[ShareOrder]ShareState{
		ShareOpen: ShareIsOpen, ShareUndrain: ShareIsOpen, ShareDrain: ShareIsDrained, ShareLeave: ShareLeaving, ShareWithdraw: ShareClosed,
	}[t.Share]
	m.ask(t, Action{Kind: ActShare, Share: t.Share})
	if t.waits() && m.Module.LeaveTimeout > 0 {
		m.emit(Action{Kind: ActTimer, Name: timerLeave, After: m.Module.LeaveTimeout})
	}
}

// waits reports that the answer depends on other nodes.
func (t Task) waits() bool {
	return t.Kind == TaskShare && (t.Share == ShareLeave || t.Share == ShareDrain)
}

// unask stops waiting for a share order that depends on other nodes.
func (m *machine) unask() {
	if !m.Asked.waits() {
		return
	}
	m.Asked = Task{}
	if m.Module.LeaveTimeout > 0 {
		m.emit(Action{Kind: ActTimer, Name: timerLeave})
	}
}

func (m *machine) shareAnswered(ev Event) error {
	t, order := m.Asked, ShareOrder(ev.Name)
	if t.Kind != TaskShare || t.Share != order {
		if (Task{Kind: TaskShare, Share: order}).waits() {
			return nil // an order that was given up meanwhile
		}
		return m.impossible(fmt.Sprintf("an answer to share order %q", ev.Name))
	}
	m.unask()
	m.Asked = Task{}
	why := fmt.Sprintf("share order %s failed", order) + because(ev.Reason)
	switch {
	case ev.OK && order == ShareLeave:
		m.Share = ShareClosed
	case ev.OK:
	case order == ShareOpen && m.Next.Verb == "":
		m.startFailed(why)
	default:
		if order == ShareDrain { // the wish is void: the node goes on taking its share
			m.Drained, m.Share = false, ShareIsOpen
		}
		m.shareFailed(order, why)
	}
	return nil
}

// shareFailed goes on after an order that was not, or not in time, carried out.
func (m *machine) shareFailed(order ShareOrder, why string) {
	m.note(why)
	if order == ShareLeave {
		m.Plan = slices.Insert(m.Plan, 0, share(ShareWithdraw))
	}
}

func (m *machine) timerRanOut(ev Event) error {
	if ev.Name != timerLeave {
		return m.pairTimer(ev.Name)
	}
	if t := m.Asked; t.waits() {
		m.Asked = Task{}
		m.shareFailed(t.Share, fmt.Sprintf("the connections did not move to other nodes within %s", m.Module.LeaveTimeout))
	}
	return nil
}
