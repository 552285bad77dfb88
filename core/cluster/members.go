package cluster

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// member is what the carrier told of a node.
type member struct {
	status  Status
	session uint64
	meta    []byte
	address netip.AddrPort
}

// UpdatePeers replaces the list of the other nodes: a new one is contacted at
// once, one that is no longer there is neither listed nor heard any more.
func (c *Cluster) UpdatePeers(peers []Peer) {
	changed := c.setPeers(peers)
	for _, n := range changed {
		c.Nudge(n)
	}
}

// setPeers returns the nodes that are new or have other addresses.
func (c *Cluster) setPeers(peers []Peer) (changed []core.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.peers
	c.peers = make(map[core.NodeID]Peer, len(peers))
	for _, p := range peers {
		if p.Number == c.self.Number {
			continue
		}
		p.Addresses = slices.Clone(p.Addresses)
		c.peers[p.Number] = p
		before, was := old[p.Number]
		delete(old, p.Number)
		if !was || !slices.Equal(before.Addresses, p.Addresses) {
			changed = append(changed, p.Number)
		}
		if m := c.members[p.Number]; !was && m != nil && m.status == StatusAlive {
			c.queue.add(Event{Kind: Joined, Node: p.Number, Meta: m.meta})
		}
	}
	for n := range old {
		if m := c.members[n]; m != nil && m.status == StatusAlive {
			c.queue.add(Event{Kind: Left, Node: n})
		}
		delete(c.seen, n)
		delete(c.trips, n)
	}
	return changed
}

// Nudge says that a node was heard by other means (the heartbeat): if it is no
// member, it is contacted now instead of at the next regular attempt.
func (c *Cluster) Nudge(n core.NodeID) {
	select {
	case c.retry <- n:
	default: // many wait already, and the regular attempts go on
	}
}

// Members lists the configured nodes, this one included, by number.
func (c *Cluster) Members() []Member {
	self := Member{Node: c.self.Number, Name: c.self.Name, Status: StatusAlive}
	if c.meta != nil {
		self.Meta = c.meta()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.self.Addresses) > 0 {
		self.Address = c.self.Addresses[0]
	}
	list := []Member{self}
	for _, p := range c.peers {
		m := Member{Node: p.Number, Name: p.Name, Status: StatusUnknown}
		if len(p.Addresses) > 0 {
			m.Address = p.Addresses[0]
		}
		if known := c.members[p.Number]; known != nil {
			m.Status, m.Meta, m.RoundTrip = known.status, known.meta, c.trips[p.Number]
			if known.status == StatusAlive && known.address.IsValid() {
				m.Address = known.address
			}
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Member) int { return int(a.Node) - int(b.Node) })
	return list
}

func (c *Cluster) peer(n core.NodeID) (Peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.peers[n]
	if !ok {
		return Peer{}, ErrUnknownNode
	}
	return p, nil
}

// asker is where an answer goes: also to a node that is not configured, as far as the
// carrier knows it.
func (c *Cluster) asker(n core.NodeID) (Peer, error) {
	p, err := c.peer(n)
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.members[n]; err != nil && m != nil {
		p, err = Peer{Number: n, Addresses: []netip.AddrPort{m.address}}, nil
	}
	return p, err
}

func (c *Cluster) peerList() []Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Peer, 0, len(c.peers))
	for _, p := range c.peers {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Peer) int { return int(a.Number) - int(b.Number) })
	return list
}

// missing lists the configured nodes that are no members.
func (c *Cluster) missing() []Peer {
	list := c.peerList()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(list, func(p Peer) bool {
		m := c.members[p.Number]
		return m != nil && m.status == StatusAlive
	})
}

// notify queues an event of a configured node. c.mu is held.
func (c *Cluster) notify(e Event) {
	if _, ok := c.peers[e.Node]; ok {
		c.queue.add(e)
	}
}

// memberUp notes that a node is alive and what it says of itself. raw is what
// its metaBytes made. A process that was restarted before its end was noticed
// shows by its session.
func (c *Cluster) memberUp(n core.NodeID, raw []byte, address netip.AddrPort) {
	if n == c.self.Number || len(raw) < 8 {
		return
	}
	session, meta := binary.BigEndian.Uint64(raw), slices.Clone(raw[8:])
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[n]
	if m == nil {
		m = &member{status: StatusUnknown}
		c.members[n] = m
	}
	switch {
	case m.status == StatusLeft && m.session == session:
		return // late gossip: it has said that it goes
	case m.status == StatusAlive && m.session != session:
		c.notify(Event{Kind: Left, Node: n})
		c.notify(Event{Kind: Joined, Node: n, Meta: meta})
	case m.status != StatusAlive:
		c.notify(Event{Kind: Joined, Node: n, Meta: meta})
	case !bytes.Equal(m.meta, meta):
		c.notify(Event{Kind: MetaChanged, Node: n, Meta: meta})
	}
	*m = member{status: StatusAlive, session: session, meta: meta, address: address}
}

// memberDown notes that a node is gone. session 0 means whichever it was.
func (c *Cluster) memberDown(n core.NodeID, session uint64, graceful bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[n]
	if m == nil || m.status != StatusAlive || session != 0 && session != m.session {
		return
	}
	m.status = StatusDead
	if graceful {
		m.status = StatusLeft
	}
	c.notify(Event{Kind: Left, Node: n, Graceful: graceful})
}

// pinged notes how long a message and its answer took.
func (c *Cluster) pinged(n core.NodeID, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.peers[n]; ok {
		c.trips[n] = took
	}
}

// remoteState takes the other side's part of a state exchange.
func (c *Cluster) remoteState(b []byte) {
	if len(b) < 2 || b[0] != frameFormat {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notify(Event{Kind: RemoteState, Node: core.NodeID(b[1]), Payload: slices.Clone(b[2:])})
}
