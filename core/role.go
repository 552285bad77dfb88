package core

import (
	"cmp"
	"fmt"
)

// Timers of a start; at most one of them runs.
const (
	timerListen = "listen" // for a peer that was never heard
	timerYield  = "yield"  // to a peer that has the better claim and does not make it
	timerClaim  = "claim"  // for the peer's acknowledgement
	timerAsk    = "ask"    // for the primary to swap
)

// verdict is what comes of looking for a role.
type verdict struct {
	role  State  // the role; 0 (Stop) is none as yet
	phase Phase  // none: NotReady if somebody has to do something, Transient if it will pass
	why   string // none: what is waited for. Else why this role
	abort bool   // what the operator asked for cannot be
	claim bool   // none: the peer is told that this node is about to become primary
	timer string // none: the timer that limits the wait
}

func blocked(why string) verdict { return verdict{phase: NotReady, why: why} }
func passing(why string) verdict { return verdict{phase: Transient, why: why} }
func refused(why string) verdict { return verdict{abort: true, why: why} }

// findsRole looks for a role in WAIT, and makes the plan that leads to it.
func (m *machine) findsRole() bool {
	s := &m.Pair.Self
	if !m.gateOpens() {
		s.Choosing, s.Claim = false, false
		m.await("")
		m.listenAnew()
		return false
	}
	s.Choosing = true
	if m.hears() {
		m.compare(m.Pair.Peer)
	}
	v := m.role()
	s.Claim = v.claim
	m.await(v.timer)
	switch {
	case v.abort:
		m.leaveRole()
		m.replace(Order{Verb: VerbStop, Reason: fmt.Sprintf("%s is not possible: %s", s.Wish, v.why)})
		return true
	case v.role == Stop:
		m.BlockedBy = v.why
		m.enter(status{Wait, v.phase}, v.why, cmp.Or(m.cause, m.Cause))
		return false
	}
	m.leaveRole()
	if m.Phase == NotReady {
		m.wake(v.why)
	} else {
		m.note(v.why)
	}
	m.passGate()
	m.Target = v.role
	m.Plan = m.planRole(v.role)
	return true
}

// listenAnew forgets that the peer is lost while a resource that is down holds the node
// back: what that is about, a cable for instance, may be why it hears nothing. So it
// listens when it may go on, before it takes the silence for an answer.
func (m *machine) listenAnew() {
	if p := &m.Pair; m.Phase == NotReady && p.Link == LinkLost {
		p.Link, p.Evidence, p.Lost, p.Waited = LinkUnknown, "", "", ""
	}
}

// leaveRole ends the search.
func (m *machine) leaveRole() {
	m.Pair.Self.Choosing, m.Pair.Self.Claim = false, false
	m.await("")
}

// await lets one timer of a start run, or none. One that ran out stays so until
// another is needed.
func (m *machine) await(timer string) {
	p := &m.Pair
	if timer == p.Waiting || timer != "" && timer == p.Waited {
		return
	}
	if p.Waiting != "" {
		m.emit(Action{Kind: ActTimer, Name: p.Waiting})
	}
	p.Waiting, p.Waited = timer, ""
	if timer == "" {
		return
	}
	if m.Module.Mirror.Patience <= 0 {
		p.Waiting, p.Waited = "", timer
		return
	}
	m.emit(Action{Kind: ActTimer, Name: timer, After: m.Module.Mirror.Patience})
}

// role decides. It changes nothing.
func (m *machine) role() verdict {
	name, p := m.PeerName(), m.Pair.Peer
	first := m.Pair.Self.Wish
	asPrim := first == VerbPrim || first == VerbPrimForce
	asSecond := first == VerbSecond || first == VerbSecondForce
	if why := m.primRefused(first); why != "" {
		return refused(why)
	}
	switch {
	case m.Pair.Link == LinkUnknown && m.Pair.Waited != timerListen:
		v := passing("listens for " + name)
		v.timer = timerListen
		return v
	case !m.hears():
		return m.roleAlone(asSecond)
	case p.State.Primary() && p.Leaving && asPrim:
		return passing(name + " gives up its role")
	case p.State.Primary() && asPrim:
		return refused(fmt.Sprintf("%s is %s", name, p.State))
	case p.State.Primary() && p.Degraded:
		return blocked("replication failed on " + name + ", which serves alone until it is repaired there")
	case p.State.Primary() && m.aheadOf(p) && !asSecond:
		return passing(fmt.Sprintf("%s is %s with older data (%s; here %s), and gives up when it hears that", name, p.State, p.Data.describe(), m.Pair.Self.Data.describe()))
	case p.State.Primary():
		return verdict{role: Second, why: fmt.Sprintf("%s is %s", name, p.State)}
	case p.State == Second:
		return passing(name + " is SECOND and finds its role first")
	case asSecond:
		return refused(name + " is not primary")
	}
	if v := m.mayLead(); v.phase != "" || v.abort {
		return v
	}
	return m.claim()
}

// aheadOf reports that this node went on from the peer's data.
func (m *machine) aheadOf(p PeerState) bool {
	d := m.Pair.Self.Data
	return m.Module.Mirror.Replicated && d.usable() && d.descends(p.Data.Generation)
}

// mayLead answers what speaks against becoming primary in view of a peer that
// is heard and is not primary itself.
func (m *machine) mayLead() verdict {
	s, p, name := m.Pair.Self, m.Pair.Peer, m.PeerName()
	forced := s.Wish == VerbPrimForce
	newer := p.Data.usable() && p.Data.descends(s.Data.Generation)
	switch {
	case forced || !m.Module.Mirror.Replicated && s.Wish != "":
	case m.Module.Mirror.Replicated && newer && s.Wish == VerbPrim:
		return refused(fmt.Sprintf("%s has newer data (%s; here %s): start it there, or primforce loses that", name, p.Data.describe(), s.Data.describe()))
	case m.Module.Mirror.Replicated && newer:
		return blocked(fmt.Sprintf("%s has newer data (%s; here %s): waits for it", name, p.Data.describe(), s.Data.describe()))
	case s.Wish == VerbPrim:
	case !m.UpToDate() && s.Data.Standing == StandingNone && p.Data.Standing == StandingNone:
		return blocked("no data is known to be good yet: say where it is, with prim on the node that has it")
	case !m.UpToDate():
		return blocked(fmt.Sprintf("data may be not up to date (%s): waits for %s (%s)", s.Data.describe(), name, p.Data.describe()))
	case m.FailoverOff() && !s.Data.Prim && p.Data.Prim:
		return blocked(fmt.Sprintf("failover is off, and %s was primary: start it there, or stop and prim here", name))
	}
	return verdict{}
}

// primRefused answers why prim is not enough here.
func (m *machine) primRefused(v Verb) string {
	switch d := m.Pair.Self.Data; {
	case v != VerbPrim || !m.Module.Mirror.Replicated:
	case d.Standing == StandingPartial:
		return "data here is inconsistent (stopped while it was copied): primforce starts with it all the same"
	case d.Standing == StandingOutdated:
		return fmt.Sprintf("data here is outdated (%s went on without this node): primforce starts with it all the same, and loses what %s wrote", m.PeerName(), m.PeerName())
	}
	return ""
}

// claim becomes primary in agreement with a peer that could become it, too: it
// goes ahead when the peer has heard of the claim and does not make one itself.
func (m *machine) claim() verdict {
	p, name := m.Pair.Peer, m.PeerName()
	me, other := m.sides()
	ahead := !outranks(other, me, m.Module.Mirror.Replicated)
	switch {
	case p.Claim && !ahead:
		return passing(name + " becomes primary")
	case !ahead && !m.Pair.Self.Claim && m.Pair.Waited != timerYield && m.Pair.Waited != timerClaim:
		v := passing(fmt.Sprintf("gives way to %s, which goes before this node", name))
		v.timer = timerYield
		return v
	}
	answered := m.Pair.Claimed != 0 && m.acknowledged(m.Pair.Claimed) && !p.Claim
	if !answered && m.Pair.Waited != timerClaim {
		v := passing("tells " + name + " that it becomes primary")
		v.claim, v.timer = true, timerClaim
		return v
	}
	if !answered {
		if v := m.witnessed(); v.phase != "" {
			return v
		}
	}
	if p.Choosing {
		return verdict{role: Prim, why: name + " becomes secondary"}
	}
	return verdict{role: Alone, why: fmt.Sprintf("%s is %s", name, p.State)}
}

// roleAlone decides without contact to the peer.
func (m *machine) roleAlone(asSecond bool) verdict {
	s, name := m.Pair.Self, m.PeerName()
	away := fmt.Sprintf("%s is not heard", name)
	switch {
	case asSecond:
		return refused(away)
	case s.Wish != "":
		return verdict{role: Alone, why: away}
	case m.Module.Mirror.Replicated && s.Data.Standing != StandingSole && !m.recent():
		return blocked(fmt.Sprintf("data may be not up to date (%s), and %s", s.Data.describe(), away))
	case m.FailoverOff() && !s.Data.Prim && s.Data.Standing != StandingNone:
		return blocked(fmt.Sprintf("failover is off, and %s: start it there, or stop and prim here", away))
	}
	if v := m.witnessed(); v.phase != "" {
		return v
	}
	if m.recent() {
		ago, _ := m.Synced(m.now)
		away += fmt.Sprintf(", and data here was up to date %s ago, which is within syncdelta", ago)
	}
	return verdict{role: Alone, why: away}
}

// recent reports that the copy may be old, and that the configuration takes it for good
// enough while the peer is not heard.
func (m *machine) recent() bool {
	ago, ok := m.Synced(m.now)
	old := m.Pair.Self.Data.Standing == StandingShared || m.Pair.Self.Data.Standing == StandingOutdated
	return m.Module.Mirror.Replicated && !m.hears() && old && ok && ago <= m.Module.Mirror.SyncDelta && m.Module.Mirror.SyncDelta > 0
}

// witnessed answers what speaks against going on without the peer: a witness is
// configured, none is reached, and the peer may be alive.
func (m *machine) witnessed() verdict {
	if len(m.Module.Mirror.Witnesses) == 0 || m.Pair.Link == LinkLost && m.Pair.Evidence == EvidenceDead {
		return verdict{}
	}
	missing := false
	for _, w := range m.Module.Mirror.Witnesses {
		switch m.Resources[w].Value {
		case ResUp:
			return verdict{}
		case ResInit, "":
			missing = true
		}
	}
	if missing {
		return passing("no witness has answered yet")
	}
	return blocked(fmt.Sprintf("%s may be alive, and no witness is reached from here", m.PeerName()))
}
