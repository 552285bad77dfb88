package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Memory is a network inside one process, for tests: nodes made by its New
// behave as those made by the package's New, and links can be cut, healed and
// slowed. It asks no clock but time.AfterFunc, so it works in a synctest bubble.
//
// Unlike memberlist, each pair of nodes finds out about one another alone: a
// node that only one other cannot reach is dead for that one.
type Memory struct {
	detect time.Duration

	mu    sync.Mutex
	nodes map[core.NodeID]*memoryNode
	cut   map[[2]core.NodeID]bool
	delay map[[2]core.NodeID]time.Duration
}

// NewMemory makes a network without nodes. detect is how long a node must be
// out of reach until another believes that it is dead.
func NewMemory(detect time.Duration) *Memory {
	return &Memory{
		detect: detect,
		nodes:  map[core.NodeID]*memoryNode{},
		cut:    map[[2]core.NodeID]bool{},
		delay:  map[[2]core.NodeID]time.Duration{},
	}
}

// memoryNode is the carrier over Memory.
type memoryNode struct {
	m *Memory
	c *Cluster
}

var errUnreachable = errors.New("the node cannot be reached")

// New starts a node on the network. Bind, Advertise and Key are not used.
func (m *Memory) New(o Options) (*Cluster, error) {
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	n := &memoryNode{m: m, c: c}
	c.carrier = n
	m.mu.Lock()
	_, taken := m.nodes[o.Self]
	if !taken {
		m.nodes[o.Self] = n
	}
	m.mu.Unlock()
	if taken {
		c.cancel()
		c.wg.Wait()
		return nil, fmt.Errorf("join the cluster: node %d is on the network already", o.Self)
	}
	for _, other := range m.reachable(o.Self) {
		meet(n, other)
	}
	return c, nil
}

// Cut stops all traffic between two nodes.
func (m *Memory) Cut(a, b core.NodeID) {
	m.mu.Lock()
	m.cut[link(a, b)] = true
	m.mu.Unlock()
	m.loseLater(a, b)
}

// Heal undoes Cut; the nodes become members for each other at once.
func (m *Memory) Heal(a, b core.NodeID) {
	m.mu.Lock()
	delete(m.cut, link(a, b))
	x, y := m.nodes[a], m.nodes[b]
	m.mu.Unlock()
	if x != nil && y != nil {
		meet(x, y)
	}
}

// Isolate cuts a node from all others that are on the network now.
func (m *Memory) Isolate(n core.NodeID) {
	for _, other := range m.others(n) {
		m.Cut(n, other.c.self.Number)
	}
}

// Rejoin heals all links of a node.
func (m *Memory) Rejoin(n core.NodeID) {
	for _, other := range m.others(n) {
		m.Heal(n, other.c.self.Number)
	}
}

// Delay makes everything between two nodes take d.
func (m *Memory) Delay(a, b core.NodeID, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay[link(a, b)] = d
}

func link(a, b core.NodeID) [2]core.NodeID { return [2]core.NodeID{min(a, b), max(a, b)} }

// meet lets two nodes exchange what they say of themselves and their states.
func meet(x, y *memoryNode) {
	xMeta, yMeta := x.c.metaBytes(), y.c.metaBytes()
	xState, yState := x.c.stateBytes(), y.c.stateBytes()
	x.c.memberUp(y.c.self.Number, yMeta, netip.AddrPort{})
	y.c.memberUp(x.c.self.Number, xMeta, netip.AddrPort{})
	x.c.remoteState(yState)
	y.c.remoteState(xState)
}

func (m *Memory) others(n core.NodeID) []*memoryNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*memoryNode
	for other, node := range m.nodes {
		if other != n {
			list = append(list, node)
		}
	}
	return list
}

func (m *Memory) reachable(n core.NodeID) []*memoryNode {
	var list []*memoryNode
	for _, other := range m.others(n) {
		if m.connected(n, other.c.self.Number) {
			list = append(list, other)
		}
	}
	return list
}

func (m *Memory) connected(a, b core.NodeID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes[a] != nil && m.nodes[b] != nil && !m.cut[link(a, b)]
}

// loseLater lets two nodes believe each other dead if they cannot reach one
// another once the time for finding out is over.
func (m *Memory) loseLater(a, b core.NodeID) {
	m.mu.Lock()
	x, y := m.nodes[a], m.nodes[b]
	m.mu.Unlock()
	time.AfterFunc(m.detect, func() {
		if m.connected(a, b) {
			return
		}
		if x != nil {
			x.c.memberDown(b, 0, false)
		}
		if y != nil {
			y.c.memberDown(a, 0, false)
		}
	})
}

func (n *memoryNode) send(to Peer, frame []byte, fast bool) error {
	self := n.c.self.Number
	if !n.m.connected(self, to.Number) {
		if fast {
			return nil // a lost packet tells nobody
		}
		return errUnreachable
	}
	n.m.mu.Lock()
	d, target := n.m.delay[link(self, to.Number)], n.m.nodes[to.Number]
	n.m.mu.Unlock()
	if d == 0 {
		target.c.receive(frame)
		return nil
	}
	time.AfterFunc(d, func() {
		if n.m.connected(self, to.Number) {
			target.c.receive(frame)
		}
	})
	return nil
}

func (n *memoryNode) announce() error {
	meta := n.c.metaBytes()
	for _, other := range n.m.reachable(n.c.self.Number) {
		other.c.memberUp(n.c.self.Number, meta, netip.AddrPort{})
	}
	return nil
}

// leave has nothing to add to the frame that says so.
func (n *memoryNode) leave(context.Context) error { return nil }

func (n *memoryNode) close() error {
	self := n.c.self.Number
	others := n.m.others(self)
	n.m.mu.Lock()
	delete(n.m.nodes, self)
	n.m.mu.Unlock()
	session := n.c.session
	time.AfterFunc(n.m.detect, func() {
		for _, other := range others {
			other.c.memberDown(self, session, false)
		}
	})
	return nil
}
