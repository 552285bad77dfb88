package heartbeat

import (
	"slices"
	"sync"
	"time"
)

// board is where the loop leaves what Status shows. The loop never waits for
// a reader: while one copies, it skips a turn.
type board struct {
	mu       sync.Mutex
	networks []string
	linkDown [MaxNetworks]bool
	peers    []peer
	timeout  int64
	counters Counters
	now      func() int64
}

// publish shows the detector's state.
func (b *board) publish(d *detector, c Counters) {
	if !b.mu.TryLock() {
		return
	}
	defer b.mu.Unlock()
	b.peers, b.networks = b.peers[:0], b.networks[:0]
	for _, id := range d.ids {
		b.peers = append(b.peers, d.peers[id])
	}
	for i := range d.networks {
		b.networks = append(b.networks, d.networks[i].Name)
	}
	b.linkDown, b.timeout, b.counters = d.linkDown, d.timeout, c
	b.counters.Stalls, b.counters.Late, b.counters.Lapses, b.counters.Losses = d.stalls, time.Duration(d.lateBy), d.lapses, d.losses
}

// status copies out what was last published.
func (b *board) status() []PeerStatus {
	b.mu.Lock()
	peers, names := slices.Clone(b.peers), slices.Clone(b.networks)
	down, timeout := b.linkDown, b.timeout
	b.mu.Unlock()
	now := b.now()
	list := make([]PeerStatus, 0, len(peers))
	for i := range peers {
		list = append(list, peers[i].status(now, timeout, names, down))
	}
	return list
}

func (p *peer) status(now, timeout int64, names []string, down [MaxNetworks]bool) PeerStatus {
	s := PeerStatus{Node: p.id, Verdict: p.verdict, Since: time.Duration(now - p.since), Incarnation: p.incarnation,
		Host: p.host.state, Evidence: p.evidence}
	s.HostGone = p.verdict == VerdictLost && p.host.gone
	limit := max(timeout, p.timeout)
	for i, name := range names {
		at := p.paths[i]
		if !at.used {
			continue
		}
		n := PathStatus{Network: name, Silent: -1, LastSeq: at.seq, LinkDown: down[i]}
		if at.heard != 0 {
			n.Silent = time.Duration(max(0, now-at.heard))
			n.Heard = now-at.heard < limit && p.verdict != VerdictLeft
			n.HearsUs = n.Heard && at.hearsUs
		}
		s.Networks = append(s.Networks, n)
	}
	return s
}
