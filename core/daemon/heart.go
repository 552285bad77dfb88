package daemon

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
	"github.com/orchestrator-ha/orchestrator/core/inbox"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// heartEvents acts upon what the heartbeat finds out.
func (m *member) heartEvents(news *inbox.Inbox[heartbeat.Event]) {
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-news.Signal():
		}
		for _, e := range news.Take() {
			m.heartEvent(e)
		}
		m.pokeRulings()
	}
}

func (m *member) heartEvent(e heartbeat.Event) {
	e.Evidence = m.named(e.Evidence)
	switch e.Kind {
	case heartbeat.Up:
		m.noteMember("info", fmt.Sprintf("%s is heard%s.", m.name(e.Node), map[bool]string{false: " again", true: ""}[e.First]), e)
		m.cluster.Nudge(e.Node)
		m.notes.forget(e.Node)
		m.pairs(e.Node, peerUp{e.Incarnation})
	case heartbeat.Lost:
		id := m.noteMember("warn", fmt.Sprintf("%s was declared lost: %s.", m.name(e.Node), e.Evidence), e)
		m.digests.forget(e.Node)
		m.notes.forget(e.Node)
		m.pairs(e.Node, peerSilent{reason: e.Evidence, cause: id})
		m.tell(share.PeerLost{Node: e.Node, HostAlive: e.Host == heartbeat.HostAnswers || e.ProcessDead, Evidence: e.Evidence}, id)
	case heartbeat.Goodbye:
		id := m.noteMember("info", m.name(e.Node)+" said goodbye.", e)
		m.digests.forget(e.Node)
		m.notes.forget(e.Node)
		m.pairs(e.Node, peerSilent{dead: true, reason: "its daemon said goodbye", cause: id})
		m.tell(share.PeerLost{Node: e.Node, Goodbye: true, Evidence: "it said goodbye"}, id)
	case heartbeat.HostGone:
		id := m.noteMember("warn", fmt.Sprintf("%s's host does not answer any more: %s.", m.name(e.Node), e.Evidence), e)
		m.tell(share.HostGone{Node: e.Node}, id)
	case heartbeat.Digest:
		m.digest(e.Node, e.Payload)
	case heartbeat.Note:
		m.noted(e)
	case heartbeat.LeaseLapsed:
		id := m.noteMember("warn", "This node was late with its own heartbeats, so its lease ran out: "+e.Evidence+".", e)
		m.lapse(id, e.Evidence)
	case heartbeat.Suspect, heartbeat.Trusted, heartbeat.SelfLate, heartbeat.HostBack:
		m.log.Debug("heartbeat", "event", e.Kind, "node", e.Node, "evidence", e.Evidence)
	}
}

func (m *member) noteMember(level, text string, e heartbeat.Event) int64 {
	return m.d.note("member", level, text, map[string]any{"event": e.Kind, "node": e.Node, "host": e.Host}, 0)
}

// tell hands an input to the share machines of all modules. cause is the
// journal entry of what happened.
func (m *member) tell(in share.Input, cause int64) {
	for _, mod := range m.all() {
		if mod.sharing != nil {
			mod.sharing.put(in, cause)
		}
	}
}

// lapse tells the share machines that the lease ran out. It is renewed again
// when all of them have found out where they stand.
func (m *member) lapse(cause int64, reason string) {
	m.mu.Lock()
	m.lapsed = map[string]bool{}
	for name, mod := range m.modules {
		if mod.sharing != nil || mod.pair != nil {
			m.lapsed[name] = true
		}
	}
	none := len(m.lapsed) == 0
	m.mu.Unlock()
	if none {
		m.heart.Resume()
		return
	}
	m.tell(share.Lapsed{Reason: reason}, cause)
	for _, mod := range m.all() {
		if mod.pair != nil {
			mod.pair.put(selfLapsed{cause})
		}
	}
}

// resumed notes that a module's share machine may serve again.
func (m *member) resumed(module string) {
	m.mu.Lock()
	delete(m.lapsed, module)
	last := m.lapsed != nil && len(m.lapsed) == 0
	if last {
		m.lapsed = nil
	}
	m.mu.Unlock()
	if last {
		m.heart.Resume()
	}
}

// digest takes what another node's heartbeat says of its modules.
func (m *member) digest(n core.NodeID, payload []byte) {
	m.digests.hear(n, payload)
	for _, mod := range m.all() {
		if mod.sharing != nil {
			mod.sharing.put(share.PeerDigest{Node: n, Digest: m.digests.of(n, mod.conf.Name)}, 0)
		}
	}
}

// publish puts a module's digest into this node's heartbeat.
func (m *member) publish(module string, d share.Digest) {
	if err := m.heart.SetDigest(m.digests.own(module, d)); err != nil {
		m.log.Error("change the heartbeat's digest", "error", err)
	}
}

// digests keeps what all nodes say of their modules, and encodes this node's
// own: per module 21 bytes, so that maxFarms modules fit a packet.
type digests struct {
	mu    *sync.Mutex
	mine  map[uint32]share.Digest
	peers map[core.NodeID]map[uint32]share.Digest
}

const digestSize = 4 + 1 + 8 + 8

func newDigests() digests {
	return digests{&sync.Mutex{}, map[uint32]share.Digest{}, map[core.NodeID]map[uint32]share.Digest{}}
}

// moduleTag stands for a module's name in heartbeats.
func moduleTag(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

func (s digests) own(module string, d share.Digest) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == (share.Digest{}) {
		delete(s.mine, moduleTag(module))
	} else {
		s.mine[moduleTag(module)] = d
	}
	var b []byte
	for _, tag := range slices.Sorted(maps.Keys(s.mine)) {
		d := s.mine[tag]
		var flags byte
		for i, f := range []bool{d.Present, d.Ready, d.Draining, d.Left} {
			if f {
				flags |= 1 << i
			}
		}
		b = binary.BigEndian.AppendUint32(b, tag)
		b = append(b, flags)
		b = binary.BigEndian.AppendUint64(b, uint64(d.Epoch))
		b = binary.BigEndian.AppendUint64(b, d.Failed)
	}
	return b
}

func (s digests) hear(n core.NodeID, b []byte) {
	heard := map[uint32]share.Digest{}
	for ; len(b) >= digestSize; b = b[digestSize:] {
		heard[binary.BigEndian.Uint32(b)] = share.Digest{
			Present: b[4]&1 != 0, Ready: b[4]&2 != 0, Draining: b[4]&4 != 0, Left: b[4]&8 != 0,
			Epoch: share.Epoch(binary.BigEndian.Uint64(b[5:])), Failed: binary.BigEndian.Uint64(b[13:]),
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers[n] = heard
}

func (s digests) forget(n core.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, n)
}

func (s digests) of(n core.NodeID, module string) share.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[n][moduleTag(module)]
}

// heard lists the nodes whose heartbeat has said something.
func (s digests) heard() []core.NodeID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []core.NodeID
	for n := range s.peers {
		list = append(list, n)
	}
	return list
}
