package share

import (
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// TestRulesChange: a farm at work gets other rules, by which every packet belongs to
// another group and bucket. No connection is reset and no SYN is lost, as the walks
// after every table see to; and when the nodes agree again each connection is reached
// from everywhere.
func TestRulesChange(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5} {
		for _, hash := range []Function{Keyed, LowBits} {
			f := newFarm(t, uint64(size), size)
			f.hash = hash
			for _, n := range f.ids() {
				f.feed(n, Configured{f.settings()})
				f.start(n)
			}
			f.run(2000)
			before := len(f.conns)
			f.regroup("a")
			f.run(3000)
			if f.gaps {
				t.Fatalf("%d nodes: they do not agree about the new rules\n%s", size, f.history(0))
			}
			if len(f.conns) < before || before == 0 {
				t.Errorf("%d nodes: of %d connections %d are left", size, before, len(f.conns))
			}
			for _, n := range f.ids() {
				if v := f.nodes[n].view; v.Rules != "a" || v.Moving || v.Regrouped || len(v.Tables) != 1 || v.Tables[0].Name != groupBy("a") {
					t.Errorf("%d nodes: n%d uses %q, moving %t, regrouped %t, %d tables", size, n, v.Rules, v.Moving, v.Regrouped, len(v.Tables))
				}
			}
			for _, c := range f.conns {
				f.examineConn(f.entries(), c)
			}
			f.conns, f.quiet = nil, true
			f.run(20_000)
			f.settled(f.ids()...)
		}
	}
}

// TestRulesChangeTogether: while one node does not know the new rules, all go on with
// the old ones, whatever else happens; nobody waits for it without end.
func TestRulesChangeTogether(t *testing.T) {
	f := newFarm(t, 5, 3)
	for _, n := range f.ids() {
		f.start(n)
	}
	f.run(1000)
	f.rules, f.gaps = "a", true
	for n := core.NodeID(1); n <= 2; n++ {
		f.feed(n, Configured{f.settings()})
	}
	f.run(3000)
	uses := func(rules string) {
		t.Helper()
		for _, n := range f.ids() {
			if v := f.nodes[n].view; v.Rules != rules || v.Moving {
				t.Errorf("n%d uses %q, moving %t\n%s", n, v.Rules, v.Moving, f.history(0))
			}
		}
	}
	uses("")
	f.feed(2, Ordered{core.ShareDrain})
	f.run(300)
	if got := f.nodes[1].view.Owned(2); got != 0 {
		t.Errorf("a drain waits for the rules: %d buckets", got)
	}
	f.feed(2, Ordered{core.ShareUndrain})
	f.run(1500)
	uses("")
	f.feed(3, Configured{f.settings()})
	f.run(3000)
	uses("a")
	if f.gaps {
		t.Error("the nodes do not agree")
	}
}

// TestRulesOfASilentNode: to whom a silent node still forwards by the old rules counts as
// somebody who may have connections anywhere.
func TestRulesOfASilentNode(t *testing.T) {
	set := Settings{Rules: "new", Weights: map[string]Weights{"g": {1: 1, 2: 1, 3: 1}}}
	old := View{Epoch: 0x101, Rules: "old", Members: []Member{{Node: 1}, {Node: 2}, {Node: 3}}, Tables: []Table{{Name: "g", Rows: make(Rows, Buckets)}}}
	now := View{Epoch: 0x301, Rules: "new", Regrouped: true, Moving: true, Members: old.Members, Tables: []Table{{Name: "g", Weights: Weights{1: 4}, Rows: make(Rows, Buckets)}}}
	for b := range Buckets {
		old.Tables[0].Rows[b], now.Tables[0].Rows[b] = MakeRow(2), MakeRow(1)
	}
	reports := []Report{{Node: 1, Ready: true, View: now, Rules: "new", Open: map[string]Bitmap{"g": NewBitmap()}}, {Node: 2, Ready: true, View: now, Rules: "new", Open: map[string]Bitmap{"g": NewBitmap()}}}
	p := propose(1, reports, set, []Member{{Node: 3}}, []View{old}, nil)
	for b, r := range p.commit.Tables[0].Rows {
		if !r.has(2) || !r.has(3) {
			t.Fatalf("bucket %d: %v", b, r)
		}
	}
}

// groupBy is the name of the group by a set of rules, bucketBy the bucket by it of what
// is in a bucket by the first: as if the filter were another one.
func groupBy(rules string) string { return group + rules }

func bucketBy(rules string, b int) int {
	if rules == "" {
		return b
	}
	return (b*5 + 3*len(rules)) % Buckets
}

// rulesAt are the rules in a node's filter.
func (f *farm) rulesAt(n core.NodeID) string {
	if node := f.nodes[n]; len(node.view.Tables) > 0 {
		return node.view.Rules
	}
	return f.rules
}

// row is what a node's filter has for a bucket of the first rules.
func (n *simNode) row(bucket int) (Row, bool) {
	t := n.view.table(groupBy(n.view.Rules))
	if t == nil {
		return 0, false
	}
	return t.Rows[bucketBy(n.view.Rules, bucket)], true
}

// regroup changes the rules; the nodes learn it one after the other.
func (f *farm) regroup(rules string) {
	f.rules, f.gaps = rules, true
	for _, id := range f.ids() {
		f.post(id, id, Configured{f.settings()}, 1+f.rng.IntN(400))
	}
}
