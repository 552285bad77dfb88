package simtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
)

// step is one thing that happens, as a line of a story: a verb and numbers.
type step struct {
	verb string
	args [3]int
}

func (s step) String() string {
	v := verbs[s.verb]
	return strings.TrimSpace(s.verb + " " + strings.Trim(fmt.Sprint(s.args[:v.args]), "[]"))
}

// verb is what a step can do. Its first argument is a node. Numbers that say which of several,
// or how much, are taken as far as there is.
type verb struct {
	weight int
	args   int
	do     func(w *world, n *node, a, b int) error
}

var verbs map[string]verb

func init() {
	verbs = map[string]verb{
		// A program writes: the block, and whether it syncs then.
		"write": {150, 3, func(w *world, n *node, a, b int) error {
			if s := n.serve; s != nil && !n.busy {
				s.programs.Go(func() { s.write(blocks[a%len(blocks)], b%3 > 0) })
			}
			return nil
		}},
		// A sync of the disk ends: which.
		"sync": {250, 2, func(_ *world, n *node, a, _ int) error { n.disk.pass(a); return nil }},
		// Bytes arrive at the node: of which connection, how many (0 is all).
		"arrive": {300, 3, func(w *world, n *node, a, b int) error {
			if len(w.wires) > 0 {
				w.wires[a%len(w.wires)].ends[n.id].deliver(b + (1-min(b, 1))*1<<30)
			}
			return nil
		}},
		// All connections are cut.
		"cut": {8, 1, func(w *world, _ *node, _, _ int) error { w.sever(); return nil }},
		// The node learns that connections have gone.
		"notice": {50, 1, func(w *world, n *node, _, _ int) error { return w.notice(n) }},
		// It gives up its connections, as when the peer did not answer in time.
		"hang up": {4, 1, func(w *world, n *node, _, _ int) error {
			for _, x := range w.wires {
				_ = x.ends[n.id].Close()
			}
			return nil
		}},
		// The power goes: what is left of the disk is drawn by the second number.
		"crash": {3, 2, func(_ *world, n *node, _, _ int) error {
			if n.up {
				n.crash()
			}
			return nil
		}},
		// The power goes in the middle of something, when the disk has done that many operations.
		"fails after": {6, 2, func(_ *world, n *node, a, _ int) error {
			if n.up {
				n.disk.mu.Lock()
				n.disk.left = a % 12
				n.disk.mu.Unlock()
			}
			return nil
		}},
		"boot": {40, 1, func(_ *world, n *node, _, _ int) error {
			if n.up {
				return nil
			}
			return n.boot()
		}},
		// The node dials the primary.
		"dial": {60, 1, func(_ *world, n *node, _, _ int) error {
			p := n.peer()
			if n.up && !n.busy && n.serve == nil && n.copy == nil && p.up && !p.busy && p.serve != nil && p.serve.rec.State() != mirror.Stopped {
				n.follow()
			}
			return nil
		}},
		// A connection reaches the primary: which, so that they may overtake each other.
		"take": {70, 2, func(w *world, _ *node, a, _ int) error {
			if len(w.dials) == 0 {
				return nil
			}
			a %= len(w.dials)
			d := w.dials[a]
			w.dials = append(w.dials[:a:a], w.dials[a+1:]...)
			if d.conn.lost() {
				w.seen.stale++
			}
			p := w.nodes[0]
			if d.conn != d.conn.w.ends[0] {
				p = w.nodes[1]
			}
			if p.serve == nil || p.busy {
				return d.conn.Close()
			}
			go p.serve.take(d.conn, d.gens)
			return nil
		}},
		"choose": {50, 1, func(w *world, n *node, _, _ int) error { return w.choose(n) }},
		"beside": {10, 1, func(w *world, n *node, _, _ int) error { return w.beside(n) }},
		"stop": {4, 1, func(w *world, n *node, _, _ int) error {
			if n.serve != nil && !n.busy {
				w.end(n)
			}
			return nil
		}},
		// Both make durable what was written, and forget that it was active.
		"epoch": {15, 1, func(_ *world, n *node, _, _ int) error {
			if s := n.serve; s != nil && !n.busy {
				if sess := s.session(); sess != nil && s.rec.State() == mirror.Mirroring {
					go func() { _ = s.epoch(sess) }()
				}
			}
			return nil
		}},
		// All is made whole, and looked at.
		"mend":    {2, 1, func(w *world, _ *node, _, _ int) error { return w.mend() }},
		"seconds": {5, 2, func(_ *world, _ *node, a, _ int) error { time.Sleep(time.Duration(1+a%5) * time.Second); return nil }}, // virtual
	}
}

// order of the verbs, for drawing.
var order = []string{"write", "sync", "arrive", "cut", "notice", "hang up", "crash", "fails after", "boot", "dial", "take", "choose", "beside", "stop", "epoch", "mend", "seconds"}

// draw draws a story.
func draw(rng *rand.Rand, steps int) []step {
	total := 0
	for _, v := range verbs {
		total += v.weight
	}
	story := make([]step, steps)
	for i := range story {
		r := rng.IntN(total)
		for _, name := range order {
			if r -= verbs[name].weight; r < 0 {
				story[i] = step{name, [3]int{rng.IntN(2), rng.IntN(1000), max(0, rng.IntN(400)-300)}}
				break
			}
		}
		if story[i].verb == "write" || story[i].verb == "crash" {
			story[i].args[2] = rng.IntN(1000)
		}
	}
	if steps > 0 && rng.IntN(4) > 0 {
		story[0] = step{verb: "mend"} // most begin with a pair in order
	}
	return story
}

// play lets a story happen, and then makes all whole.
func play(t *testing.T, story []step, fault string, loud bool) (log []string, seen counts, wrong error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(fault, loud)
		for _, s := range story {
			if err != nil {
				break
			}
			if loud {
				w.mu.Lock()
				w.log = append(w.log, s.String())
				w.mu.Unlock()
			}
			w.rng = rand.New(rand.NewPCG(uint64(s.args[1]), uint64(s.args[2])))
			if err = verbs[s.verb].do(w, w.nodes[s.args[0]&1], s.args[1], s.args[2]); err == nil {
				err = w.settle()
			}
		}
		if err == nil {
			err = w.mend()
		}
		for _, n := range w.nodes {
			if n.up {
				n.crash()
			}
		}
		log, seen, wrong = w.log, w.seen, err
	})
	return log, seen, wrong
}

// mend makes all whole: with no operator one node serves and the other mirrors it, equal on
// disk, and has what was acknowledged.
func (w *world) mend() error {
	w.note("all is made whole")
	for range 60 {
		for _, n := range w.nodes {
			if err := w.help(n); err != nil {
				return err
			}
		}
		if n := w.mirroring(); n != nil && w.quiet() {
			return w.has(n)
		}
		if w.linked() {
			continue
		}
		for _, n := range w.nodes {
			for _, do := range []func(*node) error{w.beside, w.choose} {
				if err := do(n); err != nil {
					return err
				}
				if err := w.settle(); err != nil {
					return err
				}
			}
		}
	}
	states := ""
	for _, n := range w.nodes {
		states += fmt.Sprintf("n%d %s", n.id, n.gens)
		if n.serve != nil {
			states += fmt.Sprintf(", %s", n.serve.rec.State())
		}
		states += "; "
	}
	return fmt.Errorf("they do not find together: %schosen %d", states, w.chosen)
}

// help does for a node all that it waits for.
func (w *world) help(n *node) error {
	n.disk.mu.Lock()
	n.disk.left = forEver
	n.disk.mu.Unlock()
	for _, line := range []string{"boot", "notice", "dial", "take"} {
		if err := verbs[line].do(w, n, 0, 0); err != nil {
			return err
		}
		if err := w.settle(); err != nil {
			return err
		}
	}
	for range 1000 {
		n.disk.mu.Lock()
		gates := len(n.disk.gates)
		n.disk.mu.Unlock()
		arrived := true
		for _, x := range w.wires {
			for _, e := range x.ends {
				arrived = arrived && e.idle()
				e.deliver(1 << 30)
			}
		}
		if gates == 0 && arrived {
			return nil
		}
		n.disk.pass(0)
		if err := w.settle(); err != nil {
			return err
		}
	}
	return fmt.Errorf("n%d does not come to rest", n.id)
}
