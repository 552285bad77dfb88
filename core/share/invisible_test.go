package share

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// invisible is vmac_invisible: every node sees a frame, wherever it came from,
// and each decides for itself.
func invisible(f *farm, _ core.NodeID, bucket int, opens bool, server core.NodeID) []core.NodeID {
	var got []core.NodeID
	take := func(n core.NodeID) {
		if !slices.Contains(got, n) {
			got = append(got, n)
		}
	}
	decide := func(n core.NodeID, p Packet) Verdict {
		node := f.nodes[n]
		t := node.view.table(group)
		if !node.alive || t == nil {
			return Verdict{}
		}
		h := Here{
			Self: n, Serves: f.serves(n), Ready: node.takes,
			Agreed: node.agreed && !node.asleep && !node.lapsed, Hand: f.hand(node, bucket),
		}
		return DecideInvisible(h, t.Rows[bucket], p)
	}
	for _, n := range f.ids() {
		switch v := decide(n, Packet{Opens: opens, Socket: server == n}); {
		case v.Accept:
			take(n)
		case v.To != 0 && decide(v.To, Packet{Opens: opens, Peer: n}).Accept:
			take(v.To)
		}
	}
	return got
}

// handOver computes which buckets are being handed over when a view comes into
// force, as a filter does.
func (f *farm) handOver(n core.NodeID, node *simNode, e Install) {
	next := make([]Hand, Buckets)
	t, before := e.View.table(group), node.view.table(group)
	c := Change{Planned: e.View.Epoch != node.view.Epoch, Moved: node.view.Moving, Moving: e.View.Moving, Agreed: e.Agreed}
	for b := range next {
		var had, after Row
		if before != nil {
			had = before.Rows[b]
		}
		if t != nil {
			after = t.Rows[b]
		}
		next[b] = Handover(n, had, f.hand(node, b), after, c)
	}
	node.hands = next
}

// hand is what a node does in a hand-over now.
func (f *farm) hand(node *simNode, bucket int) Hand {
	if len(node.hands) == 0 || len(node.view.Tables) == 0 {
		return Steady
	}
	return node.hands[bucket]
}
