package core

import (
	"fmt"
	"strings"
)

// Generation names a stretch of a mirror's history during which one node wrote
// without the other. The idea is DRBD's generation identifiers (Reisner and
// Ellenberg, "DRBD v8: replicated storage with shared disk semantics", 2007):
// which copy is newer is read off their line of descent, never off clocks.
type Generation struct {
	Number uint64 `json:"number"`
	Node   NodeID `json:"node"` // who began it
	Life   uint64 `json:"life"` // in which of its lives: else a node that forgot all could use a name again
}

func (g Generation) String() string {
	if g == (Generation{}) {
		return "none"
	}
	return fmt.Sprintf("%d.%d", g.Number, g.Node)
}

// Standing says what a node knows of the worth of its copy.
type Standing string

const (
	StandingNone     Standing = ""         // no history: never primary, never synchronised
	StandingSole     Standing = "sole"     // the newest there is: the other node went away before this generation began
	StandingShared   Standing = "shared"   // both have the same; whether the other went on alone since is not known here
	StandingOutdated Standing = "outdated" // the other node went on without this one
	StandingPartial  Standing = "partial"  // stopped while it was copied: belongs to no moment at all
)

// remembered is how many ancestors of a generation are kept.
const remembered = 8

// Data is what a node of a mirror remembers of its copy over a restart. It is
// comparable.
type Data struct {
	Generation Generation             `json:"generation"`
	Ancestors  [remembered]Generation `json:"ancestors"` // latest first
	Standing   Standing               `json:"standing"`
	Prim       bool                   `json:"prim"` // was primary or alone when it was last active
	Top        uint64                 `json:"top"`  // the highest number ever heard of, so that none is used twice
}

// descends reports that g came before d's generation in d's own line. A node whose
// generation was forgotten has been copied to in vain since: it knows that it is
// behind by its standing.
func (d Data) descends(g Generation) bool {
	if g == (Generation{}) {
		return d.Generation != (Generation{})
	}
	for _, a := range d.Ancestors {
		if a == g {
			return true
		}
	}
	return false
}

// usable reports that the copy is one of a moment, and not known to be old.
func (d Data) usable() bool { return d.Standing == StandingSole || d.Standing == StandingShared }

// goOn begins a generation of this node.
func (d *Data) goOn(self NodeID, life uint64) {
	if d.Generation != (Generation{}) {
		copy(d.Ancestors[1:], d.Ancestors[:remembered-1])
		d.Ancestors[0] = d.Generation
	}
	d.Top = max(d.Top, d.Generation.Number) + 1
	d.Generation = Generation{d.Top, self, life}
	d.Standing = StandingSole
}

// adopt takes over the primary's generation, whose data this copy now has.
func (d *Data) adopt(prim Data) {
	d.Generation, d.Ancestors, d.Standing = prim.Generation, prim.Ancestors, StandingShared
	d.Top = max(d.Top, prim.Top)
}

// describe tells of a copy in words for an operator who has to choose.
func (d Data) describe() string {
	if d.Standing == StandingNone {
		return "no history"
	}
	role := "secondary"
	if d.Prim {
		role = "primary"
	}
	return strings.Join([]string{"generation " + d.Generation.String(), string(d.Standing), "last " + role}, ", ")
}
