package core

import "fmt"

// pairChanged notes what is new about the pair. What follows from it is found
// when nothing else is being done; see findsRole, joined and findsOther.
func (m *machine) pairChanged(ev Event) error {
	switch {
	case !m.mirror():
		return m.impossible(fmt.Sprintf("event %q", ev.Kind))
	case ev.Kind == EventPeer && (ev.Peer == nil || ev.Peer.Node != m.Module.Mirror.Peer):
		return m.impossible("news of a node that is not the peer")
	case ev.Kind == EventPeer:
		m.heard(*ev.Peer)
	case ev.Kind == EventPeerLost:
		m.Pair.Link, m.Pair.Evidence, m.Pair.Lost = LinkLost, ev.Evidence, ev.Reason
	case ev.Kind == EventLease:
		m.Pair.Self.Lapsed = m.State.Primary()
	default:
		return m.replicaAnswered(ev)
	}
	return nil
}

// heard takes over what the peer says. Older news of the same life came late,
// except after a silence: then the peer may have lost all that it knew.
func (m *machine) heard(p PeerState) {
	old := &m.Pair.Peer
	late := p.Seq < old.Seq || p.Seq == old.Seq && p.HeardLife == old.HeardLife && p.HeardSeq < old.HeardSeq
	if late && p.Life == old.Life && m.Pair.Link == LinkHeard {
		return
	}
	*old = p
	m.Pair.Link, m.Pair.Evidence, m.Pair.Lost = LinkHeard, "", ""
	s := &m.Pair.Self
	s.Data.Top = max(s.Data.Top, p.Data.Top)
	if p.FailoverAt > s.FailoverAt || p.FailoverAt == s.FailoverAt && p.Failover == "off" {
		s.Failover, s.FailoverAt = p.Failover, p.FailoverAt
	}
	s.Lapsed = s.Lapsed && p.State.Primary() // else nobody took over meanwhile
	switch {
	case m.State == Prim:
		m.grant(p)
	case m.State != Alone:
		m.compare(p)
	}
}

// grant lets a secondary that has everything know that it is known here: from
// now on this node does not start without asking it, so that it may take over.
func (m *machine) grant(p PeerState) {
	d := &m.Pair.Self.Data
	here := !m.Module.Mirror.Replicated || m.Pair.Self.Copied == d.Generation
	if p.State != Second || p.Copied != d.Generation || !here || d.Standing == StandingShared {
		return
	}
	d.Standing = StandingShared
	m.synced()
	c := m.Module.Mirror
	m.Pair.SwapDue = c.DefaultPrim == c.Peer && c.Peer != 0 || c.LastPrim && p.Data.Prim
}

// synced notes that the copy here is up to date now.
func (m *machine) synced() {
	if m.Module.Mirror.Replicated {
		m.Pair.Synced = m.now.Unix()
	}
}

// compare notes that the peer went on without this node.
func (m *machine) compare(p PeerState) {
	d := &m.Pair.Self.Data
	if d.Standing == StandingPartial || d.Standing == StandingNone || d.Generation == p.Data.Generation {
		return
	}
	// Of two lines that split, this one ends when the peer stays primary although
	// it has heard that this node is not.
	told := m.Pair.Self
	given := p.State.Primary() && !p.Leaving && !told.State.Primary() && m.acknowledged(told.Seq)
	if p.Data.usable() && (given || p.Data.descends(d.Generation)) {
		if m.State == Second && d.Standing == StandingShared {
			m.synced() // up to now
		}
		d.Standing = StandingOutdated
	}
}

// joined reports that a secondary could take over: it has what the primary has,
// and the primary knows that it has.
func (m *machine) joined() bool {
	s, p := &m.Pair.Self, m.Pair.Peer
	if m.hears() && p.State.Primary() && !m.Module.Mirror.Replicated {
		s.Copied = p.Data.Generation // there is nothing to copy
	}
	if !m.hears() || p.Data.Standing != StandingShared {
		return false
	}
	if s.Copied == p.Data.Generation && p.State == Prim {
		s.Data.adopt(p.Data)
		m.synced()
	}
	return s.Data.Standing == StandingShared && s.Data.Generation == p.Data.Generation
}

// orderReplica gives replication an order, if there is replication.
func (m *machine) orderReplica(t Task) {
	m.Pair.Joined = t.Replica != ReplicateStop
	m.Pair.Self.Copied = Generation{}
	m.Pair.Follows = m.Pair.Peer.Data.Generation
	if m.Module.Mirror.Replicated {
		m.ask(t, Action{Kind: ActReplicate, Replica: t.Replica, Full: m.Pair.Self.Wish == VerbSecondForce})
	}
}

// replicaAnswered goes on after an order to replication, or notes its news.
func (m *machine) replicaAnswered(ev Event) error {
	s := &m.Pair.Self
	switch ReplicaNews(ev.Name) {
	case ReplicaCopying:
		if m.State == Second {
			s.Copied, s.Data.Standing = Generation{}, StandingPartial
		}
	case ReplicaCopied:
		s.Copied = ev.Generation
	case ReplicaLost:
		s.Copied = Generation{}
	case ReplicaDegraded, ReplicaRepaired:
		s.Degraded = ReplicaNews(ev.Name) == ReplicaDegraded && m.State.Primary()
	default:
		return m.replicaDone(ev)
	}
	return nil
}

func (m *machine) replicaDone(ev Event) error {
	t := m.Asked
	if t.Kind != TaskReplicate || string(t.Replica) != ev.Name {
		return m.impossible(fmt.Sprintf("an answer of replication to %q", ev.Name))
	}
	m.Asked = Task{}
	why := fmt.Sprintf("replication order %s failed", t.Replica) + because(ev.Reason)
	switch {
	case ev.OK:
	case m.Next.Verb != "":
		m.Next.Reason += "; " + why
	case t.Replica == ReplicateStop:
		m.note(why)
	default:
		m.startFailed(why)
	}
	return nil
}

// pairTimer notes which wait of a start, or of a wish to swap, is over.
func (m *machine) pairTimer(name string) error {
	switch {
	case !m.mirror() || name != timerListen && name != timerYield && name != timerClaim && name != timerAsk:
		return m.impossible(fmt.Sprintf("timer %q", name))
	case name == timerAsk:
		m.Pair.Self.Ask = false
	case name == m.Pair.Waiting:
		m.Pair.Waiting, m.Pair.Waited = "", name
	}
	return nil
}

// takeRole keeps the books of a change of state: whose data goes on, and what
// belonged to the state that is left.
func (m *machine) takeRole(from, to status) {
	s, p := &m.Pair.Self, m.Pair.Peer
	if from.State != to.State {
		stale := from.State == Wait && to.State == Alone && s.Wish == "" && m.recent()
		if (from.State == Second || from.State == Prim) && s.Data.Standing == StandingShared {
			m.synced()
		}
		switch {
		case to.State == Alone && from.State != Wait, to.State.Primary() && !from.State.Primary() && !m.keepsGeneration(from.State, to.State):
			s.Data.goOn(m.Module.Mirror.Self, s.Life)
		case from.State == Second && m.hears() && p.State.Primary() && s.Data.Standing == StandingShared:
			s.Data.Standing = StandingOutdated // it goes on without this node
		}
		s.Yield, s.Ask, s.Took = to.State == Second && m.Verb == VerbSwap, false, false
		switch {
		case to.State.Primary():
			s.Data.Prim, s.Wish = true, ""
			s.Took = to.State == Alone && from.State == Second || stale
		case to.State == Second:
			s.Wish = keepForce(s.Wish)
		}
		if !to.State.Primary() {
			s.Degraded, s.Lapsed, m.Pair.SwapDue = false, false, false
		}
	}
	if to == (status{Second, Ready}) {
		s.Data.Prim, s.Wish, s.Copied = false, "", Generation{}
	}
}

// keepForce keeps the wish to copy everything until it is done.
func keepForce(v Verb) Verb {
	if v == VerbSecondForce {
		return v
	}
	return ""
}

// keepsGeneration reports that nobody else can have this node's generation and
// write on in it, or that both go on together.
func (m *machine) keepsGeneration(from, to State) bool {
	d, p := m.Pair.Self.Data, m.Pair.Peer
	if from == Wait {
		return d.Standing == StandingSole
	}
	together := m.hears() && p.State == Second && p.Data.Standing == StandingShared && d.Standing == StandingShared
	return to == Prim && together && p.Data.Generation == d.Generation
}
