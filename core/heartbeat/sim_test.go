package heartbeat

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// sim runs detectors against each other in virtual time.
type sim struct {
	now   int64
	nodes []*simNode // index 0 is node 1
	queue deliveries
	order int
	rnd   *rand.Rand
	delay func(from, to, network int) int64 // ns; negative: dropped
	log   []string                          // "ms node: event"
	early []string                          // verdicts given before the lease had run out
}

// simNode is one node: a machine with a process on it.
type simNode struct {
	id      int
	det     *detector
	alive   bool  // the process runs
	host    bool  // the machine answers
	asleep  int64 // the process does not run before
	cut     [MaxNetworks]bool
	inbox   []func()
	lease   int64
	events  []Event
	refuses bool // its kernel tells that a dead process does not listen
}

type delivery struct {
	at    int64
	order int
	run   func()
}

type deliveries []delivery

func (q deliveries) Len() int { return len(q) }
func (q deliveries) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q deliveries) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *deliveries) Push(x any)   { *q = append(*q, x.(delivery)) }
func (q *deliveries) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

const msec = int64(time.Millisecond)

// simNetworks names n peers on each of the networks.
func simNetworks(self, n int, names ...string) []Network {
	var all []Network
	for i, name := range names {
		w := Network{Name: name, Peers: map[core.NodeID]netip.AddrPort{}}
		for id := 1; id <= n; id++ {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), byte(id)}), 4800)
			w.Peers[core.NodeID(id)] = at
			if id == self {
				w.Local = at
			}
		}
		all = append(all, w)
	}
	return all
}

// newSim makes n nodes that start at different phases of the interval.
func newSim(n int, seed uint64, names ...string) *sim {
	s := &sim{now: 1000 * msec, rnd: rand.New(rand.NewPCG(seed, 1))}
	s.delay = func(int, int, int) int64 { return 200_000 }
	for id := 1; id <= n; id++ {
		s.nodes = append(s.nodes, &simNode{id: id})
		s.boot(id, uint64(100+id), n, names...)
	}
	return s
}

// boot starts a node's process.
func (s *sim) boot(id int, incarnation uint64, n int, names ...string) {
	o := Options{Self: core.NodeID(id), Incarnation: incarnation, Key: make([]byte, keyLen),
		Networks: simNetworks(id, n, names...), Events: func(Event) {}}
	if err := o.check(); err != nil {
		panic(err)
	}
	start := s.now + s.rnd.Int64N(20*msec)
	x := s.nodes[id-1]
	x.det, x.alive, x.host, x.inbox, x.lease = newDetector(&o, true, start), true, true, nil, 0
}

func (s *sim) at(after int64, run func()) {
	s.order++
	heap.Push(&s.queue, delivery{s.now + after, s.order, run})
}

// run lets d pass.
func (s *sim) run(d time.Duration) {
	end := s.now + int64(d)
	for {
		next := end
		for _, x := range s.nodes {
			if x.alive {
				next = min(next, max(x.det.due, x.asleep, s.now))
			}
		}
		if len(s.queue) > 0 {
			next = min(next, s.queue[0].at)
		}
		s.now = next
		if s.now >= end {
			return
		}
		for len(s.queue) > 0 && s.queue[0].at <= s.now {
			heap.Pop(&s.queue).(delivery).run()
		}
		for _, x := range s.nodes {
			if x.alive && s.now >= x.asleep && (s.now >= x.det.due || len(x.inbox) > 0) {
				s.wake(x)
			}
		}
	}
}

// wake drains and judges, as the loop does.
func (s *sim) wake(x *simNode) {
	for _, in := range x.inbox {
		in()
	}
	x.inbox = x.inbox[:0]
	out := x.det.tick(s.now)
	if out.beat {
		if out.lease != 0 {
			x.lease = int64(out.lease)
		}
		s.beat(x)
	}
	for _, p := range out.pings {
		s.ping(x, p)
	}
	for _, e := range out.events {
		s.note(x, e)
	}
	x.det.done()
}

func (s *sim) note(x *simNode, e Event) {
	x.events = append(x.events, e)
	text := string(e.Kind)
	if e.Node != 0 {
		text += fmt.Sprintf(" %d", e.Node)
	}
	s.log = append(s.log, fmt.Sprintf("n%d: %s", x.id, text))
	restart := strings.Contains(e.Evidence, "restarted")
	if e.Kind != Lost || restart {
		return
	}
	// A node that is cut off but well goes on serving its side by intent.
	if to := s.nodes[e.Node-1]; (!to.alive || to.asleep > s.now) && s.now < to.lease {
		s.early = append(s.early, fmt.Sprintf("n%d lost %d at %d, its lease ends at %d", x.id, e.Node, s.now, s.nodes[e.Node-1].lease))
	}
}

// beat sends x's packet to everybody, and then its notes that are due.
func (s *sim) beat(x *simNode) {
	s.packet(x, func(*packet) {})
	for at := 0; ; {
		var text []byte
		if at, text = x.det.dueNote(at); text == nil {
			return
		}
		s.packet(x, func(pk *packet) {
			pk.note, pk.key, pk.digest = true, binary.BigEndian.Uint32(text), text[noteKeyLen:]
		})
	}
}

func (s *sim) packet(x *simNode, change func(*packet)) {
	pk := new(packet)
	x.det.fill(s.now, pk)
	pk.digest = append([]byte(nil), pk.digest...)
	change(pk)
	for i := range x.det.networks {
		for _, id := range x.det.ids {
			name := x.det.networks[i].Name
			s.send(x, s.nodes[id-1], i, func(to *simNode) {
				if at := networkIndex(to.det.networks, name); at >= 0 {
					to.det.receive(s.now, at, pk)
				}
			})
		}
	}
}

// send carries something from process to process.
func (s *sim) send(x, to *simNode, network int, in func(*simNode)) {
	d := s.delay(x.id, to.id, network)
	if d < 0 || x.cut[network] {
		return
	}
	from := x.det
	s.at(d, func() {
		switch {
		case to.cut[network] || !to.host:
		case to.alive:
			to.inbox = append(to.inbox, func() { in(to) })
		case to.refuses && x.alive && x.det == from:
			s.at(d, func() {
				x.inbox = append(x.inbox, func() { x.det.refused(s.now, network, core.NodeID(to.id)) })
			})
		}
	})
}

// ping asks a machine, which answers even if its process is dead or asleep.
func (s *sim) ping(x *simNode, p ping) {
	to := s.nodes[p.node-1]
	there, back := s.delay(x.id, to.id, p.network), s.delay(to.id, x.id, p.network)
	if there < 0 || back < 0 || !to.host || x.cut[p.network] || to.cut[p.network] {
		return
	}
	s.at(there+back, func() { x.inbox = append(x.inbox, func() { x.det.answered(s.now, p.node) }) })
}

// of returns a node's events of a kind about another node (0: any).
func (s *sim) of(id int, k Kind, about core.NodeID) (found []Event) {
	for _, e := range s.nodes[id-1].events {
		if e.Kind == k && (about == 0 || e.Node == about) {
			found = append(found, e)
		}
	}
	return found
}

// forget drops what was noted so far.
func (s *sim) forget() {
	s.log = nil
	for _, x := range s.nodes {
		x.events = nil
	}
}
