package core

import "strings"

// The diagram of a mirror is in DESIGN.md. A change of role goes X Ready →
// X Transient → Y Transient → Y Ready; from each Transient phase a way leads to WAIT
// Transient. The table transitions has the rest.

// wishOf keeps how a start was asked for until a role is found.
var wishOf = map[Verb]Verb{
	VerbPrim: VerbPrim, VerbPrimForce: VerbPrimForce, VerbSecond: VerbSecond, VerbSecondForce: VerbSecondForce,
}

const changing activity = "changing its role"

var (
	isChanging  = reply{refuse, "is changing its role: wait until it has"}
	alreadyHas  = reply{refuse, "is active on this node: swap changes roles; to choose the data, stop it on both nodes first"}
	isEnding    = reply{refuse, "is stopping on this node: wait until it is STOP"}
	isNotActive = reply{refuse, "is not PRIM or SECOND on this node"}
)

// pairVerbs are what only a mirror knows.
var pairVerbs = []Verb{VerbPrim, VerbPrimForce, VerbSecond, VerbSecondForce, VerbSwap, VerbFailoverOn, VerbFailoverOff}

// A mirror answers further verbs, and has one more activity.
var mirrorCommands = func() map[activity]map[Verb]reply {
	begins := map[activity]reply{
		stopped: {how: begin}, starting: {how: mark}, running: alreadyHas, changing: alreadyHas, restarting: alreadyHas,
		stopping: isEnding, forcing: isEnding, cycling: isEnding, queued: isEnding,
	}
	swaps := map[activity]reply{
		stopped: notStarted, starting: isStarting, running: {how: swap}, changing: isChanging, restarting: isChanging,
		stopping: isStopping, forcing: isStopping, cycling: isStopping, queued: isStopping,
	}
	all := map[activity]map[Verb]reply{}
	for a := range begins {
		from := a
		if a == changing {
			from = running
		}
		row := map[Verb]reply{}
		for v, r := range commands[from] {
			row[v] = r
		}
		for v := range wishOf {
			row[v] = begins[a]
		}
		row[VerbSwap] = swaps[a]
		row[VerbFailoverOn], row[VerbFailoverOff] = reply{how: mark}, reply{how: mark}
		all[a] = row
	}
	all[changing][VerbStart] = reply{how: merge}
	all[changing][VerbRestart] = isChanging
	return all
}()

// markPair puts into effect what an operator says of the pair without a
// transition of its own.
func (m *machine) markPair(v Verb, reason string) error {
	if word, ok := strings.CutPrefix(string(v), "failover-"); ok {
		s := &m.Pair.Self
		s.Failover, s.FailoverAt = word, max(s.FailoverAt, m.Pair.Peer.FailoverAt)+1
		if m.State == Wait {
			m.note(reason)
		}
		m.turned(reason)
		return nil
	}
	if m.State != Wait {
		return m.refusal(alreadyHas)
	}
	if err := m.startRefused(v); err != nil {
		return err
	}
	m.Pair.Self.Wish = v
	if m.Held != "" {
		m.letGo(reason)
	} else {
		m.note(reason)
	}
	return nil
}

// swapAsked judges a command to swap.
func (m *machine) swapAsked(operator bool, reason string) error {
	why := m.swapImpossible()
	switch {
	case m.State != Prim && m.State != Second:
		return m.refusal(isNotActive)
	case why == "" && m.State == Prim && m.Pair.Peer.Phase != Ready:
		why = m.PeerName() + " is not ready"
	}
	o := Order{Verb: VerbSwap, Reason: reason, Cause: m.cause, Nice: true}
	switch {
	case why != "":
		return &Refusal{m.Module.Name + " cannot swap its roles now: " + why}
	case operator:
		m.Failures = nil
		m.swapRoles(o)
	default:
		m.automatic(o)
	}
	return nil
}

// swapRoles begins a swap on the primary, and asks for one on the secondary.
func (m *machine) swapRoles(o Order) {
	if m.State == Prim {
		o.To = Second
		m.replace(o)
		return
	}
	m.Pair.Self.Ask = true
	if m.Module.Mirror.Patience > 0 {
		m.out = append(m.out, Action{Kind: ActTimer, Name: timerAsk, After: m.Module.Mirror.Patience, Reason: o.Reason, Cause: o.Cause})
	}
}

// swappable reports that a rule which asks for a swap has its way: on the primary, which
// gives its role to a secondary that is ready for it. Until then what weighs less is done.
// A secondary asks for nothing: the rule may hold there because that node is the sick one.
func (m *machine) swappable() bool {
	return m.State == Prim && m.Pair.Peer.Phase == Ready && m.swapImpossible() == ""
}

// startRefused answers why a start that names a role makes no sense now, so
// that the operator knows it at once.
func (m *machine) startRefused(v Verb) error {
	p, name := m.Pair.Peer, m.PeerName()
	why := m.primRefused(v)
	switch {
	case why != "":
	case (v == VerbPrim || v == VerbPrimForce) && m.hears() && p.State.Primary() && !p.Leaving:
		why = name + " is " + p.State.String()
	case (v == VerbSecond || v == VerbSecondForce) && !(m.hears() && p.State.Primary()):
		why = name + " is not primary"
	}
	if why == "" {
		return nil
	}
	return &Refusal{m.Module.Name + " cannot start as asked: " + why}
}
