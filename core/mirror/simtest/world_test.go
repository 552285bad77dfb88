package simtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// world is two nodes, what is between them, and what has been promised.
type world struct {
	nodes  [2]*node
	wires  []*wire
	dials  []dial
	chosen int // by the cluster, or -1: the other is not until the two have met
	zones  zones.Options
	fault  string // that was planted
	loud   bool
	rng    *rand.Rand // of this step
	seen   counts

	mu     sync.Mutex
	log    []string
	broken error
	acked  map[block]uint64 // what programs were told is durable
	values uint64
	fresh  mirror.Generation
	lapses int
}

// dial is a connection that the primary has not taken yet.
type dial struct {
	conn *end
	gens mirror.Generations
}

// counts is what came up.
type counts struct {
	states                                 map[mirror.State]int
	promoted, compared, acked, both, stale int
}

func newWorld(fault string, loud bool) (*world, error) {
	w := &world{chosen: -1, fault: fault, loud: loud, acked: map[block]uint64{}, seen: counts{states: map[mirror.State]int{}}}
	w.zones = zones.Options{ZoneSize: blockSize, MaxPerFile: 4, MaxZones: 12, MaxLog: 8 * sector}
	w.rng = rand.New(rand.NewPCG(0, 0))
	for i := range w.nodes {
		w.nodes[i] = &node{w: w, id: i, disk: newDisk()}
		if fault == "the record of zones is not durable" {
			w.nodes[i].disk.lies = func(what string) bool { return len(what) > 9 && what[:9] == "zones.log" }
		}
		if err := w.nodes[i].boot(); err != nil {
			return nil, err
		}
	}
	w.begin(w.nodes[0])
	return w, nil
}

func (w *world) note(format string, args ...any) {
	if !w.loud {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("    "+format, args...))
}

// fail notes what must not be.
func (w *world) fail(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = err
	}
	return err
}

func (w *world) wrong() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

func (w *world) generation() mirror.Generation {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh++
	return w.fresh
}

func (w *world) value() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.values++
	return w.values
}

// lapse says that a planted fault comes up now: not each time.
func (w *world) lapse() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lapses++
	return w.lapses%3 == 0
}

func (w *world) reached(n *node, s mirror.State) {
	w.note("n%d is %s", n.id, s)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.states[s]++
}

// acknowledge holds what a program was told.
func (w *world) acknowledge(n *node, file int, held map[block]uint64) {
	if n.disk.isDead() {
		return // nobody is there who could be told
	}
	w.note("n%d answers a sync of file %d", n.id, file)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.acked++
	for b, v := range held {
		if b.file == file {
			w.acked[b] = max(w.acked[b], v)
		}
	}
}

// onBoth holds that what was acknowledged while the peer is an equal is on its disk, whatever
// a power cut there would leave.
func (w *world) onBoth(n *node, file int, held map[block]uint64) {
	w.mu.Lock()
	w.seen.both++
	w.mu.Unlock()
	for b, v := range held {
		if least := n.peer().disk.least(b); b.file == file && least < v {
			_ = w.fail("n%d answered that %d in block %d of file %d is durable, and n%d could be left with %d", n.id, v, b.index, b.file, 1-n.id, least)
		}
	}
}

// follows notes whether the cluster may choose a secondary.
func (w *world) follows(n *node, may bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n.followed = may
}

// behind notes that the two have met, and that the one behind has recorded it.
func (w *world) behind(*node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chosen = -1
}

// sever cuts all connections.
func (w *world) sever() {
	for _, x := range w.wires {
		x.sever(w.rng.IntN(1 << 20))
	}
}

// linked says that a connection is there.
func (w *world) linked() bool {
	for _, x := range w.wires {
		if !x.ends[0].lost() && !x.ends[1].lost() {
			return true
		}
	}
	return false
}

// deaf says that the primary's connection has gone, and it has not noticed.
func (n *node) deaf() bool {
	if n.serve == nil {
		return false
	}
	sess := n.serve.session()
	return sess != nil && sess.conn.lost()
}

// settle does what follows from a step: power that went, primaries that were told to stop.
func (w *world) settle() error {
	synctest.Wait()
	for _, n := range w.nodes {
		if n.up && n.disk.isDead() {
			n.crash()
		}
		if n.serve == nil || n.busy {
			continue
		}
		if n.serve.rec.State() == mirror.Stopped {
			w.end(n)
		} else if n.rejected && !n.deaf() {
			go n.serve.rec.Reject()
		}
	}
	synctest.Wait()
	w.prune()
	return w.same()
}

// prune forgets connections that nobody has.
func (w *world) prune() {
	var kept []*wire
	for _, x := range w.wires {
		x.mu.Lock()
		if !x.ends[0].closed || !x.ends[1].closed {
			kept = append(kept, x)
		}
		x.mu.Unlock()
	}
	w.wires = kept
}

// begin makes a node primary.
func (w *world) begin(n *node) {
	n.busy = true
	go n.beginServing()
}

// end stops a primary in order.
func (w *world) end(n *node) {
	n.busy = true
	w.mu.Lock()
	n.serve.stop = true
	w.mu.Unlock()
	go n.serve.endServing()
}

// promote makes a node primary that must have all that was acknowledged.
func (w *world) promote(n *node, why string) error {
	w.note("n%d may serve: %s", n.id, why)
	if err := w.has(n); err != nil {
		return fmt.Errorf("it becomes primary (%s): %w", why, err)
	}
	w.seen.promoted++
	w.begin(n)
	return nil
}

// has fails unless a node has what was acknowledged.
func (w *world) has(n *node) error {
	live := n.disk.live()
	for _, b := range blocks {
		if live[b] < w.acked[b] {
			return fmt.Errorf("n%d has %d in block %d of file %d, where %d was acknowledged", n.id, live[b], b.index, b.file, w.acked[b])
		}
	}
	return nil
}

// choose lets the cluster choose a node that does not hear the other.
func (w *world) choose(n *node) error {
	if w.linked() || !n.up || n.busy || w.chosen == 1-n.id {
		return nil
	}
	if err := w.notice(n); err != nil {
		return err
	}
	other := n.peer()
	switch {
	case n.busy || !n.up:
	case n.serve != nil:
		if n.serve.rec.State() == mirror.Suspended {
			w.chosen = n.id
			go n.serve.rec.Choose(w.generation())
		}
	case n.copy == nil && !other.busy && (other.serve == nil || other.deaf() || other.serve.rec.State() == mirror.Suspended):
		allowed, why := n.gens.Promote(mirror.Situation{Peer: map[bool]mirror.Peer{true: mirror.Followed}[n.followed], Chosen: true})
		if allowed != mirror.Allowed {
			return nil
		}
		w.chosen = n.id
		other.rejected = other.serve != nil
		return w.promote(n, why)
	}
	return nil
}

// beside makes a node primary when both are there and neither is, by what the two say.
func (w *world) beside(n *node) error {
	other := n.peer()
	if w.linked() || !n.up || !other.up || n.busy || other.busy || n.serve != nil || other.serve != nil || n.copy != nil || other.copy != nil {
		return nil
	}
	if n.id == 0 && n.gens.Current == 0 && other.gens.Current == 0 {
		return w.promote(n, "an operator says so, as neither ever served")
	}
	allowed, why := n.gens.Promote(mirror.Situation{Peer: mirror.Reachable, Generations: other.gens})
	if allowed != mirror.Allowed {
		return nil
	}
	w.chosen = n.id
	return w.promote(n, why)
}

// notice lets a node learn which of its connections have gone.
func (w *world) notice(n *node) error {
	for _, x := range w.wires {
		x.ends[n.id].notice()
	}
	return w.settle()
}

// quiet says that nothing is under way.
func (w *world) quiet() bool {
	for _, x := range w.wires {
		if !x.ends[0].idle() || !x.ends[1].idle() {
			return false
		}
	}
	for _, n := range w.nodes {
		if !n.up || n.busy || len(n.disk.gates) > 0 {
			return false
		}
	}
	return true
}

// mirroring is the primary of a pair in order.
func (w *world) mirroring() *node {
	for _, n := range w.nodes {
		if n.serve != nil && !n.deaf() && n.serve.session() != nil && n.serve.rec.State() == mirror.Mirroring {
			return n
		}
	}
	return nil
}

// same holds that copies which call themselves equal are, and that one serves.
func (w *world) same() error {
	if err := w.wrong(); err != nil {
		return err
	}
	free := 0
	for _, n := range w.nodes {
		if n.serve != nil && !n.deaf() && n.serve.rec.Acks() == mirror.Local && n.serve.rec.State() != mirror.Stopped {
			free++
		}
	}
	if free == 2 {
		return fmt.Errorf("both serve: %s | %s", w.nodes[0].gens, w.nodes[1].gens)
	}
	n := w.mirroring()
	if n == nil || !w.quiet() {
		return nil
	}
	// What nobody waits for goes on its way 2 ms later, and may be held up then.
	time.Sleep(3 * time.Millisecond) // virtual
	synctest.Wait()
	if !w.quiet() || w.mirroring() != n {
		return w.wrong()
	}
	w.seen.compared++
	if a, b := n.disk.live(), n.peer().disk.live(); !maps.Equal(a, b) {
		return fmt.Errorf("n%d and n%d mirror each other, and hold\n%v\n%v", n.id, 1-n.id, a, b)
	}
	return nil
}
