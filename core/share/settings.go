package share

import "time"

// Settings is what the configuration says of sharing. It is the same on all
// nodes, but may change on one a moment before it does on another.
type Settings struct {
	Weights map[string]Weights // powers, by group
	Hash    Function           // of the cluster
	// Keep: a node whose daemon is silent goes on with its last table, and is
	// left its buckets until its host does not answer any more. Without, its
	// lease runs out and the others take over at that moment.
	Keep bool
	// SlowStart is how long a node that comes back takes to its full share: it
	// begins with a quarter of its weight. 0 gives it all at once.
	SlowStart time.Duration
	// Invisible: an address of the module is in vmac_invisible, where all nodes see
	// a packet: a plan has one view more; see Handover.
	Invisible bool
	// Rules tells sets of rules apart: which traffic belongs to which group, and how its
	// bucket is found. Nodes change to another set together, see regroup. Empty where they
	// do not, in vmac_invisible.
	Rules string
}
