package share

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// TestChain: of powers 1, 64 and 64² only the strongest node serves, and when it
// is gone the next.
func TestChain(t *testing.T) {
	w := Weights{1: 1, 2: 64, 3: 4096}
	for _, want := range []core.NodeID{3, 2, 1, 0} {
		for b := range Buckets {
			if got := w.Owner(b); got != want {
				t.Fatalf("weights %v: bucket %d belongs to %d, want %d", w, b, got, want)
			}
		}
		delete(w, want)
	}
	if n := (Weights{1: 1, 2: 63}); !ownsAny(n, 1) {
		t.Error("a weight of 1 beside 63 counts as none")
	}
}

func ownsAny(w Weights, n core.NodeID) bool {
	for b := range Buckets {
		if w.Owner(b) == n {
			return true
		}
	}
	return false
}

// fullView has five nodes of which all buckets belong to node 4, and nodes 3, 2 and 1
// may have connections everywhere.
func fullView(w Weights) View {
	v := View{Epoch: 0x101, Tables: []Table{{Name: group, Weights: w, Rows: make(Rows, Buckets)}}}
	for n := range core.NodeID(5) {
		v.Members = append(v.Members, Member{Node: n + 1})
	}
	for b := range v.Tables[0].Rows {
		v.Tables[0].Rows[b] = MakeRow(4, 3, 2, 1)
	}
	return v
}

func fullReports(v View, open map[core.NodeID]Bitmap, draining ...core.NodeID) []Report {
	var list []Report
	for _, m := range v.Members {
		b := open[m.Node]
		if b == nil {
			b = NewBitmap()
		}
		list = append(list, Report{Node: m.Node, Ready: true, Draining: slices.Contains(draining, m.Node), View: v, Open: map[string]Bitmap{group: b}})
	}
	return list
}

func allBuckets() Bitmap {
	b := NewBitmap()
	for i := range b {
		b[i] = 0xff
	}
	return b
}

// TestFullRowWaits: a bucket in which four nodes have connections does not move to
// a fifth, but does as soon as one of them has none left.
func TestFullRowWaits(t *testing.T) {
	v := fullView(Weights{4: 4})
	set := Settings{Weights: map[string]Weights{group: {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}}}
	open := map[core.NodeID]Bitmap{1: allBuckets(), 2: allBuckets(), 3: allBuckets(), 4: allBuckets()}
	p := propose(1, fullReports(v, open, 1, 2, 3, 4), set, nil, nil, nil)
	if p.postponed != Buckets || p.moves || len(p.dropped) > 0 {
		t.Errorf("all are full: %d postponed, moves %v, dropped %v", p.postponed, p.moves, p.dropped)
	}
	if r := p.commit.Tables[0].Rows[7]; r != MakeRow(4, 3, 2, 1) {
		t.Errorf("the row became %v", r)
	}
	open[2] = nil
	p = propose(1, fullReports(v, open, 1, 2, 3, 4), set, nil, nil, nil)
	if r := p.commit.Tables[0].Rows[7]; p.postponed != 0 || !p.moves || r != MakeRow(5, 4, 3, 1) {
		t.Errorf("with room: %d postponed, the row became %v", p.postponed, r)
	}
	if r := p.prepare.Tables[0].Rows[7]; r != MakeRow(4, 5, 3, 1) {
		t.Errorf("before that it is %v", r)
	}
}

// TestFullRowMovesWithin: where it cannot go to a fifth node, it goes to the best of
// the four that takes connections.
func TestFullRowMovesWithin(t *testing.T) {
	v := fullView(Weights{4: 4})
	set := Settings{Weights: map[string]Weights{group: {2: 1, 5: 1000}}}
	open := map[core.NodeID]Bitmap{1: allBuckets(), 2: allBuckets(), 3: allBuckets(), 4: allBuckets()}
	p := propose(1, fullReports(v, open, 4), set, nil, nil, nil)
	if r := p.commit.Tables[0].Rows[7]; r != MakeRow(2, 4, 3, 1) {
		t.Errorf("the row became %v", r)
	}
}

// TestFullRowOfALostNode: the heir of a silent node whose host lives is one of the
// row, if it can be.
func TestFullRowOfALostNode(t *testing.T) {
	v := fullView(Weights{2: 4, 4: 4, 5: 4000})
	if r := v.Fail(4, true).Tables[0].Rows[7]; r != MakeRow(2, 4, 3, 1) {
		t.Errorf("the row became %v", r)
	}
	if r := v.Fail(4, false).Tables[0].Rows[7]; r != MakeRow(5, 3, 2, 1) {
		t.Errorf("without its host the row became %v", r)
	}
}

// TestLowBitsSharesByClass: buckets that a filter of compared bits cannot tell
// apart always have the same row, whatever happens, so that exactly one node
// accepts each client port.
func TestLowBitsSharesByClass(t *testing.T) {
	v := View{Tables: []Table{{Name: group, Rows: make(Rows, Buckets)}}}
	set := Settings{Hash: LowBits, Weights: map[string]Weights{group: {1: 3, 2: 1, 3: 2}}}
	one := NewBitmap()
	one.Set(64*5 + 9)
	var reports []Report
	for n := core.NodeID(1); n <= 3; n++ {
		reports = append(reports, Report{Node: n, Ready: true, View: v, Open: map[string]Bitmap{group: one}})
	}
	v = propose(1, reports, set, nil, nil, nil).commit
	for i := range reports {
		reports[i].View, reports[i].Draining = v, i == 1
	}
	for _, v := range []View{v, propose(1, reports, set, nil, nil, nil).commit, v.Fail(3, true), v.Fail(1, false)} {
		if v.Hash != LowBits {
			t.Fatalf("the view's function is %q", v.Hash)
		}
		for port := range 1 << 16 {
			b := LowBits.Bucket(Key{}, [...]addr{client4, client6}[port%2], uint16(port))
			if port == 0 {
				continue // it means that the address decides
			}
			row, accepting := v.Tables[0].Rows[b], 0
			for n := core.NodeID(1); n <= 3; n++ {
				if Decide(n, row, true, true, Packet{Opens: true}).Accept {
					accepting++
				}
			}
			if accepting != 1 || row != v.Tables[0].Rows[port%64] {
				t.Fatalf("port %d: %d nodes accept; row %v, of its class %v", port, accepting, row, v.Tables[0].Rows[port%64])
			}
		}
	}
}

type addr = netip.Addr

var client4, client6 = netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")

// TestHoldingAndStanding: what is told of a bucket and of a node.
func TestHoldingAndStanding(t *testing.T) {
	v := fullView(Weights{1: 2, 2: 4 * 64, 5: 4 * 64})
	v.Members[0].Step = 2
	h, ok := v.Holding(group, 7)
	if !ok || h.Owner != 4 || !slices.Equal(h.Previous, []core.NodeID{3, 2, 1}) || h.Next != v.Tables[0].Weights.Owner(7) {
		t.Errorf("bucket 7: %+v %v", h, ok)
	}
	if _, ok := v.Holding("other", 7); ok {
		t.Error("a group that is not there holds a bucket")
	}
	for n, want := range map[core.NodeID]Standing{
		1: {Takes: true, Step: 2}, 2: {Takes: true, Counts: true}, 4: {Share: 1},
	} {
		if got := v.Standing(group, n); got != want {
			t.Errorf("node %d: %+v, want %+v", n, got, want)
		}
	}
}
