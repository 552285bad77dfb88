package share

import (
	"cmp"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Packet is what a verdict depends on, besides the row and the node.
type Packet struct {
	Opens    bool        // begins a connection, or needs none: SYN without ACK, echo
	Echo     bool        // of what opens: answered each time that it comes
	Datagram bool        // UDP: may begin something, or be a part of it
	Peer     core.NodeID // the node that forwarded it; 0 if it came from outside
	Round    bool        // the peer sent it on the round of all nodes of the row, or handed it over (DecideInvisible)
	Socket   bool        // this node has a connection for it (looked up only where needed)
	Bound    bool        // this node has a socket that takes it, though of no connection
}

// Verdict is what a node does with a packet.
type Verdict struct {
	Accept bool
	To     core.NodeID // forward there; 0 with Accept false is drop
	Round  bool        // and mark it as on the round, or as handed over
}

// Reason says why a verdict is as it is; the filter's counters bear the same
// names.
type Reason string

// The reasons of verdicts about packets to a virtual address.
const (
	AcceptNew       Reason = "accept-new"
	AcceptEcho      Reason = "accept-echo"
	AcceptOwner     Reason = "accept-owner"
	AcceptSocket    Reason = "accept-socket"
	AcceptCookie    Reason = "accept-cookie"
	AcceptReset     Reason = "accept-reset"
	AcceptFragment  Reason = "accept-fragment"
	ForwardNew      Reason = "forward-new"
	ForwardEcho     Reason = "forward-echo"
	ForwardOwner    Reason = "forward-owner"
	ForwardPrevious Reason = "forward-previous"
	ForwardFragment Reason = "forward-fragment"
	DropLease       Reason = "drop-lease"
	DropNotReady    Reason = "drop-not-ready"
	DropNobody      Reason = "drop-nobody"
	DropDisagreed   Reason = "drop-disagreed"
	DropNoRule      Reason = "drop-no-rule"
	DropNoMAC       Reason = "drop-no-mac"
	DropTTL         Reason = "drop-ttl"
	DropMalformed   Reason = "drop-malformed"
	DropBroadcast   Reason = "drop-broadcast"
)

// Decide is the verdict of directed mode, rules 1 to 4 and 7 of
// docs/architecture.md, as the kernel program computes it. takes says that the
// lease holds and, for a packet that opens a connection, that the application
// here is ready; agreed that all nodes are known to use the same view. While
// they may not, every packet is looked up and none is answered with RST.
func Decide(self core.NodeID, r Row, takes, agreed bool, p Packet) Verdict {
	v, _ := Here{Self: self, Serves: takes, Ready: takes, Agreed: agreed}.Decide(r, p)
	return v
}

// Decide is the verdict of directed mode, rules 1 to 4, 7 and 8 of
// docs/architecture.md, as the kernel program computes it, and why.
func (h Here) Decide(r Row, p Packet) (Verdict, Reason) {
	if p.Opens || h.Invisible && p.Datagram { // there the mark of the round tells what was handed over
		return h.decideNew(r.Owner(), p.Peer)
	}
	decide := h.decideOpen
	if p.Datagram {
		decide = h.decideDatagram
	}
	v, why := decide(r, p)
	if (v.Accept || v.Round) && !h.Serves {
		return Verdict{}, DropLease // the own view may be old, and a round by it miss a node
	}
	return v, why
}

func (h Here) decideNew(owner, peer core.NodeID) (Verdict, Reason) {
	switch {
	case owner == 0:
		return Verdict{}, DropNobody
	case h.Serves && h.Ready && (owner == h.Self || peer != 0):
		return Verdict{Accept: true}, AcceptNew
	case owner != h.Self && owner != peer:
		return Verdict{To: owner}, ForwardNew
	case h.Serves:
		return Verdict{}, DropNotReady
	}
	return Verdict{}, DropLease
}

// decideOpen finds the node that has the connection. The round visits the nodes
// of a row by rising number, and a packet says that it is on it: so no two tables
// that both name a node can make a packet miss that node, and no tables whatever
// can make it run in a circle.
//
// While all nodes are known to use the same view, a silent node (which would drop the
// packet if its lease has run out) is only asked when no other is left; and then nothing is
// reset, as it may have been passed by.
func (h Here) decideOpen(r Row, p Packet) (Verdict, Reason) {
	if r.Owner() == 0 {
		r >>= 8 // nobody takes new connections: the latest previous owner stands in
	}
	owner := r.Owner()
	switch {
	case owner == 0:
		return Verdict{}, DropNobody
	case h.Agreed && r.Settled() && owner == h.Self:
		return Verdict{Accept: true}, AcceptOwner
	case h.Agreed && r.Settled() && p.Peer == 0:
		return Verdict{To: owner}, ForwardOwner
	case p.Socket:
		return Verdict{Accept: true}, AcceptSocket
	case p.Peer == 0 && owner != h.Self:
		return Verdict{To: owner}, ForwardOwner
	}
	heard := r
	if h.Agreed {
		heard = h.heard(r)
	}
	if n := cmp.Or(h.nextOnRound(heard, p), h.nextOnRound(r, p)); n != 0 {
		return Verdict{To: n, Round: true}, ForwardPrevious
	}
	if !h.Agreed || heard != r {
		return Verdict{}, DropDisagreed
	}
	return Verdict{Accept: true}, AcceptReset // nobody has it: the kernel answers RST
}

// decideDatagram finds the node that has connected a socket to the client, if
// any has, else the owner. Unlike decideOpen the node that gets the packet from
// outside begins the round, and what comes from a peer without being on the round has
// been on it, or needs none: it is taken. So every packet ends, whatever the tables are.
//
// A silent node is not asked: without its lease it would drop the packet, and with it
// all that have no connection anywhere.
func (h Here) decideDatagram(r Row, p Packet) (Verdict, Reason) {
	r = h.heard(r)
	owner := r.Owner()
	taken := p.Bound
	switch {
	case r == 0:
		return Verdict{}, DropNobody
	case h.Agreed && r.Settled() && (owner == h.Self || p.Peer == 0 || !p.Round):
		if owner != h.Self && p.Peer == 0 {
			return Verdict{To: owner}, ForwardOwner
		}
		if !h.Ready && p.Socket {
			return Verdict{Accept: true}, AcceptSocket
		}
	case p.Socket:
		return Verdict{Accept: true}, AcceptSocket
	case p.Peer == 0 || p.Round:
		if n := h.nextOnRound(r, p); n != 0 {
			return Verdict{To: n, Round: true}, ForwardPrevious
		}
		if owner == 0 {
			return Verdict{}, DropNobody
		}
		if owner != h.Self {
			return Verdict{To: owner}, ForwardOwner
		}
	}
	if !h.Ready {
		return Verdict{}, DropNotReady
	}
	if !h.Agreed && !taken {
		return Verdict{}, DropDisagreed // the kernel would answer "port unreachable"
	}
	return Verdict{Accept: true}, AcceptOwner
}

// heard is a row without those of its previous owners that are silent.
func (h Here) heard(r Row) Row {
	for _, n := range r.Previous() {
		if h.Silent&bit(n) != 0 {
			r = r.without(n)
		}
	}
	return r
}

// nextOnRound is the next node to be asked; 0: all have been.
func (h Here) nextOnRound(r Row, p Packet) core.NodeID {
	var floor core.NodeID
	if p.Peer != 0 && p.Round {
		floor = h.Self
	}
	ask := append(r.Previous(), r.Owner())
	slices.Sort(ask)
	for _, n := range ask {
		if n > floor && n != h.Self {
			return n
		}
	}
	return 0
}
