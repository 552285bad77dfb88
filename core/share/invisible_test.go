package share

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// invisible is vmac_invisible: every node sees a frame, wherever it came from,
// and each decides for itself. A node that gets a SYN twice answers it as once.
func invisible(f *farm, _ core.NodeID, bucket int, opens bool, server core.NodeID) []core.NodeID {
	got := f.flood(bucket, Packet{Opens: opens}, server)
	slices.Sort(got)
	return slices.Compact(got)
}

// flood answers who takes a frame to the virtual Ethernet address: a node twice if it
// takes what all see and what it is handed.
func (f *farm) flood(bucket int, p Packet, server core.NodeID) []core.NodeID {
	var got []core.NodeID
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
		p.Socket, p.Peer, p.Round = server == n, 0, false
		switch v := decide(n, p); {
		case v.Accept:
			got = append(got, n)
		case v.To != 0:
			p.Peer, p.Round = n, v.Round
			if decide(v.To, p).Accept {
				got = append(got, v.To)
			}
		}
	}
	return got
}

// examineOnce: an echo request or a datagram is taken once, by one node, and none is
// lost while all that happens is planned.
func (f *farm) examineOnce(entries []core.NodeID, b int) {
	for _, p := range []Packet{{Opens: true, Echo: true}, {Datagram: true, Bound: true}} {
		switch got := f.flood(b, p, 0); {
		case len(got) > 1 && (f.smooth || f.oneView(entries)):
			f.t.Fatalf("%s: %+v in bucket %d was taken by %v\n%s", f.now.Format("05.000"), p, b, got, f.history(b))
		case len(got) == 0 && f.smooth && f.served:
			f.t.Fatalf("%s: %+v in bucket %d was lost\n%s", f.now.Format("05.000"), p, b, f.history(b))
		}
	}
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
