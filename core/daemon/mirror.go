package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// minPatience is the shortest time for which the start of a mirror listens for the
// other node.
const minPatience = 2 * time.Second

// coreOf is what the state machine has to know of a module on this node.
func (m *member) coreOf(conf *config.Module) core.Module {
	c := RuleSet(conf).Extend(conf.Core())
	if conf.Mode != core.Mirror {
		return c
	}
	self := m.id.Node.Number
	c.Mirror.Self, c.Mirror.Patience = self, max(conf.Heart.Timeout, minPatience)
	for _, n := range m.pairNodes() {
		if n.Number != self {
			c.Mirror.Peer, c.Mirror.PeerName = n.Number, n.Name
		}
		if n.Name == conf.DefaultPrim {
			c.Mirror.DefaultPrim = n.Number
		}
	}
	return c
}

// pairNodes are the nodes that mirrors run on: the first two of the cluster.
func (m *member) pairNodes() []cluster.Node {
	nodes := slices.SortedFunc(slices.Values(m.settings().Nodes), func(a, b cluster.Node) int { return cmp.Compare(a.Number, b.Number) })
	return nodes[:min(2, len(nodes))]
}

// inPair says whether this node can run a mirror, or why not.
func (m *member) inPair(name string) error {
	nodes := m.pairNodes()
	if len(nodes) < 2 {
		return fmt.Errorf("%s is a mirror and needs two nodes; this cluster has one: join another", name)
	}
	if !slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.Number == m.id.Node.Number }) {
		return fmt.Errorf("%s is a mirror: it runs on %s and %s, not on this node", name, nodes[0].Name, nodes[1].Name)
	}
	return nil
}

// crowded refuses so many nodes where a mirror is installed, as a mirror is refused where so
// many nodes are.
func (m *member) crowded(nodes int) error {
	for _, mod := range m.all() {
		if mod.conf.Mode == core.Mirror && nodes > 2 {
			return fmt.Errorf("it has the mirror %s, which runs on the two nodes of a cluster: take one out before that is gone (orchestrator cluster remove) or leaves, uninstall %s, or found another cluster", mod.conf.Name, mod.conf.Name)
		}
	}
	return nil
}

// aimed chooses the node for a verb about the roles of a mirror, if none is named. Who
// is to be primary has to be said; the roles of both are swapped by either.
func (m *member) aimed(mod *module, verb core.Verb, r *control.VerbRequest) error {
	if mod.pair == nil || r.Here || len(r.Nodes) > 0 {
		return nil
	}
	switch verb {
	case core.VerbPrim, core.VerbPrimForce, core.VerbSecond, core.VerbSecondForce:
		return &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%s wants to know which node: --node NAME", verb)}
	case core.VerbSwap, core.VerbFailoverOn, core.VerbFailoverOff:
		r.Here = true
	}
	return nil
}

// widowed says that the other node of a mirror is not the one that it was made for.
func (mod *module) widowed() bool {
	return mod.pair != nil && mod.m.coreOf(mod.config()).Mirror.Peer != mod.pair.peer
}

// joinPair connects a mirror with its other node.
func (mod *module) joinPair(in core.Instance) {
	m := mod.m
	if len(mod.conf.Interfaces) > 0 {
		mod.gate = &gate{module: mod.conf.Name, self: m.id.Node.Number, set: m.d.filter.SetTable, ctx: m.d.ctx}
	}
	peer := in.Module.Mirror.Peer
	mod.pair = newPair(m.d.ctx, peer, mod.conf.Heart.Timeout, m.settings().HeartbeatTimeout, mod.gate, mod.pairPorts(), m.log.With("module", mod.conf.Name))
	mod.pair.say(in.Statement())
	if n, run, ok := m.notes.of(peer, moduleTag(mod.conf.Name)); ok {
		m.statement(mod, run, n)
	}
}

func (mod *module) pairPorts() pairPorts {
	m, name := mod.m, mod.conf.Name
	peer, said := mod.runner.Snapshot().Module.Mirror.Peer, map[string]core.Value{}
	return pairPorts{
		paths:   func() { mod.watchPaths(peer, said) },
		state:   mod.runner.Snapshot,
		step:    mod.step,
		tell:    func(b []byte) error { return m.heart.SetNote(moduleTag(name), b) },
		resumed: func() { m.resumed(name) },
		address: func() { mod.announce("the primary is here") },
		hush:    func() { mod.network.hush() },
		note:    func(level, text string) { m.d.noteModule(name, "network", level, text, nil, 0) },
	}
}

// leavePair ends that connection.
func (mod *module) leavePair() {
	mod.pair.close()
	if err := mod.m.heart.SetNote(moduleTag(mod.conf.Name), nil); err != nil {
		mod.m.log.Warn("end a mirror's statements", "module", mod.conf.Name, "error", err)
	}
	if err := mod.m.heart.SetNote(resourceTag(mod.conf.Name), nil); err != nil {
		mod.m.log.Warn("end a mirror's statements", "module", mod.conf.Name, "error", err)
	}
	mod.m.resumed(mod.conf.Name)
}

// networked takes what a mirror's network says, as a share machine would.
func (mod *module) networked(in share.Input, cause int64) {
	switch in := in.(type) {
	case share.Started:
		if err := mod.gate.start(in.MACs); err != nil {
			mod.m.log.Warn("open the gate of a mirror", "module", mod.conf.Name, "error", err)
		}
		if mod.gate.serves() {
			mod.announce("this node became the primary")
		}
	case share.Cut:
		mod.pair.put(selfCut{in.Why, cause})
	}
}

// pairs hands news of a node to the mirrors that it belongs to.
func (m *member) pairs(n core.NodeID, news any) {
	for _, mod := range m.all() {
		if mod.pair != nil && mod.pair.peer == n {
			mod.pair.put(news)
		}
	}
}

// noted takes a note of another node's heartbeat.
func (m *member) noted(e heartbeat.Event) {
	m.notes.hear(e.Node, e.Incarnation, e.Key, e.Payload)
	for _, mod := range m.all() {
		if mod.pair != nil && mod.pair.peer == e.Node && moduleTag(mod.conf.Name) == e.Key {
			m.statement(mod, e.Incarnation, e.Payload)
		}
	}
}

func (m *member) statement(mod *module, run uint64, b []byte) {
	s, err := unpackStatement(b)
	if err != nil {
		m.log.Warn("a statement was dropped", "module", mod.conf.Name, "error", err)
		return
	}
	mod.pair.put(peerSaid{run: run, state: s})
}

// notes keeps the latest notes of the nodes that are heard, for modules that are
// loaded later.
type notes struct {
	mu  sync.Mutex
	all map[core.NodeID]nodeNotes
}

type nodeNotes struct {
	run  uint64 // of the node's daemon
	text map[uint32][]byte
}

func (s *notes) hear(n core.NodeID, run uint64, key uint32, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.all[n]
	if now.run != run || now.text == nil {
		now = nodeNotes{run, map[uint32][]byte{}}
	}
	now.text[key] = b
	if s.all == nil {
		s.all = map[core.NodeID]nodeNotes{}
	}
	s.all[n] = now
}

func (s *notes) forget(n core.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, n)
}

func (s *notes) of(n core.NodeID, key uint32) (b []byte, run uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok = s.all[n].text[key]
	return b, s.all[n].run, ok
}
