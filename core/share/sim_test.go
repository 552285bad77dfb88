package share

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// farm simulates nodes, their network and their clients with a virtual clock
// that advances by milliseconds.
type farm struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Time
	nodes map[core.NodeID]*simNode
	mail  []letter
	conns []*conn
	loss  float64 // of messages between machines
	// invisible: every node sees every packet, and each decides for itself.
	invisible bool
	quiet     bool // no client traffic
	log       []string

	announced              []core.NodeID
	opened, reset, stalled int
	handed                 int
}

type simNode struct {
	m        *Machine
	view     View // in force in the "kernel"
	hands    []Hand
	gives    time.Time // until when
	takes    bool
	agreed   bool
	alive    bool // host and daemon
	asleep   bool // daemon starved: lease out, nothing processed
	told     map[core.NodeID]bool
	digest   Digest
	inbox    []Input
	answered []Done
}

type letter struct {
	at   time.Time
	to   core.NodeID
	in   Input
	from core.NodeID
}

type conn struct {
	bucket int
	server core.NodeID
}

const group = "web"

func newFarm(t *testing.T, seed uint64, n int) *farm {
	f := &farm{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_700_000_000, 0), nodes: map[core.NodeID]*simNode{}}
	for i := 1; i <= n; i++ {
		f.boot(core.NodeID(i), n)
	}
	return f
}

func (f *farm) ids() []core.NodeID {
	var ids []core.NodeID
	for n := range f.nodes {
		ids = append(ids, n)
	}
	slices.Sort(ids)
	return ids
}

func (f *farm) boot(n core.NodeID, size int) {
	w := Weights{}
	for i := 1; i <= size; i++ {
		w[core.NodeID(i)] = 1
	}
	m := NewMachine(n, func(id core.NodeID) string { return fmt.Sprintf("n%d", id) }, map[string]Weights{group: w}, Timing{})
	f.nodes[n] = &simNode{m: m, alive: true, told: map[core.NodeID]bool{}}
}

func (f *farm) feed(n core.NodeID, in Input) {
	node := f.nodes[n]
	if !node.alive {
		return
	}
	if node.asleep {
		node.inbox = append(node.inbox, in)
		return
	}
	for _, e := range node.m.Step(f.now, in) {
		f.carry(n, node, e)
	}
}

func (f *farm) carry(n core.NodeID, node *simNode, e Effect) {
	switch e := e.(type) {
	case Install:
		node.hands = f.hands(n, node, e)
		if !e.Agreed || !node.agreed {
			node.gives = f.now.Add(GivesFor)
		}
		node.view, node.takes, node.agreed = e.View, e.Accept, e.Agreed
	case Send:
		if f.rng.Float64() >= f.loss {
			f.post(n, e.To, Received{n, e.Message}, 1+f.rng.IntN(8))
		}
	case Count:
		f.post(n, n, Counted{map[string]Bitmap{group: f.sockets(n)}}, f.rng.IntN(4))
	case Publish:
		node.digest = e.Digest
		f.beat(n)
	case Note:
		f.log = append(f.log, fmt.Sprintf("%s n%d: %s", f.now.Format("05.000"), n, e.Text))
	case Done:
		node.answered = append(node.answered, e)
	case Announce:
		f.announced = append(f.announced, n)
	case Resume:
	}
}

// hands computes which buckets are being handed over, as a filter does.
func (f *farm) hands(n core.NodeID, node *simNode, e Install) []Hand {
	next := make([]Hand, Buckets)
	planned := e.View.Epoch != node.view.Epoch
	for b, after := range e.View.table(group).Rows {
		var before Row
		var was Hand
		if t := node.view.table(group); t != nil {
			before, was = t.Rows[b], f.hand(node, b)
		}
		next[b] = Handover(n, before, was, after, planned, e.Agreed)
	}
	return next
}

// hand is what a node does in a hand-over now. While the nodes do not agree there
// is no end to it.
func (f *farm) hand(node *simNode, bucket int) Hand {
	if h := node.hands[bucket]; h != Gives || !node.agreed || f.now.Before(node.gives) {
		return h
	}
	return Steady
}

func (f *farm) post(from, to core.NodeID, in Input, ms int) {
	f.mail = append(f.mail, letter{f.now.Add(time.Duration(ms) * time.Millisecond), to, in, from})
}

// beat delivers a node's digest; heartbeats keep their order.
func (f *farm) beat(n core.NodeID) {
	for _, to := range f.ids() {
		if to != n {
			f.post(n, to, PeerDigest{n, f.nodes[n].digest}, 1)
		}
	}
}

func (f *farm) sockets(n core.NodeID) Bitmap {
	b := NewBitmap()
	for _, c := range f.conns {
		if c.server == n {
			b.Set(c.bucket)
		}
	}
	return b
}

// run lets ms milliseconds pass, with traffic.
func (f *farm) run(ms int) {
	for range ms {
		f.now = f.now.Add(time.Millisecond)
		due := f.mail
		f.mail = nil
		for _, l := range due {
			if l.at.After(f.now) {
				f.mail = append(f.mail, l)
			} else if f.nodes[l.from].alive {
				f.feed(l.to, l.in)
			}
		}
		for _, n := range f.ids() {
			if f.now.UnixMilli()%10 == int64(n) {
				f.feed(n, Tick{})
			}
		}
		if !f.quiet {
			f.traffic()
		}
	}
}

func (f *farm) entry() core.NodeID {
	var up []core.NodeID
	for _, n := range f.ids() {
		if f.nodes[n].alive {
			up = append(up, n)
		}
	}
	if len(up) == 0 {
		return 0
	}
	return up[f.rng.IntN(len(up))]
}

// traffic opens a connection now and then and sends a packet on others.
func (f *farm) traffic() {
	if f.rng.IntN(3) == 0 {
		b := f.rng.IntN(Buckets)
		if n, _ := f.route(f.entry(), b, true, 0); n != 0 {
			f.conns = append(f.conns, &conn{b, n})
			f.opened++
		}
	}
	for range 3 {
		if len(f.conns) == 0 {
			return
		}
		c := f.conns[f.rng.IntN(len(f.conns))]
		n, way := f.route(f.entry(), c.bucket, false, c.server)
		switch {
		case n == 0:
			f.stalled++
		case n != c.server:
			f.reset++
			if len(f.log) > 40 {
				f.log = f.log[len(f.log)-40:]
			}
			f.t.Fatalf("%s: a connection of n%d in bucket %d was reset by n%d, way %v\n%s", f.now.Format("05.000"), c.server, c.bucket, n, way, f.history(c.bucket))
		}
	}
}

func (f *farm) history(bucket int) string {
	s := ""
	for _, l := range f.log {
		s += l + "\n"
	}
	for _, n := range f.ids() {
		if t := f.nodes[n].view.table(group); t != nil {
			s += fmt.Sprintf("n%d epoch %x row %v takes %v agreed %v alive %v hand %v\n", n, f.nodes[n].view.Epoch, t.Rows[bucket], f.nodes[n].takes, f.nodes[n].agreed, f.nodes[n].alive, f.nodes[n].hands[bucket])
		}
	}
	return s
}

// flood shows a packet to all nodes, in invisible mode, and answers the one that
// accepts it. There is never more than one: two would both answer the client.
func (f *farm) flood(bucket int, opens bool, server core.NodeID) (taken core.NodeID, way []core.NodeID) {
	for _, n := range f.ids() {
		node := f.nodes[n]
		t := node.view.table(group)
		if !node.alive || t == nil {
			continue
		}
		v := DecideInvisible(f.here(n, bucket), t.Rows[bucket], Packet{Opens: opens, Socket: server == n})
		got := core.NodeID(0)
		switch {
		case v.Accept:
			got, way = n, append(way, n)
		case v.To != 0:
			way = append(way, n, v.To)
			f.handed++
			to := f.nodes[v.To]
			if t := to.view.table(group); to.alive && t != nil && DecideInvisible(f.here(v.To, bucket), t.Rows[bucket], Packet{Opens: true, Peer: n}).Accept {
				got = v.To
			}
		}
		if got != 0 && taken != 0 && got != taken {
			f.t.Fatalf("%s: a packet in bucket %d is taken by n%d and by n%d, way %v\n%s", f.now.Format("05.000"), bucket, taken, got, way, f.history(bucket))
		}
		taken = max(taken, got)
	}
	return taken, way
}

func (f *farm) here(self core.NodeID, bucket int) Here {
	n := f.nodes[self]
	return Here{Self: self, Serves: !n.asleep, Ready: n.takes, Agreed: n.agreed, Hand: f.hand(n, bucket)}
}

// route follows a packet from the node where it enters to the node that
// accepts it; 0 if it is dropped.
func (f *farm) route(at core.NodeID, bucket int, opens bool, server core.NodeID) (core.NodeID, []core.NodeID) {
	if f.invisible {
		return f.flood(bucket, opens, server)
	}
	var from core.NodeID
	round := false
	way := []core.NodeID{at}
	for range 16 {
		node := f.nodes[at]
		if at == 0 || !node.alive {
			return 0, way
		}
		t := node.view.table(group)
		if t == nil {
			return 0, way
		}
		v := Decide(at, t.Rows[bucket], !node.asleep && (node.takes || !opens), node.agreed, Packet{Opens: opens, Peer: from, Round: round, Socket: server == at})
		if v.Accept {
			return at, way
		}
		from, at, round = at, v.To, v.Round
		way = append(way, at)
	}
	f.t.Fatalf("a packet ran in a circle: %v\n%s", way, f.history(bucket))
	return 0, nil
}

// die takes a host away with all its connections.
func (f *farm) die(n core.NodeID) {
	f.nodes[n].alive = false
	f.closeAll(n)
	for _, other := range f.ids() {
		if other != n {
			f.mail = append(f.mail, letter{f.now.Add(time.Duration(100+f.rng.IntN(5)) * time.Millisecond), other, PeerLost{Node: n, Evidence: "silent"}, other})
		}
	}
}

func (f *farm) closeAll(n core.NodeID) {
	f.conns = slices.DeleteFunc(f.conns, func(c *conn) bool { return c.server == n })
}

func (f *farm) sleep(n core.NodeID, ms int) {
	f.nodes[n].asleep = true
	if ms > 100 {
		for _, other := range f.ids() {
			if other != n {
				f.mail = append(f.mail, letter{f.now.Add(time.Duration(100+f.rng.IntN(5)) * time.Millisecond), other, PeerLost{n, true, "silent"}, other})
			}
		}
	}
	f.run(ms)
	node := f.nodes[n]
	node.asleep = false
	queue := node.inbox
	node.inbox = nil
	f.feed(n, Lapsed{"late"})
	for _, in := range queue {
		f.feed(n, in)
	}
	f.beat(n)
}

func (f *farm) start(n core.NodeID) {
	f.feed(n, Started{[]MAC{{2, 0, 0, 0, 0, byte(n)}}})
	f.feed(n, Ordered{core.ShareOpen})
}

// settled checks that all live nodes agree and share evenly.
func (f *farm) settled(ready ...core.NodeID) {
	f.t.Helper()
	f.shared(ready...)
	for _, n := range ready {
		if f.nodes[n].view.Epoch != f.nodes[ready[0]].view.Epoch {
			f.t.Fatalf("n%d uses another epoch\n%s", n, f.history(0))
		}
	}
}

// shared checks that all live nodes share evenly.
func (f *farm) shared(ready ...core.NodeID) {
	f.t.Helper()
	w := Weights{}
	for _, n := range ready {
		w[n] = 1
	}
	for _, n := range ready {
		t := f.nodes[n].view.table(group)
		if t == nil {
			f.t.Fatalf("n%d has no view\n%s", n, f.history(0))
		}
		for b, r := range t.Rows {
			if r.Owner() != w.Owner(b) {
				f.t.Fatalf("n%d: bucket %d is %v, the owner should be %d\n%s", n, b, r, w.Owner(b), f.history(b))
			}
		}
	}
}

func TestFarmStartsAndSurvives(t *testing.T) {
	f := newFarm(t, 1, 3)
	f.start(1)
	f.run(300)
	f.settled(1)
	f.start(2)
	f.start(3)
	f.run(1000)
	f.settled(1, 2, 3)
	f.die(2)
	f.run(150)
	f.settled(1, 3)
	f.boot(2, 3)
	f.beat(1)
	f.beat(3)
	f.run(50)
	f.start(2)
	f.run(3000)
	f.settled(1, 2, 3)
	if f.opened == 0 || f.reset != 0 {
		t.Fatalf("opened %d, reset %d", f.opened, f.reset)
	}
}

func TestDrainMovesAllAndKeepsConnections(t *testing.T) {
	f := newFarm(t, 2, 3)
	for n := core.NodeID(1); n <= 3; n++ {
		f.start(n)
	}
	f.run(1000)
	for n := core.NodeID(1); n <= 3; n++ { // one after the other, coordinator first
		f.feed(n, Ordered{core.ShareDrain})
		f.run(500)
		if got := f.nodes[n].view.Owned(n); got != 0 {
			t.Fatalf("n%d still owns %d buckets\n%s", n, got, f.history(0))
		}
		if a := f.nodes[n].answered; a[len(a)-1] != (Done{Order: core.ShareDrain, OK: true}) {
			t.Fatalf("n%d: %+v", n, a)
		}
		f.feed(n, Ordered{core.ShareUndrain})
		f.run(2000)
		f.settled(1, 2, 3)
	}
}

func TestDrainOfTheLastIsRefused(t *testing.T) {
	f := newFarm(t, 3, 1)
	f.start(1)
	f.run(200)
	f.feed(1, Ordered{core.ShareDrain})
	f.run(50)
	if a := f.nodes[1].answered; a[len(a)-1].OK {
		t.Fatalf("drained the only node: %+v", a)
	}
	f.settled(1)
}

// TestRandomFarms drives farms through random events; route and traffic check
// at every millisecond that no living connection is reset, no packet circles
// and, in invisible mode, none is taken twice. At the end all must agree.
func TestRandomFarms(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 10
	}
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { t.Parallel(); randomFarm(t, uint64(seed), false) })
		t.Run(fmt.Sprint("invisible/", seed), func(t *testing.T) { t.Parallel(); randomFarm(t, uint64(seed), true) })
	}
}

func randomFarm(t *testing.T, seed uint64, invisible bool) {
	f := newFarm(t, seed, 2+int(seed%4))
	f.invisible = invisible
	f.loss = float64(seed%3) * 0.05
	size := len(f.nodes)
	for _, n := range f.ids() {
		f.start(n)
	}
	f.run(1000)
	for range 25 {
		n := core.NodeID(1 + f.rng.IntN(size))
		node := f.nodes[n]
		switch f.rng.IntN(7) {
		case 0:
			if node.alive {
				f.die(n)
			}
		case 1:
			if !node.alive {
				f.run(120)
				f.boot(n, size)
				for _, other := range f.ids() {
					f.beat(other)
				}
				f.run(30)
				f.start(n)
			}
		case 2: // the application fails and is restarted: its connections are gone
			if node.alive {
				f.closeAll(n)
				f.feed(n, Ordered{core.ShareWithdraw})
				f.closeAll(n)
				f.run(f.rng.IntN(300))
				f.feed(n, Ordered{core.ShareOpen})
			}
		case 3:
			f.feed(n, Ordered{core.ShareDrain})
		case 4:
			f.feed(n, Ordered{core.ShareUndrain})
		case 5:
			if node.alive {
				f.sleep(n, f.rng.IntN(600))
			}
		case 6: // connections end
			f.conns = slices.DeleteFunc(f.conns, func(*conn) bool { return f.rng.IntN(2) == 0 })
		}
		f.run(f.rng.IntN(1200))
	}
	var ready []core.NodeID
	for _, n := range f.ids() {
		if f.nodes[n].alive {
			f.feed(n, Ordered{core.ShareUndrain})
			ready = append(ready, n)
		}
	}
	f.conns, f.quiet = nil, true
	f.run(25000)
	if len(ready) > 0 {
		f.settled(ready...)
		for _, n := range ready {
			if !f.nodes[n].view.Settled() {
				t.Fatalf("n%d has previous owners left though there are no connections; settle at %v in %v\n%s", n, f.nodes[n].m.settleAt.Sub(f.now), f.nodes[n].m.settleIn, f.history(firstUnsettled(f.nodes[n].view)))
			}
		}
	}
}

func firstUnsettled(v View) int {
	return slices.IndexFunc(v.Tables[0].Rows, func(r Row) bool { return !r.Settled() })
}

// TestAnnounces: the lowest owner tells the network when an owner is gone, and
// when the first one is there.
func TestAnnounces(t *testing.T) {
	f := newFarm(t, 4, 3)
	f.quiet = true
	for n := core.NodeID(1); n <= 3; n++ {
		f.feed(n, Started{})
	}
	f.run(300)
	if len(f.announced) != 0 {
		t.Errorf("announced by %v while nobody takes connections", f.announced)
	}
	for n := core.NodeID(1); n <= 3; n++ {
		f.feed(n, Ordered{core.ShareOpen})
	}
	f.run(500)
	if len(f.announced) == 0 || f.announced[0] != 1 {
		t.Errorf("at the start announced by %v", f.announced)
	}
	f.announced = nil
	f.die(1)
	f.run(150)
	if !slices.Equal(f.announced, []core.NodeID{2}) {
		t.Errorf("after the death of node 1 announced by %v", f.announced)
	}
}

// TestPlannedMoveLosesNothing: while nodes join, drain and return, every new
// connection is taken by one node, in both modes. In invisible mode that is
// because the node which had the bucket hands it over.
func TestPlannedMoveLosesNothing(t *testing.T) {
	for _, invisible := range []bool{false, true} {
		for seed := range uint64(3) {
			f := newFarm(t, seed, 4)
			f.invisible, f.quiet, f.loss = invisible, true, float64(seed%3)*0.05
			for n := core.NodeID(1); n <= 3; n++ {
				f.start(n)
			}
			f.run(2500)
			f.shared(1, 2, 3)
			busy := func(ms int) {
				for range ms {
					f.run(1)
					for range 32 {
						b := f.rng.IntN(Buckets)
						entry := core.NodeID(1 + f.rng.IntN(3)) // the new one answers no ARP yet
						if n, way := f.route(entry, b, true, 0); n == 0 {
							t.Fatalf("%s: a new connection in bucket %d is lost, way %v\n%s", f.now.Format("05.000"), b, way, f.history(b))
						}
					}
				}
			}
			f.start(4)
			busy(2500)
			f.shared(1, 2, 3, 4)
			f.feed(2, Ordered{core.ShareDrain})
			busy(1400)
			f.shared(1, 3, 4)
			f.feed(2, Ordered{core.ShareUndrain})
			busy(2500)
			f.shared(1, 2, 3, 4)
			if invisible && f.handed == 0 {
				t.Errorf("seed %d: nothing was handed over", seed)
			}
		}
	}
}
