package share

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Packet is what a verdict depends on, besides the row.
type Packet struct {
	Opens  bool        // begins a connection: SYN without ACK
	Peer   core.NodeID // the node that forwarded it; 0 if it came from outside
	Socket bool        // this node has a connection for it (looked up only where needed)
}

// Verdict is what a node does with a packet.
type Verdict struct {
	Accept bool
	To     core.NodeID // forward there; 0 with Accept false is drop
}

var accept = Verdict{Accept: true}

// Decide is the verdict of directed mode, rules 1 to 4 of
// docs/architecture.md, as the kernel program computes it. takes says that the
// lease holds and, for a packet that opens a connection, that the application
// here is ready; agreed that all nodes are
// known to use the same view. While they may not, every packet is looked up
// and none is answered with RST.
func Decide(self core.NodeID, r Row, takes, agreed bool, p Packet) Verdict {
	owner := r.Owner()
	switch {
	case p.Opens && takes && (owner == self || p.Peer != 0):
		return accept
	case p.Opens:
		return elsewhere(self, owner, p)
	case agreed && r.Settled() && owner == self:
		return acceptIf(takes)
	case agreed && r.Settled() && p.Peer == 0:
		return Verdict{To: owner}
	case p.Socket:
		return acceptIf(takes)
	}
	return next(self, r, takes && agreed, p)
}

// next is where a packet goes for which this node has no connection: from the
// owner to the previous owners, one after the other, then to the kernel here,
// which answers RST if reset allows it. Where nodes use different views for a
// moment a packet may come from an unexpected side; then it is dropped,
// and the client's repetition finds the views agreed.
func next(self core.NodeID, r Row, reset bool, p Packet) Verdict {
	owner, previous := r.Owner(), r.Previous()
	if owner == self {
		for _, n := range previous {
			if n != p.Peer {
				return Verdict{To: n}
			}
		}
		return acceptIf(reset)
	}
	at := slices.Index(previous, self)
	if at < 0 && p.Peer != 0 {
		at = slices.Index(previous, p.Peer)
		reset = false
	}
	switch {
	case p.Peer == 0 || at < 0:
		return elsewhere(self, owner, p)
	case at+1 < len(previous):
		return Verdict{To: previous[at+1]}
	case p.Peer == owner || owner == 0:
		return acceptIf(reset)
	case slices.Contains(previous, p.Peer):
		return Verdict{}
	}
	return Verdict{To: owner}
}

func acceptIf(ok bool) Verdict { return Verdict{Accept: ok} }

// elsewhere forwards to the owner, but never straight back.
func elsewhere(self, owner core.NodeID, p Packet) Verdict {
	if owner == self || owner == p.Peer {
		return Verdict{}
	}
	return Verdict{To: owner}
}
