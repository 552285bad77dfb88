package share

import (
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// stays says that a node stays in the tables that does not take part: a silent one, or
// one whose daemon is new and has not started the module again.
func (p *peer) stays() bool {
	if p.alive {
		return p.digest.Left
	}
	return p.serves || !p.keepTill.IsZero()
}

// forget removes a silent node from the previous owners.
func (m *Machine) forget(n core.NodeID, why string) {
	p := m.peers[n]
	if p == nil || !p.stays() {
		return
	}
	p.keepTill = time.Time{}
	if held := m.view.Held(n); held > 0 {
		m.install(m.view.Forget(n))
		m.note("the connections that %s had in %d buckets were given up because %s", m.name(n), held, why)
	}
}

// lost takes note of a node that has fallen silent.
func (m *Machine) lost(in PeerLost) {
	p := m.peer(in.Node)
	left := p.digest.Left // its filter is gone, so it goes on with nothing
	p.had = p.digest.Present || left || m.view.has(in.Node)
	last := m.lastViews(p.digest)
	p.alive, p.lostAt, p.digest, p.keepTill, p.last = false, m.now, Digest{}, time.Time{}, nil
	if m.set.Keep && p.had && !left && !in.Goodbye {
		p.serves = true
		m.round = nil
		if owned := m.view.Owned(in.Node); owned > 0 {
			m.note("%s is silent, but goes on with its %d buckets until its host does not answer any more", m.name(in.Node), owned)
		}
		return
	}
	if in.HostAlive {
		p.keepTill, p.last = m.now.Add(m.timing.Keep), last
	}
	m.fail(in.Node, in.HostAlive, fmt.Sprintf("%s was declared lost", m.name(in.Node)))
}

// lastViews are the views by which a node that has fallen silent may forward: the
// one in force here, and, as it may not have heard what has happened since, that of its
// own last word.
func (m *Machine) lastViews(d Digest) []View {
	if len(m.view.Tables) == 0 {
		return nil
	}
	list := []View{m.view}
	if d.Epoch == m.planned.Epoch && d.Failed != m.failed {
		v := m.planned
		for _, n := range nodesOf(d.Failed) {
			v = v.Fail(n, true)
		}
		list = append(list, v)
	}
	return list
}

// hostGone gives up a silent node's connections, and its buckets if it was left
// them.
func (m *Machine) hostGone(n core.NodeID) {
	why := "its host does not answer any more"
	m.peer(n).last = nil
	if p := m.peers[n]; p.serves {
		p.serves = false
		m.fail(n, false, why)
		return
	}
	m.forget(n, why)
}

// silent are the members that take nothing until they are heard again.
func (m *Machine) silent() uint64 {
	var mask uint64
	for n, p := range m.peers {
		if p.stays() && !p.serves {
			mask |= bit(n)
		}
	}
	return mask
}
