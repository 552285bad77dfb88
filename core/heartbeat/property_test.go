package heartbeat

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestrator-ha/orchestrator/core"
)

// TestVerdictsAreRightAndInTime: whatever the delays, the losses and the other
// nodes' deaths, a node whose packets arrive often enough is never lost, and a
// silent one always is, within a timeout and two intervals of its last packet,
// and never before its lease has run out.
func TestVerdictsAreRightAndInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "nodes")
		names := []string{"default", "backup", "third"}[:rapid.IntRange(1, 3).Draw(t, "networks")]
		s := newSim(n, rapid.Uint64().Draw(t, "seed"), names...)
		loss := rapid.IntRange(0, 60).Draw(t, "percent lost on all networks but one")
		jitter := rapid.Int64Range(1, 60*msec).Draw(t, "jitter")
		good := rapid.IntRange(0, len(names)-1).Draw(t, "good network")
		s.delay = func(_, _, network int) int64 {
			if network != good && s.rnd.IntN(100) < loss {
				return -1
			}
			return s.rnd.Int64N(jitter) + 1
		}
		s.run(300 * time.Millisecond)
		s.forget()
		deaths := map[int]int64{}
		for range rapid.IntRange(0, n-1).Draw(t, "deaths") {
			s.run(time.Duration(rapid.Int64Range(0, 300*msec).Draw(t, "pause")))
			id := rapid.IntRange(1, n).Draw(t, "victim")
			if _, dead := deaths[id]; dead || len(deaths) == n-1 {
				continue
			}
			x := s.nodes[id-1]
			deaths[id] = s.now
			switch rapid.SampledFrom([]string{"kill", "stop", "power"}).Draw(t, "how") {
			case "kill":
				x.alive, x.refuses = false, true
			case "stop":
				x.asleep = s.now + int64(time.Hour)
			case "power":
				x.alive, x.host = false, false
			}
		}
		s.run(time.Second)
		judgeRun(t, s, deaths, jitter)
	})
}

// judgeRun compares the survivors' verdicts with what happened.
func judgeRun(t *rapid.T, s *sim, deaths map[int]int64, jitter int64) {
	for _, early := range s.early {
		t.Error(early)
	}
	for _, x := range s.nodes {
		if _, dead := deaths[x.id]; dead {
			continue
		}
		lost := map[core.NodeID]Event{}
		for _, e := range x.events {
			if e.Kind == Lost {
				lost[e.Node] = e
			}
		}
		for id := range lost {
			if _, dead := deaths[int(id)]; !dead {
				t.Errorf("node %d lost node %d, which was punctual: %s", x.id, id, lost[id].Evidence)
			}
		}
		for id, at := range deaths {
			e, ok := lost[core.NodeID(id)]
			if !ok {
				t.Errorf("node %d never lost node %d", x.id, id)
				continue
			}
			// Another node that dies meanwhile can no longer agree: then
			// agreement is possible once that one's own silence is over.
			for _, other := range deaths {
				if other > at && other < int64(e.At) {
					at = max(at, other)
				}
			}
			if took := int64(e.At) - at; took > 101*msec+2*20*msec+2*jitter {
				t.Errorf("node %d took %s for node %d", x.id, ms(took), id)
			}
		}
	}
}

// TestNothingBreaksTheDetector feeds random signals: no panic, times only move
// on, and a Lost is always about a node that was up.
func TestNothingBreaksTheDetector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Self: 1, Incarnation: 1, Key: make([]byte, keyLen), Networks: simNetworks(1, 4, "default", "backup"), Events: func(Event) {}}
		if err := o.check(); err != nil {
			t.Fatal(err)
		}
		now := msec
		d := newDetector(&o, rapid.Bool().Draw(t, "ping"), now)
		up := map[core.NodeID]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, 60*msec).Draw(t, "pause")
			node := core.NodeID(rapid.IntRange(2, 5).Draw(t, "node"))
			network := rapid.IntRange(0, 1).Draw(t, "network")
			switch rapid.IntRange(0, 5).Draw(t, "signal") {
			case 0, 1, 2:
				d.receive(now, network, &packet{sender: node, incarnation: rapid.Uint64Range(1, 3).Draw(t, "incarnation"),
					seq: rapid.Uint64Range(1, 300).Draw(t, "seq"), goodbye: rapid.IntRange(0, 20).Draw(t, "bye") == 0,
					heard: rapid.Uint64Range(0, 15).Draw(t, "heard")})
			case 3:
				d.refused(now, network, node)
			case 4:
				d.answered(now, node)
			case 5:
				d.resume(now, now)
			}
			out := d.tick(now)
			if out.due <= now {
				t.Fatalf("due %d is not after %d", out.due, now)
			}
			for _, e := range out.events {
				switch e.Kind {
				case Up:
					if up[e.Node] {
						t.Fatalf("node %d came up twice", e.Node)
					}
					up[e.Node] = true
				case Lost, Goodbye:
					if e.Kind == Lost && !up[e.Node] {
						t.Fatalf("node %d was lost without having been up", e.Node)
					}
					up[e.Node] = false
				case HostGone, HostBack, Suspect, Trusted:
					if watched := e.Kind == Suspect || e.Kind == Trusted; up[e.Node] != watched {
						t.Fatalf("%s of node %d, up %v", e.Kind, e.Node, up[e.Node])
					}
				}
			}
			if out.beat {
				var pk packet
				d.fill(now, &pk)
			}
			d.done()
		}
	})
}
