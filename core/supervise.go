package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity orders the actions of checks that are down at the same time.
var Severity = []Verb{VerbStop, VerbWait, VerbStopStart, VerbSwap, VerbRestart}

// resourceChanged notes what a checker says. Results of checks that do not run
// are too late and are ignored.
func (m *machine) resourceChanged(r Resource) {
	if !m.Observes(r.Name) {
		return
	}
	if r.Since.IsZero() {
		r.Since = m.now
		if old, ok := m.Resources[r.Name]; ok && old.Value == r.Value {
			r.Since = old.Since
		}
	}
	m.Resources[r.Name] = r
	if m.Verb == VerbDrain {
		if _, down := m.worst(); down {
			m.unask()
		}
	}
}

// switchChecks starts or stops checks. Either way their results begin anew, so
// that what was seen before a restart is not held against the application
// afterwards.
func (m *machine) switchChecks(t Task) {
	if t.Start == slices.Contains(m.Checking, t.When) {
		return // what runs in both roles goes on over the change
	}
	for _, c := range m.Module.Checks {
		if c.When == t.When {
			m.Resources[c.Resource] = Resource{Name: c.Resource, Value: ResInit, Since: m.now}
		}
	}
	m.Checking = slices.DeleteFunc(m.Checking, func(w When) bool { return w == t.When })
	if t.Start {
		m.Checking = append(m.Checking, t.When)
	}
	m.emit(Action{Kind: ActChecks, When: t.When, Start: t.Start})
}

// gateOpens judges the pre checks that hold a module in WAIT, and whether
// somebody does. One without a result keeps the phase Transient, one that is down
// blocks. Unknown lets pass: a dead checker must not keep an application down.
func (m *machine) gateOpens() bool {
	if m.Held != "" {
		m.BlockedBy = m.Held
		m.enter(status{Wait, NotReady}, m.Held, m.Cause)
		return false
	}
	var missing, down string
	var cause int64
	for _, c := range m.Module.Checks {
		if c.When != WhenPre || c.Action != VerbWait {
			continue
		}
		switch r := m.Resources[c.Resource]; {
		case r.Value == ResDown && down == "":
			down, cause = r.trouble("is"), r.Cause
		case r.Value == ResInit && missing == "":
			missing = r.Name + " has no result yet"
		}
	}
	switch {
	case down != "":
		m.BlockedBy = down
		m.enter(status{Wait, NotReady}, down, cause)
		return false
	case missing != "":
		m.BlockedBy = missing
		m.enter(status{Wait, Transient}, missing, m.Cause)
		return false
	}
	return true
}

// passGate goes on after the gate. From here on hooks see a start.
func (m *machine) passGate() {
	if m.Phase == NotReady && !m.mirror() {
		m.wake(awakened(m.BlockedBy))
	}
	if m.Verb == VerbWait {
		m.Verb = VerbStart
	}
	m.BlockedBy = ""
	m.enter(status{Wait, Transient}, m.LastReason, m.Cause)
}

// awakened tells that what blocked is over.
func awakened(blocked string) string {
	if label, _, ok := strings.Cut(strings.TrimPrefix(blocked, "rule "), " holds"); ok && strings.HasPrefix(blocked, "rule ") {
		return "rule " + label + " no longer holds"
	}
	name, _, _ := strings.Cut(blocked, " ")
	return name + " is no longer down"
}

func (m *machine) wake(why string) { m.LastReason, m.Cause = "woke up: "+why, m.cause }

// worst finds the running check whose resource is down and whose action weighs
// most. A check that cannot be seen any more after a stop would block for ever,
// so wait means stopstart for checks other than pre.
func (m *machine) worst() (Check, bool) {
	best, found := Check{}, false
	for _, c := range m.Module.Checks {
		if m.Resources[c.Resource].Value != ResDown || !slices.Contains(m.Checking, c.When) || c.Action == VerbSwap && !m.swappable() {
			continue
		}
		if c.Action == VerbWait && c.When != WhenPre {
			c.Action = VerbStopStart
		}
		rank := slices.Index(Severity, c.Action)
		if rank >= 0 && (!found || rank < slices.Index(Severity, best.Action)) {
			best, found = c, true
		}
	}
	return best, found
}

// react begins what a check asks for that is down. It reports whether it did.
func (m *machine) react() bool {
	c, down := m.worst()
	if !down {
		return false
	}
	r := m.Resources[c.Resource]
	o := Order{Verb: c.Action, Reason: r.trouble("was"), Cause: r.Cause, Nice: true, Services: c.Services, Outside: c.Outside}
	if c.Planned {
		m.replace(o)
		return true
	}
	m.automatic(o)
	return true
}

// startFailed undoes a start and tries again while the error counter allows it.
// Where the counter is switched off the module stops at once, because it would
// try for ever otherwise.
func (m *machine) startFailed(why string) {
	o := Order{Verb: VerbStopStart, Reason: why}
	if m.Module.LoopInterval <= 0 {
		o.Verb = VerbStop
	}
	m.automatic(o)
}

// automatic begins an order that no operator gave. Those that start the
// application again, here or on the other node, are counted; one too many within
// the interval stops the module. A cable that is pulled out again and again is no fault of the
// application, and would stop it on both nodes of a mirror in the end.
func (m *machine) automatic(o Order) {
	counted := o.Verb == VerbRestart || o.Verb == VerbStopStart || o.Verb == VerbWait || o.Verb == VerbSwap
	if counted && !o.Outside && !m.counts() {
		o.Verb = VerbStop
		o.Reason = fmt.Sprintf("stopped %s: %s", m.limit(), o.Reason)
	}
	o.Reboot = m.Module.Reboot && o.Verb == VerbStopStart
	if o.Verb == VerbSwap {
		m.swapRoles(o)
		return
	}
	m.replace(o)
}

// counts notes one automatic action, or reports that it is one too many.
func (m *machine) counts() bool {
	if m.Module.LoopInterval <= 0 {
		return true
	}
	m.Failures = slices.DeleteFunc(m.Failures, func(t time.Time) bool {
		return m.now.Sub(t) >= m.Module.LoopInterval
	})
	if len(m.Failures) >= m.Module.MaxLoop {
		return false
	}
	m.Failures = append(m.Failures, m.now)
	return true
}

// Counted is how many automatic actions count now against Module.MaxLoop.
func (in Instance) Counted(now time.Time) int {
	n := 0
	for _, t := range in.Failures {
		if now.Sub(t) < in.Module.LoopInterval {
			n++
		}
	}
	return n
}

// limit tells in words which limit of automatic actions was reached.
func (m *machine) limit() string {
	switch n := m.Module.MaxLoop; n {
	case 0:
		return "at once, because maxloop is 0"
	case 1:
		return fmt.Sprintf("after 1 automatic restart within %s", m.Module.LoopInterval)
	default:
		return fmt.Sprintf("after %d automatic restarts within %s", n, m.Module.LoopInterval)
	}
}

// Observes reports whether news of a resource count now: its check runs, or no
// check of the module is responsible for it.
func (in Instance) Observes(resource string) bool {
	for _, c := range in.Module.Checks {
		if c.Resource == resource {
			return slices.Contains(in.Checking, c.When)
		}
	}
	return true
}
