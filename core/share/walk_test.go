package share

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// delivery follows a frame of a client that enters at a node, and answers which
// nodes' applications get it. server is who has its connection, 0 if none.
type delivery func(f *farm, entry core.NodeID, bucket int, opens bool, server core.NodeID) []core.NodeID

// serves says that a node's filter accepts: its lease holds, or is not asked for.
func (f *farm) serves(n core.NodeID) bool { return !f.nodes[n].asleep && !f.nodes[n].lapsed || f.keep }

// directed is vmac_directed: nodes forward a frame to each other.
func directed(f *farm, at core.NodeID, bucket int, opens bool, server core.NodeID) []core.NodeID {
	p := Packet{Opens: opens}
	for range 16 {
		node := f.nodes[at]
		r, ok := node.row(bucket)
		if !node.alive || !ok {
			return nil
		}
		p.Socket = server == at
		v, _ := Here{
			Self: at, Serves: f.serves(at) && (node.takes || !opens), Ready: node.takes,
			Agreed: node.agreed && !node.asleep && !node.lapsed, Silent: node.silent,
		}.Decide(r, p)
		switch {
		case v.Accept:
			return []core.NodeID{at}
		case v.To == 0:
			return nil
		}
		p.Peer, at, p.Round = at, v.To, v.Round
	}
	f.t.Fatalf("%s: a packet in bucket %d ran in a circle\n%s", f.now.Format("05.000"), bucket, f.history(bucket))
	return nil
}

// entries are the nodes at which a frame can enter the farm.
func (f *farm) entries() []core.NodeID {
	var list []core.NodeID
	for _, n := range f.ids() {
		if f.nodes[n].alive && len(f.nodes[n].view.Tables) > 0 {
			list = append(list, n)
		}
	}
	return list
}

// examine sends through the tables as they are now a SYN of every client, and a
// packet of every connection, from every node. What happens to a SYN depends on
// the bucket's rows alone, so one is sent for every combination of them.
func (f *farm) examine() {
	entries := f.entries()
	if len(entries) == 0 || f.quiet {
		return
	}
	if f.gaps && f.allAgree(entries) && f.nodes[entries[0]].view.Rules == f.rules {
		f.gaps = false
	}
	type rows [5]Row
	seen, all := map[rows]bool{}, true
	for b := range Buckets {
		var r rows
		for i, n := range entries {
			r[i], _ = f.nodes[n].row(b)
		}
		if !seen[r] {
			seen[r] = true
			all = f.examineSYN(entries, b) && all
			if f.floods {
				f.examineOnce(entries, b)
			}
		}
	}
	f.served = f.served || all
	for _, c := range f.conns {
		f.examineConn(entries, c)
	}
}

// examineSYN: no SYN is accepted by two nodes, none is lost while all that
// happens is planned, and once the nodes agree it does not matter where it enters.
// One thing can go wrong in invisible mode: a node fails between the steps of a plan,
// and nodes that have taken different steps name different heirs for its buckets.
func (f *farm) examineSYN(entries []core.NodeID, b int) (accepted bool) {
	var first []core.NodeID
	all := true
	for i, at := range entries {
		got := f.deliver(f, at, b, true, 0)
		if len(got) > 1 && (!f.floods || f.smooth || f.oneView(entries)) {
			f.t.Fatalf("%s: a SYN that entered at n%d in bucket %d was accepted by %v\n%s", f.now.Format("05.000"), at, b, got, f.history(b))
		}
		if len(got) == 0 && f.smooth && f.served {
			f.t.Fatalf("%s: a SYN that entered at n%d in bucket %d was lost\n%s", f.now.Format("05.000"), at, b, f.history(b))
		}
		all = all && len(got) == 1
		if i == 0 {
			first = got
		}
		if f.allAgree(entries) && !slices.Equal(got, first) {
			f.t.Fatalf("%s: the nodes agree, but SYNs in bucket %d go to %v and %v\n%s", f.now.Format("05.000"), b, first, got, f.history(b))
		}
	}
	return all
}

// examineConn: a packet of a connection reaches its own node or none, and its own
// for certain while all that happens is planned.
func (f *farm) examineConn(entries []core.NodeID, c *conn) {
	for _, at := range entries {
		got := f.deliver(f, at, c.bucket, false, c.server)
		for _, n := range got {
			if n != c.server {
				f.t.Fatalf("%s: a connection of n%d in bucket %d was reset by n%d, entered at n%d\n%s", f.now.Format("05.000"), c.server, c.bucket, n, at, f.history(c.bucket))
			}
		}
		if f.smooth && !f.gaps && len(got) == 0 {
			f.t.Fatalf("%s: a packet of a connection of n%d in bucket %d that entered at n%d was lost\n%s", f.now.Format("05.000"), c.server, c.bucket, at, f.history(c.bucket))
		}
	}
}

// oneView says that all nodes use one view: of one plan, less the same failed nodes.
func (f *farm) oneView(entries []core.NodeID) bool {
	first := f.nodes[entries[0]]
	return !slices.ContainsFunc(entries, func(n core.NodeID) bool {
		return f.nodes[n].view.Epoch != first.view.Epoch || f.nodes[n].m.failed != first.m.failed
	})
}

// allAgree says that all nodes run, serve, and have been told that they agree.
func (f *farm) allAgree(entries []core.NodeID) bool {
	return !slices.ContainsFunc(entries, func(n core.NodeID) bool {
		return !f.nodes[n].agreed || f.nodes[n].asleep || f.nodes[n].stuck
	}) && f.oneView(entries)
}
