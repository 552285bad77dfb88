package share

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// tester is what of testing.T a farm needs; rapid's T has it too.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// farm simulates nodes, their network and their clients with a virtual clock
// that advances by milliseconds.
type farm struct {
	t     tester
	rng   *rand.Rand
	now   time.Time
	nodes map[core.NodeID]*simNode
	mail  []letter
	conns []*conn
	loss  float64 // of messages between machines
	quiet bool    // no client traffic
	keep  bool
	slow  time.Duration
	hash  Function
	power Weights // configured; 1 where nothing is said
	// deliver is how the network and the filters treat a frame.
	deliver delivery
	floods  bool   // what deliver does: all nodes see a frame
	rules   string // of the configuration
	gaps    bool   // the rules changed: packets of connections may be lost for a while
	// smooth: nothing but planned changes happened so far, so nothing may be lost.
	smooth bool
	served bool // a SYN was accepted, wherever it entered
	log    []string

	announced []core.NodeID
	opened    int
}

type simNode struct {
	m        *Machine
	view     View // in force in the "kernel"
	takes    bool
	agreed   bool
	alive    bool // host and daemon
	asleep   bool // daemon starved: lease out, nothing processed
	digest   Digest
	inbox    []Input
	answered []Done
	stuck    bool      // the filter refuses new tables
	since    time.Time // asleep
	lapsed   bool
	refused  *Install
	held     *Digest // not published while it does
	silent   uint64
	hands    []Hand   // its part in the hand-over of each bucket, in invisible mode
	knows    []string // rules that its daemon can give the filter
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

func newFarm(t tester, seed uint64, n int) *farm {
	f := &farm{t: t, deliver: directed, power: Weights{}, smooth: true, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_700_000_000, 0), nodes: map[core.NodeID]*simNode{}}
	for i := 1; i <= n; i++ {
		f.power[core.NodeID(i)] = 1
	}
	for i := 1; i <= n; i++ {
		f.boot(core.NodeID(i))
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

func (f *farm) settings() Settings {
	return Settings{Rules: f.rules, Weights: map[string]Weights{groupBy(f.rules): maps.Clone(f.power)}, Keep: f.keep, SlowStart: f.slow, Hash: f.hash, Invisible: f.floods}
}

// boot gives a node a new machine, as at the start of its daemon.
func (f *farm) boot(n core.NodeID) {
	m := NewMachine(n, func(id core.NodeID) string { return fmt.Sprintf("n%d", id) }, f.settings(), Timing{})
	f.nodes[n] = &simNode{m: m, alive: true, knows: []string{f.rules}}
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
	if cut, is := in.(Cut); is && cut.Why != "" {
		f.smooth = false
	}
	if _, is := in.(Configured); is {
		in = Configured{f.settings()} // the newest comes last
		if !slices.Contains(node.knows, f.rules) {
			node.knows = append(node.knows, f.rules)
			if last := node.refused; last != nil && !node.stuck {
				node.refused = nil
				f.carry(n, node, *last)
			}
		}
	}
	for _, e := range node.m.Step(f.now, in) {
		f.carry(n, node, e)
	}
}

func (f *farm) carry(n core.NodeID, node *simNode, e Effect) {
	switch e := e.(type) {
	case Install:
		known := slices.Contains(node.knows, e.View.Rules)
		if !known && e.View.Moving && len(node.view.Tables) == 0 {
			return // nothing is shared by it yet
		}
		if node.stuck || !known {
			node.refused = &e
			return
		}
		if node.refused != nil {
			f.unstick(n, node)
		}
		f.handOver(n, node, e)
		node.view, node.takes, node.agreed, node.silent = e.View, e.Accept, e.Agreed, e.Silent
		f.examine()
	case Send:
		if (node.stuck || node.refused != nil) && (e.Message.Kind == MsgInstalled || e.Message.Kind == MsgReport) {
			return
		}
		if e.To == n {
			f.post(n, n, Received{n, e.Message}, 0)
		} else if f.rng.Float64() >= f.loss {
			f.post(n, e.To, Received{n, e.Message}, 1+f.rng.IntN(8))
		}
	case Count:
		f.post(n, n, Counted{map[string]Bitmap{groupBy(f.rulesAt(n)): f.sockets(n)}}, f.rng.IntN(4))
	case Publish:
		if node.stuck || node.refused != nil {
			node.held = &e.Digest
			return
		}
		node.digest = e.Digest
		f.beat(n)
	case Note:
		f.log = append(f.log[max(0, len(f.log)-60):], fmt.Sprintf("%s n%d: %s", f.now.Format("05.000"), n, e.Text))
	case Done:
		node.answered = append(node.answered, e)
	case Announce:
		f.announced = append(f.announced, n)
	case Resume:
		node.lapsed = false
		f.examine()
	}
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
			b.Set(bucketBy(f.rulesAt(n), c.bucket))
		}
	}
	return b
}

// run lets ms milliseconds pass, with traffic.
func (f *farm) run(ms int) {
	stride := 1
	if f.quiet {
		stride = 5
	}
	for range ms / stride {
		f.now = f.now.Add(time.Duration(stride) * time.Millisecond)
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
			if f.now.UnixMilli()%10 == int64(n) || f.quiet {
				f.feed(n, Tick{})
			}
		}
		if !f.quiet {
			f.traffic()
		}
	}
}

// traffic opens a connection now and then. What becomes of packets is examined
// with every table that comes into force.
func (f *farm) traffic() {
	if f.rng.IntN(3) > 0 || len(f.conns) > 300 {
		return
	}
	up := f.entries()
	if len(up) == 0 {
		return
	}
	b := f.rng.IntN(Buckets)
	if n := f.deliver(f, up[f.rng.IntN(len(up))], b, true, 0); len(n) == 1 {
		f.conns = append(f.conns, &conn{b, n[0]})
		f.opened++
	}
}

func (f *farm) history(bucket int) string {
	s := ""
	for _, l := range f.log {
		s += l + "\n"
	}
	for _, n := range f.ids() {
		if r, ok := f.nodes[n].row(bucket); ok {
			s += fmt.Sprintf("n%d epoch %x rules %q moving %v row %v takes %v agreed %v alive %v hand %v\n", n, f.nodes[n].view.Epoch, f.nodes[n].view.Rules, f.nodes[n].view.Moving, r, f.nodes[n].takes, f.nodes[n].agreed, f.nodes[n].alive, f.hand(f.nodes[n], bucket))
		}
	}
	return s
}

// die takes a host away with all its connections.
func (f *farm) die(n core.NodeID) {
	f.smooth = false
	f.nodes[n].alive = false
	f.closeAll(n)
	f.lose(n, false)
	for _, other := range f.ids() {
		if other != n {
			f.post(other, other, HostGone{n}, 300+f.rng.IntN(5))
		}
	}
}

// lose lets the others find out that a node is silent.
func (f *farm) lose(n core.NodeID, hostAlive bool) {
	for _, other := range f.ids() {
		if other != n {
			f.post(other, other, PeerLost{Node: n, HostAlive: hostAlive, Evidence: "silent"}, 100+f.rng.IntN(5))
		}
	}
}

func (f *farm) closeAll(n core.NodeID) {
	f.conns = slices.DeleteFunc(f.conns, func(c *conn) bool { return c.server == n })
}

// doze starves a node's daemon; its kernel goes on.
func (f *farm) doze(n core.NodeID) {
	f.smooth = false
	f.nodes[n].asleep, f.nodes[n].since = true, f.now
	f.lose(n, true)
	f.examine()
}

// wake ends that.
func (f *farm) wake(n core.NodeID) {
	node := f.nodes[n]
	if !node.alive || !node.asleep {
		return
	}
	f.mail = slices.DeleteFunc(f.mail, func(l letter) bool { lost, is := l.in.(PeerLost); return is && lost.Node == n })
	node.asleep = false
	queue := node.inbox
	node.inbox = nil
	if f.now.Sub(node.since) > 100*time.Millisecond {
		node.lapsed = true
		f.feed(n, Lapsed{"late"})
	}
	for _, in := range queue {
		f.feed(n, in)
	}
	f.beat(n)
	f.examine()
}

// kill ends a node's daemon; after a while there is the next one, which takes the filter
// away and starts the module again, in which its application goes on.
func (f *farm) kill(n core.NodeID, ms int) {
	f.doze(n)
	f.run(ms)
	for i, l := range f.mail {
		if lost, is := l.in.(PeerLost); is && lost.Node == n {
			f.mail[i].at = f.now // at the latest its heartbeat tells that it is a new one
		}
	}
	f.boot(n)
	f.feed(n, Left{}) // before its first heartbeat
	for _, other := range f.ids() {
		f.beat(other)
	}
	f.run(ms)
}

// refuse has a node's filter take no table for a while.
func (f *farm) refuse(n core.NodeID, ms int) {
	f.smooth = false
	node := f.nodes[n]
	node.stuck = true
	f.run(ms)
	node.stuck = false
	if last := node.refused; last != nil {
		node.refused = nil
		f.carry(n, node, *last)
	}
	if node.refused == nil {
		f.unstick(n, node)
	}
}

// unstick says what was held back while the filter refused a table.
func (f *farm) unstick(n core.NodeID, node *simNode) {
	held := node.held
	node.refused, node.held = nil, nil
	if held != nil {
		f.carry(n, node, Publish{*held})
	}
}

func (f *farm) start(n core.NodeID) {
	f.feed(n, Started{[]MAC{{2, 0, 0, 0, 0, byte(n)}}})
	f.feed(n, Ordered{core.ShareOpen})
}

// settled checks that all live nodes agree and share evenly.
func (f *farm) settled(ready ...core.NodeID) {
	f.t.Helper()
	w := f.power.among(ready).ranking()
	for _, n := range ready {
		t := f.nodes[n].view.table(groupBy(f.rules))
		if t == nil {
			f.t.Fatalf("n%d has no view\n%s", n, f.history(0))
		}
		for b, r := range t.Rows {
			if r.Owner() != w.owner(f.hash.Class(b)) {
				f.t.Fatalf("n%d: bucket %d is %v, the owner should be %d\n%s", n, b, r, w.owner(f.hash.Class(b)), f.history(b))
			}
		}
		if f.nodes[n].view.Epoch != f.nodes[ready[0]].view.Epoch {
			f.t.Fatalf("n%d uses another epoch\n%s", n, f.history(0))
		}
	}
}

func firstUnsettled(v View) int {
	return slices.IndexFunc(v.Tables[0].Rows, func(r Row) bool { return !r.Settled() })
}
