package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Step answers what a module does about an event: the next instance and the
// actions that make it true, in order. It changes nothing of in. On an error
// the instance is returned as it was: a *Refusal for a command that makes no
// sense now, an *Impossible for an event that nobody can have caused here.
func Step(in Instance, ev Event) (Instance, []Action, error) {
	if in.Module.Mode != Farm && in.Module.Mode != Light && in.Module.Mode != Mirror {
		return in, nil, fmt.Errorf("run module %s: mode %q is not known: use farm, mirror or light", in.Module.Name, in.Module.Mode)
	}
	m := &machine{Instance: in.clone(), now: ev.At, cause: ev.Cause}
	if err := m.handle(ev); err != nil {
		return in, nil, err
	}
	if m.mirror() {
		m.loosen()
	}
	m.advance()
	if m.err != nil {
		return in, nil, m.err
	}
	if m.mirror() {
		m.tell(in.Pair.Self)
	}
	return m.Instance, m.out, nil
}

// machine is an instance while one step is worked out.
type machine struct {
	Instance
	now   time.Time
	cause int64 // of the event
	out   []Action
	err   error // a plan that broke the table of transitions: a fault of this package
}

func (m *machine) handle(ev Event) error {
	switch ev.Kind {
	case EventCommand:
		return m.command(ev)
	case EventHook:
		return m.hookEnded(ev)
	case EventNetwork:
		return m.networkAnswered(ev)
	case EventShare:
		return m.shareAnswered(ev)
	case EventResource:
		ev.Resource.Cause = ev.Cause
		m.resourceChanged(ev.Resource)
		return nil
	case EventModule:
		return m.moduleChanged(ev)
	case EventPeer, EventPeerLost, EventLease, EventReplica:
		return m.pairChanged(ev)
	case EventTimer:
		return m.timerRanOut(ev)
	default:
		return m.impossible(fmt.Sprintf("event %q", ev.Kind))
	}
}

func (m *machine) impossible(what string) error {
	return &Impossible{Module: m.Module.Name, State: m.Status(), What: what}
}

// advance carries out the plan until an answer, a resource or nothing is left
// to wait for.
func (m *machine) advance() {
	for m.err == nil && m.Asked.Kind == "" {
		switch {
		case m.Next.Verb != "":
			o := m.Next
			m.Next = Order{}
			m.begin(o)
		case len(m.Plan) == 0:
			if !m.settle() {
				return
			}
		default:
			t := m.Plan[0]
			goes, again := m.goesOn(t)
			if again {
				continue
			}
			if !goes {
				return
			}
			m.Plan = m.Plan[1:]
			m.perform(t)
		}
	}
}

// goesOn judges a task that may have to wait. again means that the plan, or an
// order in its place, has become another.
func (m *machine) goesOn(t Task) (goes, again bool) {
	waits := t.Kind == TaskGate || t.Kind == TaskRole || t.Kind == TaskJoin
	if waits && m.renews() {
		return false, true
	}
	switch t.Kind {
	case TaskGate:
		return m.gateOpens(), false
	case TaskRole:
		return false, m.findsRole()
	case TaskJoin:
		if m.joined() {
			return true, false
		}
		return false, m.react() || m.findsOther()
	case TaskEnter:
		if t.To.Primary() && m.State == Second && m.hears() && m.Pair.Peer.State.Primary() {
			m.replace(m.change(Second, "%s is heard again and is %s", m.PeerName(), m.Pair.Peer.State))
			return false, true
		}
	}
	return true, false
}

// begin makes the plan of an order.
func (m *machine) begin(o Order) {
	m.Verb, m.LastReason, m.Cause, m.BlockedBy = o.Verb, o.Reason, o.Cause, ""
	m.Services = ""
	if o.Verb == VerbRestart {
		m.Services = o.Services
	}
	m.Target = Up
	if m.mirror() {
		m.leaveRole()
		m.Pair.Waited = ""
	}
	switch {
	case m.State == Stop:
		m.Pair.Self.Wish = wishOf[o.Verb]
		m.Plan = m.planStart()
	case o.Verb == VerbRestart:
		m.Plan, m.Target = m.planRestart(o), m.State
	case o.Verb == VerbWait:
		m.Plan = m.planWait(o)
	case o.Verb == VerbChange || o.Verb == VerbSwap:
		m.Plan, m.Target = m.planChange(o.To), o.To
	default:
		m.Plan = m.planStop(o)
		m.Target = Stop
		if o.Verb == VerbStopStart {
			m.Then = o
		}
	}
}

// settle ends a transition. It reports whether there is something more to do:
// a start that was queued, a change of the drain wish, a resource that went
// down meanwhile.
func (m *machine) settle() bool {
	if m.State == Stop && m.Then.Verb != "" {
		o := m.Then
		m.Then = Order{}
		if o.Reboot {
			m.emit(Action{Kind: ActReboot})
			return m.settle()
		}
		m.begin(o)
		return true
	}
	ended := m.Verb != ""
	m.Verb, m.Services, m.Target = "", "", m.State
	if m.State == Stop {
		m.Drained, m.Turned, m.Pair.Self.Wish = false, "", ""
		if ended {
			m.Held = "" // else it was kept over a restart of the host, until the start that is to come
		}
		m.renews()
		return false
	}
	if m.renews() {
		m.Verb = VerbUpdate
		return true
	}
	if m.Turned != "" {
		m.Verb, m.LastReason, m.Cause, m.Turned = VerbUpdate, m.Turned, m.cause, ""
		m.Plan = []Task{hook(hookUpdate, m.State, m.State)}
		return true
	}
	switch {
	case m.Drained && m.Share == ShareIsOpen:
		m.Verb, m.Plan = VerbDrain, []Task{share(ShareDrain)}
	case !m.Drained && m.Share == ShareIsDrained:
		m.Verb, m.Plan = VerbUndrain, []Task{share(ShareUndrain)}
	}
	if m.Verb != "" {
		m.LastReason, m.Cause = m.DrainedBy.Reason, m.DrainedBy.Cause
		return true
	}
	return m.react() || m.mirror() && m.findsOther()
}

// perform carries out one task. A task that answers is noted in Asked.
func (m *machine) perform(t Task) {
	switch t.Kind {
	case TaskEnter:
		m.enter(status{t.To, t.Phase}, m.LastReason, m.Cause)
	case TaskGate:
		m.passGate()
	case TaskChecks:
		m.switchChecks(t)
	case TaskHook:
		m.callHook(t)
	case TaskNetworkUp:
		if m.Module.Shared && !m.Network {
			m.Network = true
			m.ask(t, Action{Kind: ActNetworkUp, Lease: m.mirror()})
		}
	case TaskNetworkDown:
		m.ask(t, Action{Kind: ActNetworkDown})
	case TaskNetworkNew:
		if m.Network {
			m.ask(t, Action{Kind: ActNetworkNew})
		}
	case TaskShare:
		if m.Module.Shared {
			m.orderShare(t)
		}
	case TaskReplicate:
		m.orderReplica(t)
	}
}

// callHook calls a hook if the module has it.
func (m *machine) callHook(t Task) {
	if part, start, ok := hookPart(t.Hook); ok {
		if start && part == PartBoth && m.Module.Closed && m.Module.Shared && !m.mirror() {
			m.Drained, m.DrainedBy = true, Order{Reason: "its scripts let the connections in", Cause: m.Cause}
		}
		if start {
			m.setRunning(part, part == PartBoth || m.Module.has(part))
		} else if !m.Module.Hooks[t.Hook] {
			m.setRunning(part, false) // else when it has answered
		}
	}
	if m.Module.Hooks[t.Hook] {
		m.ask(t, Action{Kind: ActHook, Hook: HookCall{
			Name: t.Hook, Force: t.Force, From: t.From, To: t.To, Verb: m.hookVerb(), Services: m.Services, Timeout: m.timeout(t)}})
	}
}

func (m *machine) emit(a Action) {
	if a.Reason == "" {
		a.Reason, a.Cause = m.LastReason, m.Cause
	}
	m.out = append(m.out, a)
}

func (m *machine) ask(t Task, a Action) {
	m.Asked = t
	m.emit(a)
}

// enter changes the state, if the table allows it.
func (m *machine) enter(to status, reason string, cause int64) {
	from := status{m.State, m.Phase}
	if from == to {
		return
	}
	if !slices.Contains(transitions[from], to) {
		m.err = m.impossible("entering " + to.String())
		return
	}
	if m.mirror() {
		m.takeRole(from, to)
	}
	m.State, m.Phase, m.Since = to.State, to.Phase, m.now
	value := ResDown
	if to.Phase == Ready && to.State != Second {
		value = ResUp
	}
	m.emit(Action{Kind: ActResource, State: to.State, Phase: to.Phase, Reason: reason, Cause: cause,
		Resource: Resource{Name: "state.local", Value: value, Reason: to.String(), Since: m.now}})
}

// note adds to the story of the transition what went wrong without ending it.
func (m *machine) note(text string) {
	if strings.Contains("; "+m.LastReason+"; ", "; "+text+"; ") {
		return // it went wrong in the same way again
	}
	if m.LastReason != "" {
		text = m.LastReason + "; " + text
	}
	m.LastReason = text
}

// hookVerb is what hooks are told of the transition; force has its own field.
func (m *machine) hookVerb() Verb {
	switch m.Verb {
	case VerbForceStop:
		return VerbStop
	case VerbPrim, VerbPrimForce, VerbSecond, VerbSecondForce, VerbChange, VerbSwap:
		return VerbStart
	}
	return m.Verb
}
