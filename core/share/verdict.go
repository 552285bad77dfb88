package share

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Packet is what a verdict depends on, besides the row.
type Packet struct {
	Opens  bool        // begins a connection: SYN without ACK
	Peer   core.NodeID // the node that forwarded it; 0 if it came from outside
	Round  bool        // the peer sent it on the round of all nodes of the row
	Socket bool        // this node has a connection for it (looked up only where needed)
}

// Verdict is what a node does with a packet.
type Verdict struct {
	Accept bool
	To     core.NodeID // forward there; 0 with Accept false is drop
	Round  bool        // and mark it as on the round
}

// Decide is the verdict of directed mode, rules 1 to 4 of
// docs/architecture.md, as the kernel program computes it. takes says that the
// lease holds and, for a packet that opens a connection, that the application
// here is ready; agreed that all nodes are known to use the same view. While
// they may not, every packet is looked up and none is answered with RST.
func Decide(self core.NodeID, r Row, takes, agreed bool, p Packet) Verdict {
	if p.Opens {
		return decideNew(self, r.Owner(), takes, p.Peer)
	}
	v := decideOpen(self, r, agreed, p)
	if (v.Accept || v.Round) && !takes {
		return Verdict{} // without a lease the own view may be old, and a round by it miss a node
	}
	return v
}

func decideNew(self, owner core.NodeID, takes bool, peer core.NodeID) Verdict {
	switch {
	case owner == 0:
		return Verdict{}
	case takes && (owner == self || peer != 0):
		return Verdict{Accept: true}
	case owner != self && owner != peer:
		return Verdict{To: owner}
	}
	return Verdict{}
}

// decideOpen finds the node that has the connection. The round visits the nodes
// of a row by rising number, and a packet says that it is on it: so no two tables
// that both name a node can make a packet miss that node, and no tables whatever
// can make it run in a circle.
func decideOpen(self core.NodeID, r Row, agreed bool, p Packet) Verdict {
	if r.Owner() == 0 {
		r >>= 8 // nobody takes new connections: the latest previous owner stands in
	}
	owner := r.Owner()
	switch {
	case owner == 0:
		return Verdict{}
	case agreed && r.Settled() && owner == self:
		return Verdict{Accept: true}
	case agreed && r.Settled() && p.Peer == 0:
		return Verdict{To: owner}
	case p.Socket:
		return Verdict{Accept: true}
	case p.Peer == 0 && owner != self:
		return Verdict{To: owner}
	}
	var floor core.NodeID
	if p.Peer != 0 && p.Round {
		floor = self
	}
	ask := append(r.Previous(), owner)
	slices.Sort(ask)
	for _, n := range ask {
		if n > floor && n != self {
			return Verdict{To: n, Round: true}
		}
	}
	return Verdict{Accept: agreed} // nobody has it: the kernel answers RST
}
