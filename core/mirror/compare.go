package mirror

import (
	"fmt"
	"slices"
)

// Relation is how two copies stand to each other.
type Relation int

// The relations, as seen from the copy that is compared.
const (
	Empty         Relation = iota // neither has data yet
	Equal                         // the same generation
	Behind                        // the peer went on from here
	Ahead                         // this copy went on from the peer's
	Split                         // both went on from a common generation
	Unrelated                     // no common generation is known
	Contradictory                 // states that no order of events explains
)

var relationNames = [...]string{"empty", "equal", "behind", "ahead", "split", "unrelated", "contradictory"}

func (r Relation) String() string { return relationNames[r] }

// Part is what a copy does in a resynchronisation.
type Part int

// The parts.
const (
	Idle   Part = iota // nothing is copied
	Source             // its data goes to the peer
	Target             // the peer's data comes here
	Refuse             // an operator has to choose first
)

var partNames = [...]string{"idle", "source", "target", "refuse"}

func (p Part) String() string { return partNames[p] }

// Extent is how much is compared and, where it differs, copied.
type Extent int

// The extents.
const (
	Nothing Extent = iota
	// Zones: the source's bitmap, the activity logs of both, and after a split the
	// target's bitmap.
	Zones
	// Everything: all files.
	Everything
)

var extentNames = [...]string{"nothing", "zones", "everything"}

func (e Extent) String() string { return extentNames[e] }

// Decision is what two copies do when they meet.
type Decision struct {
	Relation Relation
	Part     Part
	// Extent is what is copied; when Part is Refuse, what would be once an
	// operator has chosen a side.
	Extent Extent
	Reason string
}

func (d Decision) String() string {
	return fmt.Sprintf("%s: %s, %s: %s", d.Relation, d.Part, d.Extent, d.Reason)
}

// Compare decides what a copy does when it meets its peer. Both sides compute it
// from the same two values and come to mirrored decisions.
func Compare(mine, peer Generations) Decision {
	for _, rule := range []func(mine, peer Generations) (Decision, bool){impossible, noData, equal, behind, apart} {
		if d, ok := rule(mine, peer); ok {
			return d
		}
		if d, ok := rule(peer, mine); ok {
			return d.mirrored()
		}
	}
	return Decision{Unrelated, Refuse, Everything, "the two copies have no generation in common: choose the one to keep; the other is overwritten"}
}

// mirrored is the peer's side of d.
func (d Decision) mirrored() Decision {
	switch d.Relation {
	case Behind:
		d.Relation = Ahead
	case Ahead:
		d.Relation = Behind
	}
	switch d.Part {
	case Source:
		d.Part = Target
	case Target:
		d.Part = Source
	}
	return d
}

func impossible(mine, peer Generations) (Decision, bool) {
	d := Decision{Contradictory, Refuse, Everything, ""}
	switch {
	case mine.Check() != nil:
		d.Reason = mine.Check().Error()
	case mine.passed(peer.Current) && peer.passed(mine.Current):
		d.Reason = fmt.Sprintf("generations %s and %s each claim to follow the other: a copy was restored from a backup or cloned", min(mine.Current, peer.Current), max(mine.Current, peer.Current))
	case mine.Current == peer.Current && mine.Primary && peer.Primary:
		d.Reason = fmt.Sprintf("both were primary in generation %s", mine.Current)
	case mine.Inconsistent() && peer.Inconsistent():
		d.Reason = "both copies are inconsistent: restore one from a backup"
	default:
		return d, false
	}
	return d, true
}

func noData(mine, peer Generations) (Decision, bool) {
	switch {
	case mine.Current != 0:
		return Decision{}, false
	case peer.Current == 0:
		return Decision{Empty, Refuse, Everything, "neither copy was ever primary: choose the one that holds the data"}, true
	case peer.Inconsistent():
		return Decision{Empty, Refuse, Everything, "the peer's copy is inconsistent and this one is new: restore one from a backup"}, true
	}
	return Decision{Behind, Target, Everything, "this copy is new"}, true
}

func equal(mine, peer Generations) (Decision, bool) {
	if mine.Current != peer.Current {
		return Decision{}, false
	}
	switch {
	case mine.Inconsistent() && peer.resumes(mine):
		return Decision{Equal, Target, Zones, "the resynchronisation into this copy goes on"}, true
	case mine.Inconsistent():
		return Decision{Equal, Target, Everything, "this copy is inconsistent, and what it was filled from is unknown to the peer"}, true
	case peer.Inconsistent():
		return Decision{}, false // the peer's side of it
	case mine.began() && peer.began():
		return Decision{Contradictory, Refuse, Everything, "both copies began the same generation: a copy was restored from a backup or cloned"}, true
	case peer.began():
		return Decision{}, false
	case mine.Primary:
		return Decision{Equal, Source, Zones, "the last writes of this primary may be on one disk only"}, true
	case mine.began():
		return Decision{Equal, Source, Zones, "the peer was brought up to date and this copy did not hear of it"}, true
	}
	return Decision{Equal, Idle, Nothing, "both copies are the same"}, true
}

// began says that the current generation was made here, and not taken over from
// the peer: only a primary makes one, and records from then on what its peer lacks.
func (g Generations) began() bool { return g.Primary || g.Bitmap != 0 }

func behind(mine, peer Generations) (Decision, bool) {
	if !peer.passed(mine.Current) {
		return Decision{}, false
	}
	switch {
	case peer.Inconsistent():
		return Decision{Behind, Refuse, Everything, fmt.Sprintf("the peer went on from %s, but its copy is inconsistent: restore it from a backup, or keep this older copy", mine.Current)}, true
	case !peer.resumes(mine):
		return Decision{Behind, Target, Everything, "this copy is inconsistent, and what it was filled from is unknown to the peer"}, true
	case peer.reaches(mine.Current):
		return Decision{Behind, Target, Zones, fmt.Sprintf("the peer went on from %s and recorded what it changed", mine.Current)}, true
	}
	return Decision{Behind, Target, Everything, fmt.Sprintf("the peer went on from %s, but its record of changes begins later", mine.Current)}, true
}

// apart finds a split: both went on from a common generation.
func apart(mine, peer Generations) (Decision, bool) {
	theirs := peer.ancestors()
	shared := slices.DeleteFunc(mine.ancestors(), func(g Generation) bool { return !slices.Contains(theirs, g) })
	if len(shared) == 0 {
		return Decision{}, false
	}
	d := Decision{Split, Refuse, Everything, fmt.Sprintf("both copies went on from %s: choose the one to keep; what only the other has is set aside", shared[0])}
	if slices.ContainsFunc(shared, func(g Generation) bool { return mine.reaches(g) && peer.reaches(g) }) {
		d.Extent = Zones
	}
	return d, true
}
