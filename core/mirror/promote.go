package mirror

import "fmt"

// Peer is what a node knows of its peer when it asks whether it may be primary.
type Peer int

// What is known of the peer.
const (
	// Silent: not reached since this node started; it may be serving.
	Silent Peer = iota
	// Followed: this copy was connected to the peer, as an equal, until that was lost,
	// and has heard since neither from it nor of it. It may be serving.
	Followed
	// Reachable: connected now.
	Reachable
)

// Situation is what a node knows besides its own generations.
type Situation struct {
	Peer Peer
	// Generations of the peer, if it is reachable.
	Generations Generations
	// Chosen: see the event Chosen.
	Chosen bool
}

// Permission says whether a node may become primary.
type Permission int

// The permissions.
const (
	Forbidden Permission = iota // not even by force
	ByForce                     // if the operator says so, knowing the reason
	Allowed
)

var permissionNames = [...]string{"forbidden", "by force", "allowed"}

func (p Permission) String() string { return permissionNames[p] }

// Promote says whether the node with copy g may become primary, and why. With
// ByForce the reason tells what is lost. The product's primary is chosen by core, from its own
// generations; this is the same choice where there is nothing but copies, as in the simulations.
func (g Generations) Promote(s Situation) (Permission, string) {
	switch {
	case g.Check() != nil:
		return Forbidden, g.Check().Error()
	case g.Inconsistent():
		return Forbidden, "a resynchronisation into this copy is not complete: connect its source, or restore it from a backup"
	case s.Peer == Reachable:
		return g.promoteBeside(s.Generations)
	case g.Current == 0:
		return ByForce, "this copy was never primary: its directories as they are become the data, and the peer's are overwritten"
	case g.Outdated:
		return ByForce, fmt.Sprintf("the peer went on without this copy: all that was written since generation %s is lost", g.Current)
	case !s.Chosen:
		return ByForce, "the peer may be serving: if it is, the two copies split and one side's changes are set aside"
	case s.Peer == Followed:
		return Allowed, "this copy followed the peer until it was lost"
	case !g.Unclean:
		return Allowed, "both copies were closed in order"
	case g.Primary && g.Bitmap != 0:
		return Allowed, "this node was primary without its peer, which is behind"
	case g.Primary:
		return ByForce, "this node was primary when it stopped, and the peer may have gone on: what it wrote since is lost"
	}
	return ByForce, "this node was secondary when it stopped, and the peer may have gone on: what it wrote since is lost"
}

// promoteBeside decides with the peer connected.
func (g Generations) promoteBeside(peer Generations) (Permission, string) {
	d := Compare(g, peer)
	switch {
	case peer.Primary:
		return Forbidden, "the peer is primary: stop it there first"
	case d.Part == Target && d.Relation == Equal && d.Extent == Zones:
		return Forbidden, "the peer's last writes are still to be copied: wait for the resynchronisation"
	case d.Part == Target:
		return Forbidden, fmt.Sprintf("this copy is behind: start the peer, or wait for the resynchronisation (%s)", d.Reason)
	case d.Part == Refuse:
		return ByForce, d.Reason
	}
	return Allowed, "this copy is current (" + d.Reason + ")"
}

// Rule is Compare for a primary that the cluster has chosen: its copy is the source also
// where the generations leave the choice to an operator, who has made it by choosing the
// primary. With save, the peer has, or may have, what this copy never had: it is set aside
// before it is overwritten. A copy that is damaged, or that the peer went on from, is
// still no source.
func Rule(mine, peer Generations) (d Decision, save bool) {
	d = Compare(mine, peer)
	if mine.Check() != nil || d.Part != Refuse {
		return d, peer.Current == 0 // whatever lies in a new copy came from elsewhere
	}
	if d.Relation != Split || !mine.resumes(peer) {
		d.Extent = Everything
	}
	d.Part, d.Reason = Source, d.Reason+"; the primary's is kept"
	return d, true
}

// Forced is g of a copy that an operator makes the primary's although it is a mixture of
// moments: the beginning of a line of its own, related to nothing.
func (g Generations) Forced(fresh Generation) Generations {
	return Generations{Current: fresh, Primary: true, Unclean: true}
}
