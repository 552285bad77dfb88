package share

import "github.com/orchestrator-ha/orchestrator/core"

// Hand says what part a node has in the hand-over of a bucket, in invisible mode.
type Hand uint8

const (
	Steady  Hand = iota // the bucket is not being handed over, or between others
	Expects             // is to get it: takes what is sent on
	Gives               // had it: sends on
	Takes               // has it: takes what is sent on, until the other is known to send on
)

// Here is what a verdict of invisible mode depends on at a node, besides the row.
type Here struct {
	Self   core.NodeID
	Serves bool   // the lease holds, or is not asked for
	Ready  bool   // the application takes new connections
	Agreed bool   // all nodes are known to use the same view, and the lease holds
	Silent uint64 // mask of members that take nothing now; see Install
	Hand   Hand   // of the row, as Handover said
}

// DecideInvisible is the verdict of invisible mode. A packet to the virtual
// Ethernet address is seen by every node: each keeps its own and drops the rest
// without a word to the others. So two may never take the same packet, and nobody
// resets a connection while another node may have it.
//
// The only packet that is sent on, to a real Ethernet address, is one that opens a
// connection while its bucket is being handed over; there it has a Peer. (Others
// that come to a real Ethernet address, from clients that know it from another
// time, are for Decide.)
func DecideInvisible(h Here, r Row, p Packet) Verdict {
	own := r.Owner() == h.Self
	switch {
	case !h.Serves:
		return Verdict{}
	case p.Opens && p.Peer != 0:
		return Verdict{Accept: h.Ready && (own || h.Hand == Expects)}
	case p.Opens && h.Hand == Gives:
		return Verdict{To: r.Owner()}
	case p.Opens:
		return Verdict{Accept: h.Ready && own && h.Hand != Takes}
	case h.Agreed && r.Owner() != 0 && r.Settled():
		return Verdict{Accept: own} // without a connection here the kernel answers RST
	}
	return Verdict{Accept: p.Socket && r != 0} // without one here, another node may have it
}

// Handover says what part node self has in the hand-over of a bucket, in invisible
// mode, when its row changes. Without it a planned move would have a moment in
// which both the node that gets the bucket, which uses the new row, and the one that
// had it, which still uses the old one, answer a client; or, were one to wait for the
// other, a moment in which nobody does.
//
//	         prepare  handing                  commit                 agreed
//	had it   owns     Gives: sends on          Gives                  lets go
//	gets it  Expects  Takes: what is sent on   owns: what all see     owns
//
// A view is installed when all nodes have the one before; all agree a few heartbeats
// later. What is sent on meanwhile reaches the node that gets the bucket twice: a
// SYN does no harm there, a datagram may be answered twice.
//
// before is the row that was in force here, was the part it gave this node, after
// the row that is to be. What a node does by itself, because another has failed, is
// no hand-over: nobody is there to let go, so it takes the bucket at once, and who
// gave up sends on nothing, as its view may be old.
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
