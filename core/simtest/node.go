// Package simtest runs the state machine of a module without hooks, network or
// clock: a scenario says what happens and when, and the answer is the text of
// what the module did. It is for tests.
package simtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Node is a module on one simulated node. The zero value is of no use; see
// NewNode.
type Node struct {
	In     core.Instance
	now    time.Time
	status string
	asked  *core.Action // the action whose answer is outstanding
	timers map[string]time.Time
}

// NewNode returns a stopped module at a fixed moment.
func NewNode(m core.Module) *Node {
	in := core.New(m)
	return &Node{In: in, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), status: in.Status(), timers: map[string]time.Time{}}
}

// Post gives an event to the module and answers what it did, one line each.
func (n *Node) Post(ev core.Event) string {
	ev.At = n.now
	next, actions, err := core.Step(n.In, ev)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	n.In = next
	var b strings.Builder
	for _, a := range actions {
		n.carryOut(&b, a)
	}
	if next.BlockedBy != "" {
		fmt.Fprintf(&b, "  waits: %s\n", next.BlockedBy)
	}
	return b.String()
}

// carryOut notes an action and writes it down.
func (n *Node) carryOut(b *strings.Builder, a core.Action) {
	switch a.Kind {
	case core.ActResource:
		to := a.Resource.Reason
		fmt.Fprintf(b, "%s -> %s (%s)\n", n.status, to, a.Reason)
		n.status = to
		return
	case core.ActHook, core.ActNetworkUp, core.ActNetworkDown, core.ActNetworkNew, core.ActShare:
		n.asked = &a
	case core.ActTimer:
		n.setTimer(a)
	}
	fmt.Fprintf(b, "  %s\n", describe(a))
}

func (n *Node) setTimer(a core.Action) {
	if a.After > 0 {
		n.timers[a.Name] = n.now.Add(a.After)
	} else {
		delete(n.timers, a.Name)
	}
}

func describe(a core.Action) string {
	switch a.Kind {
	case core.ActHook:
		force := ""
		if a.Hook.Force {
			force = " force"
		}
		return fmt.Sprintf("hook %s%s (%s to %s, %s, within %s)", a.Hook.Name, force, a.Hook.From, a.Hook.To, a.Hook.Verb, a.Hook.Timeout)
	case core.ActShare:
		return fmt.Sprintf("share %s", a.Share)
	case core.ActChecks:
		if a.Start {
			return fmt.Sprintf("checks %s start", a.When)
		}
		return fmt.Sprintf("checks %s stop", a.When)
	case core.ActTimer:
		if a.After == 0 {
			return fmt.Sprintf("timer %s cancelled", a.Name)
		}
		return fmt.Sprintf("timer %s in %s", a.Name, a.After)
	case core.ActCancel:
		return "cancel the running hook"
	default:
		return string(a.Kind)
	}
}

// Answer answers the outstanding action; false means that there is none.
func (n *Node) Answer(ok bool, reason string) (string, bool) {
	if n.asked == nil {
		return "", false
	}
	a := *n.asked
	n.asked = nil
	ev := core.Event{OK: ok, Reason: reason}
	switch a.Kind {
	case core.ActHook:
		ev.Kind, ev.Name = core.EventHook, a.Hook.Name
	case core.ActShare:
		ev.Kind, ev.Name = core.EventShare, string(a.Share)
	default:
		ev.Kind = core.EventNetwork
	}
	return n.Post(ev), true
}

// Advance moves the clock and lets timers run out in their order.
func (n *Node) Advance(d time.Duration) string {
	end := n.now.Add(d)
	var b strings.Builder
	for {
		name, at := n.nextTimer()
		if name == "" || at.After(end) {
			break
		}
		n.now = at
		delete(n.timers, name)
		fmt.Fprintf(&b, "timer %s ran out\n", name)
		b.WriteString(n.Post(core.Event{Kind: core.EventTimer, Name: name}))
	}
	n.now = end
	return b.String()
}

func (n *Node) nextTimer() (string, time.Time) {
	var name string
	var at time.Time
	for k, t := range n.timers {
		if name == "" || t.Before(at) || t.Equal(at) && k < name {
			name, at = k, t
		}
	}
	return name, at
}
