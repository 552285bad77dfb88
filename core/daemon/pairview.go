package daemon

import (
	"net/netip"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// pairStatus is what this node knows of the two nodes of a mirror.
func (mod *module) pairStatus(in core.Instance) *control.Pair {
	p := in.Pair
	out := &control.Pair{
		Peer: in.PeerName(), Link: string(p.Link), Lost: p.Lost, PeerState: p.Peer.State, PeerPhase: p.Peer.Phase,
		Generation: p.Self.Data.Generation.String(), Standing: p.Self.Data.Standing, UpToDate: in.UpToDate(),
		Replicated: in.Module.Mirror.Replicated, Degraded: in.Degraded(), Failover: !in.FailoverOff(),
		Serves: mod.gate != nil && mod.gate.serves(),
	}
	if mod.replica != nil {
		out.Replication = mod.replica.Status()
		mod.timetable.tell(out.Replication, in)
	}
	if out.Link == "" {
		out.Link = "unknown"
	}
	return out
}

// pathToPrimary tells who gets what comes to an address of a mirror, from what this
// node knows.
func (mod *module) pathToPrimary(address netip.Addr) control.Path {
	in := mod.runner.Snapshot()
	p := control.Path{Module: mod.conf.Name, Group: gateGroup, Address: address.String(), Rule: "the primary takes everything", Mirror: true, Agreed: true}
	for _, n := range mod.m.pairNodes() {
		s := control.Standing{Node: n.Name, Power: 1}
		switch {
		case n.Number == mod.m.id.Node.Number && mod.gate.serves(), n.Number == mod.pair.peer && mod.peerLeads(in):
			s.Share, p.Owner, p.ARP = 1, n.Name, n.Name
		case n.Number == mod.m.id.Node.Number:
			s.Why = "it is " + in.Status()
			if in.State.Primary() {
				s.Why += ", and its lease ran out"
			}
		case in.Pair.Link != core.LinkHeard:
			s.Why = "it is not heard"
		default:
			s.Why = "it is " + in.Pair.Peer.State.String()
		}
		p.Nodes = append(p.Nodes, s)
	}
	return p
}

// peerLeads says that the other node is the primary.
func (mod *module) peerLeads(in core.Instance) bool {
	return in.Pair.Link == core.LinkHeard && in.Pair.Peer.State.Primary()
}
