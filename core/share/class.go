package share

import "github.com/orchestrator-ha/orchestrator/core"

// Class says what a bucket is to a node while a packet falls into it: which of the
// ways through the verdict the packet takes. The filter counts packets by it.
type Class string

// The classes.
const (
	ClassOwn         Class = "own"          // settled, and the node's own: nobody else can have connections in it
	ClassOther       Class = "other"        // settled, and another node's, or nobody's
	ClassOwnMoving   Class = "own-moving"   // the node's own, with previous owners: connections are looked for
	ClassOtherMoving Class = "other-moving" // another node's, with previous owners, of which this one may be one
)

// Classes are all classes, in the order of the kernel program's.
func Classes() []Class { return []Class{ClassOwn, ClassOther, ClassOwnMoving, ClassOtherMoving} }

// Class is what the bucket of the row is to node self.
func (r Row) Class(self core.NodeID) Class {
	switch own := r.Owner() == self; {
	case own && r.Settled():
		return ClassOwn
	case own:
		return ClassOwnMoving
	case r.Settled():
		return ClassOther
	}
	return ClassOtherMoving
}
