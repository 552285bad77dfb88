package share

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestrator-ha/orchestrator/core"
)

// act is one thing that happens in a scenario.
type act struct {
	what string
	node core.NodeID
	ms   int // how long it takes
	then int // how long nothing else happens
}

func (a act) String() string {
	return fmt.Sprintf("%s n%d %d ms, then %d ms", a.what, a.node, a.ms, a.then)
}

// Planned changes lose nothing. The others may, but never reset a connection
// whose node lives, and never give a SYN to two.
var (
	planned   = []string{"drain", "undrain", "stop", "start", "weight", "close", "roll", "rules"}
	unplanned = append([]string{"die", "boot", "crash", "sleep", "hang", "wake", "refuse", "cut", "kill"}, planned...)
)

func (f *farm) do(a act) {
	node := f.nodes[a.node]
	switch a.what {
	case "die":
		if node.alive {
			f.die(a.node)
		}
	case "boot":
		if !node.alive {
			f.run(500)
			f.boot(a.node)
			for _, other := range f.ids() {
				f.beat(other)
			}
			f.run(30)
			f.start(a.node)
		}
	case "crash": // the application fails and is restarted
		if node.alive && !node.asleep && node.m.ready {
			f.smooth = false
			f.closeAll(a.node)
			f.feed(a.node, Ordered{core.ShareWithdraw})
			f.run(a.ms)
			f.feed(a.node, Ordered{core.ShareOpen})
		}
	case "sleep":
		if node.alive && !node.asleep {
			f.doze(a.node)
			f.run(4 * a.ms)
			f.wake(a.node)
		}
	case "hang":
		if node.alive && !node.asleep {
			f.doze(a.node)
		}
	case "wake":
		f.wake(a.node)
	case "kill": // its daemon; the next one goes on with the application
		if node.alive && !node.asleep && node.m.present {
			f.kill(a.node, a.ms)
			f.start(a.node)
		}
	case "refuse":
		if node.alive && !node.asleep {
			f.refuse(a.node, a.ms)
		}
	case "cut": // nothing reaches it for a while
		if node.alive && !node.asleep && node.m.present {
			f.feed(a.node, Cut{"its interface is gone"})
			f.run(a.ms)
			f.feed(a.node, Started{[]MAC{{2, 0, 0, 0, 9, byte(a.node)}}})
			f.feed(a.node, Cut{})
		}
	case "drain":
		if node.m.ready && !node.asleep && f.others(a.node) {
			f.feed(a.node, Ordered{core.ShareDrain})
		}
	case "undrain":
		f.feed(a.node, Ordered{core.ShareUndrain})
	case "stop":
		f.stop(a.node)
	case "start":
		if node.alive && !node.asleep && !node.m.present {
			f.start(a.node)
		}
	case "weight":
		f.reweigh(a.node, []uint32{0, 1, 2, 5, 64, 4096}[a.ms%6])
	case "rules": // another set of rules
		if !f.floods {
			f.regroup([]string{"", "a", "bb"}[a.ms%3])
		}
	case "close":
		f.conns = slices.DeleteFunc(f.conns, func(*conn) bool { return f.rng.IntN(2) == 0 })
	case "roll": // a restart of one node in good order, as in a rolling restart
		f.stop(a.node)
		f.run(a.ms)
		f.do(act{what: "start", node: a.node})
	}
	f.run(a.then)
}

// others says that another node takes connections and will.
func (f *farm) others(n core.NodeID) bool {
	return slices.ContainsFunc(f.ids(), func(o core.NodeID) bool {
		m := f.nodes[o].m
		return o != n && f.nodes[o].alive && m.ready && !m.draining && m.leaving == "" && f.power[o] > 0 && f.nodes[o].view.weighs(o)
	})
}

// stop ends the module on a node in good order: its share leaves, then its
// application ends with its connections, then its network.
func (f *farm) stop(n core.NodeID) {
	node := f.nodes[n]
	if !node.alive || node.asleep || !node.m.ready || !f.others(n) {
		return
	}
	f.feed(n, Ordered{core.ShareLeave})
	for limit := 0; node.m.leaving != "" && limit < 3000; limit++ {
		f.run(1)
	}
	f.closeAll(n)
	f.feed(n, Halted{})
	f.run(5) // the daemon takes the filter away when the others know
	node.view = View{}
}

// reweigh changes a node's configured weight; the nodes learn it one after the other.
func (f *farm) reweigh(n core.NodeID, w uint32) {
	if w == 0 && !f.others(n) {
		return // somebody has to serve
	}
	f.power[n] = w
	for _, id := range f.ids() {
		f.post(id, id, Configured{f.settings()}, 1+f.rng.IntN(40))
	}
}

// scenario draws a farm and what happens to it.
func scenario(t *rapid.T, what []string) {
	f := newFarm(t, rapid.Uint64().Draw(t, "seed"), rapid.IntRange(2, 5).Draw(t, "nodes"))
	f.loss = rapid.SampledFrom([]float64{0, 0.05, 0.1}).Draw(t, "loss")
	f.keep = rapid.Bool().Draw(t, "keep")
	f.slow = rapid.SampledFrom([]time.Duration{0, 2 * time.Second}).Draw(t, "slow")
	f.hash = rapid.SampledFrom([]Function{Keyed, LowBits}).Draw(t, "hash")
	if f.floods = rapid.Bool().Draw(t, "invisible"); f.floods {
		f.deliver = invisible
	}
	acts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{
			rapid.SampledFrom(what).Draw(t, "what"), core.NodeID(rapid.IntRange(1, len(f.nodes)).Draw(t, "node")),
			rapid.IntRange(0, 600).Draw(t, "ms"), rapid.IntRange(0, 1200).Draw(t, "then"),
		}
	}), 1, 15).Draw(t, "acts")
	for _, n := range f.ids() {
		f.feed(n, Configured{f.settings()})
		f.start(n)
	}
	f.run(1000)
	for _, a := range acts {
		f.do(a)
	}
	f.examine()
	f.rest()
}

// rest ends all that is under way: then all live nodes share as their weights
// say, and no row has previous owners.
func (f *farm) rest() {
	var ready []core.NodeID
	for _, n := range f.ids() {
		if f.nodes[n].alive {
			f.wake(n)
			f.do(act{what: "start", node: n})
			f.feed(n, Ordered{core.ShareUndrain})
			ready = append(ready, n)
		}
	}
	f.conns, f.quiet = nil, true
	f.run(25000)
	if len(ready) > 0 {
		f.settled(ready...)
	}
	for _, n := range ready {
		if v := f.nodes[n].view; !v.Settled() {
			f.t.Fatalf("n%d has previous owners left though there are no connections\n%s", n, f.history(firstUnsettled(v)))
		}
	}
}

func TestPlannedChangesLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { scenario(t, planned) })
}

func TestWhateverHappensNothingIsReset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { scenario(t, unplanned) })
}

// TestMain runs fewer scenarios than rapid would by itself, so that they take
// seconds, and the same ones each time; -rapid.checks=5000 -rapid.seed=N takes its
// time and looks elsewhere.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.checks": "40", "rapid.seed": "1"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}
