package share

import (
	"slices"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

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
	f.run(400)
	f.settled(1, 3)
	f.boot(2)
	f.beat(1)
	f.beat(3)
	f.run(50)
	f.start(2)
	f.run(3000)
	f.settled(1, 2, 3)
	if f.opened == 0 {
		t.Fatal("no connection was opened")
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

// TestRollingRestart: all nodes are restarted one after the other, the coordinator
// first, while there are long-lived connections. Each restart ends those of its own
// server; the walks after every table see to it that no other one is lost.
func TestRollingRestart(t *testing.T) {
	for _, size := range []int{2, 3, 5} {
		f := newFarm(t, uint64(size), size)
		for _, n := range f.ids() {
			f.start(n)
		}
		f.run(2000)
		for _, n := range f.ids() {
			before := len(f.conns)
			mine := 0
			for _, c := range f.conns {
				if c.server == n {
					mine++
				}
			}
			f.do(act{what: "roll", node: n, ms: 50})
			if left := len(f.conns); mine == 0 || left < before-mine {
				t.Errorf("%d nodes: %d connections, %d of them on n%d; after its restart %d are left", size, before, mine, n, left)
			}
			f.run(500)
		}
		if !f.smooth || !f.served {
			t.Error("the restarts were not examined as planned changes")
		}
		f.run(3000)
		f.settled(f.ids()...)
	}
}

// TestSlowStart: a node that comes back takes its share in quarters of its weight,
// and all of it in the end.
func TestSlowStart(t *testing.T) {
	f := newFarm(t, 9, 2)
	f.slow = 9 * time.Second
	for _, n := range f.ids() {
		f.feed(n, Configured{f.settings()})
	}
	f.start(1)
	f.run(300)
	if got := f.nodes[1].view.Owned(1); got != Buckets {
		t.Errorf("the first node starts with %d buckets, though nobody else serves", got)
	}
	f.start(2)
	for i, want := range []float64{0.25 / 1.25, 0.5 / 1.5, 0.75 / 1.75, 0.5} {
		f.run(500)
		if got := f.nodes[2].view.Tables[0].Share(2); got < want-0.03 || got > want+0.03 {
			t.Errorf("step %d: it has %.3f of the buckets, want %.3f", i+1, got, want)
		}
		f.run(2500)
	}
	f.settled(1, 2)
	f.slow = 0 // switched off while a node is on its way
	f.do(act{what: "roll", node: 2, ms: 10})
	for _, n := range f.ids() {
		f.feed(n, Configured{f.settings()})
	}
	f.run(300)
	f.settled(1, 2)
}

// TestKeep: a silent node keeps its buckets and serves on until its host is gone,
// and what it says itself counts at once.
func TestKeep(t *testing.T) {
	for _, end := range []string{"host gone", "back", "restarted"} {
		f := newFarm(t, 11, 3)
		f.keep = true
		for _, n := range f.ids() {
			f.feed(n, Configured{f.settings()})
			f.start(n)
		}
		f.run(1000)
		owned := f.nodes[3].view.Owned(3)
		f.doze(3)
		f.run(20_000)
		if got := f.nodes[1].view.Owned(3); got != owned || owned == 0 {
			t.Errorf("%s: after 20 s of silence it is left %d of %d buckets", end, got, owned)
		}
		f.reweigh(1, 5)
		f.run(500)
		if got := f.nodes[1].view.Tables[0].Weights[1]; got != steps {
			t.Errorf("%s: a plan was made without the silent node", end)
		}
		switch end {
		case "host gone":
			f.nodes[3].alive = false
			f.closeAll(3)
			for n := core.NodeID(1); n <= 2; n++ {
				f.feed(n, HostGone{3})
			}
			f.run(500)
			f.settled(1, 2)
		case "back":
			f.wake(3)
			f.run(2000)
			f.settled(1, 2, 3)
		case "restarted":
			f.closeAll(3)
			f.boot(3)
			f.beat(3)
			f.beat(1)
			f.beat(2)
			f.run(500)
			f.settled(1, 2)
		}
	}
}

// TestRestartedWhileDrained: a module that starts drained takes nothing, and its
// share when it is undrained.
func TestRestartedWhileDrained(t *testing.T) {
	f := newFarm(t, 12, 2)
	f.start(1)
	f.start(2)
	f.run(1000)
	f.feed(2, Ordered{core.ShareDrain})
	f.run(500)
	f.smooth = false
	f.closeAll(2)
	f.feed(2, Ordered{core.ShareWithdraw}) // its application is restarted
	f.run(200)
	f.feed(2, Ordered{core.ShareDrain})
	f.run(1000)
	if n := f.nodes[2]; n.view.Owned(2) != 0 || n.answered[len(n.answered)-1] != (Done{Order: core.ShareDrain, OK: true}) {
		t.Errorf("restarted while drained it owns %d buckets, answers %v", n.view.Owned(2), n.answered)
	}
	f.feed(2, Ordered{core.ShareUndrain})
	f.run(2000)
	f.settled(1, 2)
}

// TestSilentNodesAreTold: the filters know whose leases have run out, until the node
// is heard again or its host is gone.
func TestSilentNodesAreTold(t *testing.T) {
	for _, back := range []bool{true, false} {
		f := newFarm(t, 12, 3)
		for n := core.NodeID(1); n <= 3; n++ {
			f.start(n)
		}
		f.run(1000)
		if got := f.nodes[1].silent; got != 0 {
			t.Errorf("silent at the start: %b", got)
		}
		f.smooth = false
		f.feed(1, PeerLost{Node: 2, HostAlive: true, Evidence: "silent"})
		if got := f.nodes[1].silent; got != bit(2) {
			t.Errorf("while n2 is silent: %b", got)
		}
		if back {
			f.feed(1, PeerDigest{2, f.nodes[2].digest})
		} else {
			f.feed(1, HostGone{2})
		}
		if got := f.nodes[1].silent; got != 0 {
			t.Errorf("after that: %b", got)
		}
	}
}

// TestLeftRunning: a daemon that was killed has left its application running. The others
// keep its connections while the next daemon is on its way to start the module, and no
// longer.
func TestLeftRunning(t *testing.T) {
	for _, end := range []string{"started", "not to be started", "never started"} {
		for _, keep := range []bool{false, true} {
			f := newFarm(t, 13, 3)
			f.keep = keep
			for n := core.NodeID(1); n <= 3; n++ {
				f.feed(n, Configured{f.settings()})
				f.start(n)
			}
			f.run(1500)
			f.kill(2, 300)
			has := slices.ContainsFunc(f.conns, func(c *conn) bool { return c.server == 2 })
			v := f.nodes[1].view
			if got := v.Held(2); !has || got == 0 || v.Owned(2) > 0 || f.nodes[3].silent != bit(2) {
				t.Errorf("%s: it has connections: %v; it is a previous owner of %d buckets and owns %d, silent are %b", end, has, got, v.Owned(2), f.nodes[3].silent)
			}
			f.run(3000) // previous owners are counted meanwhile
			if f.nodes[1].view.Held(2) == 0 {
				t.Errorf("%s: its connections were given up", end)
			}
			if end == "started" {
				f.start(2)
				f.run(3000)
				f.settled(1, 2, 3)
				continue
			}
			f.closeAll(2)
			if end == "not to be started" {
				f.feed(2, Abandoned{})
				f.run(500)
			} else {
				f.run(8000)
			}
			if got := f.nodes[1].view.Held(2); got > 0 {
				t.Errorf("%s: it is a previous owner of %d buckets", end, got)
			}
		}
	}
}
