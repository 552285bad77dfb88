package share

import "github.com/orchestrator-ha/orchestrator/core"

// Holding is who has a bucket.
type Holding struct {
	Owner    core.NodeID
	Previous []core.NodeID // may have connections in it, the latest first
	Next     core.NodeID   // whom the weights want as the owner; it moves there by a later plan
}

// Holding tells who has a bucket of a group; false if the view has no such group.
func (v View) Holding(group string, bucket int) (Holding, bool) {
	t := v.table(group)
	if t == nil || bucket < 0 || bucket >= len(t.Rows) {
		return Holding{}, false
	}
	r := t.Rows[bucket]
	return Holding{r.Owner(), r.Previous(), t.Weights.Owner(v.Hash.Class(bucket))}, true
}

// Standing is how a member stands in a group.
type Standing struct {
	Share  float64 // of the buckets, 0 to 1
	Takes  bool    // it takes connections, by the view
	Counts bool    // its weight counts beside the largest one
	Step   int     // quarters of its weight that count while it starts slowly; 0: all
}

// Standing tells how a node stands in a group.
func (v View) Standing(group string, n core.NodeID) Standing {
	t := v.table(group)
	if t == nil {
		return Standing{}
	}
	s := Standing{Share: t.Share(n), Takes: t.Weights[n] > 0, Step: int(v.member(n).Step)}
	for _, x := range t.Weights.ranking() {
		s.Counts = s.Counts || x.node == n
	}
	return s
}
