package share

import (
	"slices"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// TestCut: a node that nothing reaches gives up its share at once, keeps the order
// to take one, and comes back with the MAC address that its interface has now.
func TestCut(t *testing.T) {
	for _, lost := range []core.NodeID{1, 3} { // the coordinator, another one
		f := newFarm(t, 5, 3)
		for n := core.NodeID(1); n <= 3; n++ {
			f.start(n)
		}
		f.run(1000)
		f.settled(1, 2, 3)
		rest := slices.DeleteFunc([]core.NodeID{1, 2, 3}, func(n core.NodeID) bool { return n == lost })

		f.feed(lost, Cut{"interface eth1 is gone"})
		if f.nodes[lost].takes || f.nodes[lost].view.Owned(lost) > 0 {
			t.Errorf("n%d still takes connections", lost)
		}
		f.feed(lost, Ordered{core.ShareOpen}) // the application was started again meanwhile
		f.run(2000)
		f.settled(rest...)
		if f.nodes[lost].takes {
			t.Errorf("n%d takes connections again", lost)
		}
		f.feed(lost, Started{[]MAC{{2, 0, 0, 0, 9, byte(lost)}}})
		f.feed(lost, Cut{})
		f.run(3000)
		f.settled(1, 2, 3)
		for n := core.NodeID(1); n <= 3; n++ {
			for _, mem := range f.nodes[n].view.Members {
				if mem.Node == lost && mem.MACs[0] != (MAC{2, 0, 0, 0, 9, byte(lost)}) {
					t.Errorf("n%d sends to n%d at %x", n, lost, mem.MACs[0])
				}
			}
		}
	}
}

// TestCutForAMoment: the others hear of the new MAC address even if no heartbeat
// says that the node was away.
func TestCutForAMoment(t *testing.T) {
	for _, moved := range []core.NodeID{1, 2} {
		f := newFarm(t, 6, 2)
		f.start(1)
		f.start(2)
		f.run(1000)
		f.settled(1, 2)
		f.feed(moved, Cut{"the MAC address of eth0 changed"})
		f.feed(moved, Started{[]MAC{{2, 0, 0, 0, 9, 9}}})
		f.feed(moved, Cut{})
		f.run(2000)
		f.settled(1, 2)
		for n := core.NodeID(1); n <= 2; n++ {
			if mem := f.nodes[n].view.Members[moved-1]; mem.MACs[0] != (MAC{2, 0, 0, 0, 9, 9}) {
				t.Errorf("n%d sends to n%d at %x", n, moved, mem.MACs[0])
			}
		}
	}
}

// TestCutAlone: even the last node stops taking connections, and takes them again.
func TestCutAlone(t *testing.T) {
	f := newFarm(t, 7, 1)
	f.start(1)
	f.run(300)
	f.feed(1, Cut{"interface eth1 is gone"})
	f.run(100)
	if f.nodes[1].takes || f.nodes[1].view.Owned(1) > 0 {
		t.Error("it still takes connections")
	}
	f.feed(1, Started{[]MAC{{2, 0, 0, 0, 9, 9}}})
	f.feed(1, Cut{})
	f.run(500)
	f.settled(1)
	if !f.nodes[1].takes || f.nodes[1].view.Members[0].MACs[0] != (MAC{2, 0, 0, 0, 9, 9}) {
		t.Errorf("%+v", f.nodes[1].view.Members)
	}
	f.feed(1, Cut{"interface eth1 is gone"})
	f.feed(1, Ordered{core.ShareWithdraw})
	f.feed(1, Cut{})
	f.run(300)
	if f.nodes[1].takes || f.nodes[1].view.Owned(1) > 0 {
		t.Error("it takes connections against its order")
	}
}

// TestBackFromACut: a node that was cut off from the others too does not draw the
// clients to itself before it has heard them.
func TestBackFromACut(t *testing.T) {
	f := newFarm(t, 8, 2)
	f.start(1)
	f.start(2)
	f.run(1000)
	f.quiet = true // both sides take the other for dead: what it had is lost
	f.feed(2, Cut{"no carrier"})
	f.feed(1, PeerLost{Node: 2, Evidence: "silent"})
	f.feed(2, PeerLost{Node: 1, Evidence: "silent"})
	f.mail, f.announced = nil, nil
	f.feed(2, Cut{})
	f.mail = nil // not heard yet
	f.run(300)
	if f.nodes[2].view.Owned(2) > 0 || slices.Contains(f.announced, 2) {
		t.Errorf("it took %d buckets by itself, announced by %v", f.nodes[2].view.Owned(2), f.announced)
	}
	f.beat(1)
	f.beat(2)
	f.run(3000)
	f.settled(1, 2)
}
