package share

import "github.com/orchestrator-ha/orchestrator/core"

// Hand says what part a node has in the hand-over of a bucket, in invisible mode.
type Hand uint8

const (
	Steady  Hand = iota // the bucket is not being handed over, or between others
	Expects             // is to get it: takes what is handed over
	Gives               // had it: hands over
	Takes               // has it: takes what is handed over, until the other is known to do so
)

// Here is what a verdict of invisible mode depends on at a node, besides the row.
type Here struct {
	Self   core.NodeID
	Serves bool   // the lease holds, or is not asked for
	Ready  bool   // the application takes new connections
	Agreed bool   // all nodes are known to use the same view, and the lease holds
	Silent uint64 // mask of members that take nothing now; see Install
	Hand   Hand   // of the row, as Handover said

	Invisible bool // for Decide: about a frame to a real Ethernet address in that mode
}

// DecideInvisible is the verdict of invisible mode. A packet to the virtual
// Ethernet address is seen by every node: each keeps its own and drops the rest
// without a word to the others. So two may never take the same packet, and nobody
// resets a connection while another node may have it.
//
// The only packet that is sent on, to a real Ethernet address and marked as handed over,
// is one that opens a connection or needs none while its bucket is being handed over; there
// it has a Peer. (Others that come to a real Ethernet address, from clients that know it from
// another time, are for Decide.)
func DecideInvisible(h Here, r Row, p Packet) Verdict {
	own := r.Owner() == h.Self
	switch {
	case !h.Serves:
		return Verdict{}
	case p.Peer != 0 && p.Round && (p.Opens || p.Datagram):
		return h.decideHanded(own, p)
	case p.Datagram:
		return h.decideFlooded(r, p)
	case p.Opens:
		return h.decideAll(r)
	case h.Agreed && r.Owner() != 0 && r.Settled():
		return Verdict{Accept: own} // without a connection here the kernel answers RST
	}
	return Verdict{Accept: p.Socket && r != 0} // without one here, another node may have it
}

// decideAll is the verdict on what opens something and is seen by all.
func (h Here) decideAll(r Row) Verdict {
	switch {
	case r.Owner() == 0:
		return Verdict{}
	case h.Hand == Gives:
		return Verdict{To: r.Owner(), Round: true}
	}
	return Verdict{Accept: h.Ready && r.Owner() == h.Self && h.Hand != Takes}
}

// decideFlooded is that on a datagram: a connected socket takes what is its own, all else
// is as if it opened something.
func (h Here) decideFlooded(r Row, p Packet) Verdict {
	if p.Socket && r != 0 && !(h.Agreed && r.Settled()) {
		return Verdict{Accept: true}
	}
	v := h.decideAll(r)
	if v.Accept && !h.Agreed && !p.Bound {
		return Verdict{} // the kernel would answer "port unreachable", perhaps for another's flow
	}
	return v
}

// decideHanded is that on what a peer handed over. All have seen it, this node too: if it
// takes what all see, it has it already. An echo request or a datagram would be answered
// twice then. A SYN would not, and is taken: the one that all saw may have been
// left to the other node, a moment ago.
func (h Here) decideHanded(own bool, p Packet) Verdict {
	switch {
	case !own && h.Hand != Expects:
		return Verdict{}
	case own && h.Hand != Takes && (p.Echo || p.Datagram):
		return Verdict{}
	case p.Datagram && (p.Socket || !h.Agreed && !p.Bound):
		return Verdict{} // as in decideFlooded: it has it already, or must not refuse it
	}
	return Verdict{Accept: h.Ready}
}

// Handover says what part node self has in the hand-over of a bucket, in invisible
// mode, when its row changes. Without it a planned move would have a moment in
// which both the node that gets the bucket, which uses the new row, and the one that
// had it, which still uses the old one, answer a client; or, were one to wait for the
// other, a moment in which nobody does.
//
//	         prepare  handing                  commit                 agreed
//	had it   owns     Gives: hands over        Gives                  lets go
//	gets it  Expects  Takes: what it is given  owns: what all see     owns
//
// A view is installed when all nodes have the one before; all agree a few heartbeats
// later, or a second, where one of them was late. What is handed over meanwhile reaches the
// node that gets the bucket twice, and it takes the one that all see. Only what is on its way
// from one node to the other when that begins can be missed: an echo request or a datagram,
// in the time that a frame takes.
//
// before is the row that was in force here, was the part it gave this node, after
// the row that is to be. What a node does by itself, because another has failed, is
// no hand-over: nobody is there to let go, so it takes the bucket at once, and who
// gave up hands over nothing, as its view may be old.
func Handover(self core.NodeID, before Row, was Hand, after Row, c Change) Hand {
	if after.Settled() || after.Owner() == 0 {
		return Steady
	}
	had, has, latest := before.Owner() == self, after.Owner() == self, after.latest() == self
	same := after.Owner() == before.Owner() && after.latest() == before.latest()
	switch {
	case c.Agreed:
		return Steady
	case same && was == Gives && (c.Moved || !c.Planned):
		return Gives
	case same && was == Takes && c.Moving:
		return Takes
	case c.Planned && has && !had && c.Moving:
		return Takes
	case c.Planned && latest && had:
		return Gives
	case c.Planned && latest && c.Moving:
		return Expects
	}
	return Steady
}

// Change is how a node comes from one view to the next.
type Change struct {
	Planned bool // the next comes from a plan, not of what the node did by itself
	Moved   bool // the one before was of a plan that was not through
	Moving  bool // after the next, another one of its plan follows
	Agreed  bool // all nodes are known to use the next
}
