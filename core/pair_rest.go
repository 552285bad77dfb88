package core

import "fmt"

// findsOther looks, while nothing else is being done, whether the pair needs
// another role of this node, and begins the change. It reports whether it did.
func (m *machine) findsOther() bool {
	var o Order
	switch m.State {
	case Alone, Prim:
		o = m.primRests()
	case Second:
		o = m.secondRests()
	}
	if o.Verb == "" {
		return false
	}
	if m.Pair.Self.Ask && o.Verb != VerbSwap {
		m.Pair.Self.Ask = false
	}
	m.replace(o)
	return true
}

func (m *machine) change(to State, format string, args ...any) Order {
	return Order{Verb: VerbChange, To: to, Reason: fmt.Sprintf(format, args...), Nice: true}
}

// primRests is what ALONE and PRIM come to, in view of the peer.
func (m *machine) primRests() Order {
	s, p, name := &m.Pair.Self, m.Pair.Peer, m.PeerName()
	if m.State == Prim && m.hears() {
		m.grant(p)
	}
	switch {
	case m.overtaken():
		return Order{Verb: VerbStopStart, Nice: true, Drop: true,
			Reason: fmt.Sprintf("%s took over and went on (%s; here %s)", name, p.Data.describe(), s.Data.describe())}
	case m.hears() && p.State.Primary():
		return m.conflict()
	case s.Degraded && m.State == Prim:
		return m.change(Alone, "replication failed on this node")
	case s.Degraded:
	case m.State == Alone && m.peerIn(Second):
		return m.change(Prim, "%s is SECOND", name)
	case m.State == Alone || m.peerIn(Wait) && p.Choosing:
	case m.peerIn(Second):
		return m.yields()
	case m.hears():
		return m.change(Alone, "%s is %s", name, p.State)
	default:
		return m.goesAlone()
	}
	return Order{}
}

// overtaken reports that the peer went on from the data of this primary: it took
// over while this one was paused or could not be heard. That is a fact that needs
// no acknowledgement.
func (m *machine) overtaken() bool {
	p := m.Pair.Peer
	matters := p.State.Primary() && !p.Leaving || m.Module.Mirror.Replicated
	return m.hears() && matters && p.Data.usable() && p.Data.descends(m.Pair.Self.Data.Generation)
}

// conflict ends a split: two primaries in contact. It waits until both judge by
// the same.
func (m *machine) conflict() Order {
	if m.Pair.Peer.Leaving || !m.acknowledged(m.Pair.Self.Seq) {
		return Order{}
	}
	me, other := m.sides()
	stay, _ := stays(me, other)
	if stay {
		return Order{}
	}
	_, why := stays(other, me)
	return Order{Verb: VerbStopStart, Nice: true, Drop: true,
		Reason: fmt.Sprintf("split brain: %s is %s, too, and stays, because %s", m.PeerName(), m.Pair.Peer.State, why)}
}

// yields gives the role to a secondary that is to have it.
func (m *machine) yields() Order {
	p, name := m.Pair.Peer, m.PeerName()
	if p.Phase != Ready || m.swapImpossible() != "" {
		return Order{}
	}
	o := Order{Verb: VerbSwap, To: Second, Nice: true}
	switch {
	case p.Ask:
		o.Reason = "swap asked for on " + name
	case m.Pair.SwapDue && m.Module.Mirror.DefaultPrim != 0:
		o.Reason = name + " is the default primary"
	case m.Pair.SwapDue:
		o.Reason = name + " was primary before it stopped"
	default:
		return Order{}
	}
	return o
}

// swapImpossible answers why roles cannot be swapped now.
func (m *machine) swapImpossible() string {
	d, p, name := m.Pair.Self.Data, m.Pair.Peer, m.PeerName()
	switch {
	case !m.hears():
		return name + " is not heard"
	case m.State == Second && p.State != Prim, m.State == Prim && p.State != Second:
		return fmt.Sprintf("%s is %s", name, p.State)
	case d.Standing != StandingShared || p.Data.Generation != d.Generation || p.Data.Standing != StandingShared:
		return "the secondary is not up to date"
	}
	return ""
}

// goesAlone is what a primary without contact comes to.
func (m *machine) goesAlone() Order {
	switch v := m.witnessed(); v.phase {
	case Transient:
		return Order{}
	case NotReady:
		return Order{Verb: VerbWait, Nice: true, Drop: true, Reason: v.why}
	}
	return m.change(Alone, "%s is lost%s", m.PeerName(), because(m.Pair.Lost))
}

// secondRests is what SECOND comes to, ready or still being copied to.
func (m *machine) secondRests() Order {
	s, p, name := &m.Pair.Self, m.Pair.Peer, m.PeerName()
	switch {
	case m.hears() && p.State.Primary() && p.Degraded:
		return Order{Verb: VerbWait, Nice: true, Reason: "replication failed on " + name}
	case m.hears() && p.State.Primary():
		s.Yield = false
		missed := s.Data.Standing != StandingShared || s.Data.Generation != p.Data.Generation
		if missed && (m.Phase == Ready || m.Module.Mirror.Replicated && m.Pair.Follows != p.Data.Generation) {
			return m.change(Second, "%s went on without this node for a while: what it wrote is copied", name)
		}
		return Order{}
	case m.peerIn(Second):
		return m.bothSecond()
	case m.FailoverOff() && s.Data.Standing == StandingShared:
		return Order{Verb: VerbStopStart, Nice: true, Reason: fmt.Sprintf("failover is off, and %s is no longer primary", name)}
	case !m.UpToDate():
		return Order{Verb: VerbWait, Nice: true, Reason: fmt.Sprintf("%s is no longer primary, and data here is not up to date (%s)", name, s.Data.describe())}
	case m.hears():
		return m.change(Alone, "%s is %s", name, p.State)
	}
	switch v := m.witnessed(); v.phase {
	case Transient:
		return Order{}
	case NotReady:
		return Order{Verb: VerbWait, Nice: true, Drop: true, Reason: v.why}
	}
	return m.change(Alone, "%s is lost%s", name, because(m.Pair.Lost))
}

// bothSecond is the middle of a swap: who yields waits.
func (m *machine) bothSecond() Order {
	s, p, name := m.Pair.Self, m.Pair.Peer, m.PeerName()
	mine := p.Yield && !s.Yield && m.acknowledged(m.Pair.Entered) // else it was given up to an earlier SECOND
	if s.Yield == p.Yield {
		me, other := m.sides()
		mine = m.acknowledged(s.Seq) && outranks(me, other, m.Module.Mirror.Replicated)
	}
	switch {
	case !mine:
		return Order{}
	case !m.UpToDate():
		return Order{Verb: VerbWait, Nice: true, Reason: fmt.Sprintf("both nodes are SECOND, and data here is not up to date (%s)", s.Data.describe())}
	case p.Yield:
		return m.change(Prim, "%s gives the role", name)
	}
	return m.change(Prim, "both nodes are SECOND, and this one goes first")
}
