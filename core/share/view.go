package share

import (
	"cmp"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// MAC is an Ethernet address.
type MAC [6]byte

// Member is a node that takes part, and where frames for it are sent.
type Member struct {
	Node core.NodeID `json:"node"`
	MACs []MAC       `json:"macs"`           // one per interface, in the order of the configuration
	Step uint8       `json:"step,omitempty"` // quarters of its weight that count while it starts slowly; 0: all
}

// steps is in how many steps a node that starts slowly comes to its share.
const steps = 4

// scaled is the weight of a member in a view for a configured one: in quarters.
func (m Member) scaled(weight uint32) uint32 {
	if m.Step > 0 && m.Step < steps {
		return weight * uint32(m.Step)
	}
	return weight * steps
}

// Table is the state of one group of rules.
type Table struct {
	Name    string  `json:"name"`
	Weights Weights `json:"weights"` // in quarters of the configured ones; of the nodes that take connections
	Rows    Rows    `json:"rows"`
}

// View is the state that the nodes of a farm agree upon. It is a value:
// methods return changed copies.
type View struct {
	Epoch  Epoch    `json:"epoch"`
	Hash   Function `json:"hash,omitempty"`
	Moving bool     `json:"moving,omitempty"` // a plan is under way: another view follows at once
	// Rules is the set of rules by which packets find their group and bucket; see
	// Settings. Regrouped says that it is new: connections may be where no table says.
	Rules     string   `json:"rules,omitempty"`
	Regrouped bool     `json:"regrouped,omitempty"`
	Members   []Member `json:"members"`
	Tables    []Table  `json:"tables"`
}

// Epoch orders views: a counter, then the number of the node that made the
// view, so that two nodes never make the same.
type Epoch uint64

// next is the first epoch of node n after e.
func (e Epoch) next(n core.NodeID) Epoch { return (e>>8+1)<<8 | Epoch(n) }

// clone copies all that methods change.
func (v View) clone() View {
	v.Tables = slices.Clone(v.Tables)
	for i := range v.Tables {
		t := &v.Tables[i]
		t.Rows = slices.Clone(t.Rows)
		w := Weights{}
		for n, x := range t.Weights {
			w[n] = x
		}
		t.Weights = w
	}
	return v
}

// has says that node n is a member.
func (v View) has(n core.NodeID) bool {
	return slices.ContainsFunc(v.Members, func(m Member) bool { return m.Node == n })
}

// weighs says that n takes new connections in any group.
func (v View) weighs(n core.NodeID) bool {
	return slices.ContainsFunc(v.Tables, func(t Table) bool { return t.Weights[n] > 0 })
}

// takes says that new connections go to n: it is to own buckets, or in a
// prepare view still does.
func (v View) takes(n core.NodeID) bool { return v.weighs(n) || v.Owned(n) > 0 }

// weighsBeside says that somebody besides n takes new connections.
func (v View) weighsBeside(n core.NodeID) bool {
	return slices.ContainsFunc(v.Members, func(m Member) bool { return m.Node != n && v.weighs(m.Node) })
}

// First is the lowest member that takes new connections; 0 if none does. Where one
// is enough to do something for all, it is this one.
func (v View) First() core.NodeID {
	for _, mem := range v.Members {
		if v.weighs(mem.Node) {
			return mem.Node
		}
	}
	return 0
}

// Owned counts the buckets that n owns, over all groups.
func (v View) Owned(n core.NodeID) int {
	count := 0
	for _, t := range v.Tables {
		for _, r := range t.Rows {
			if r.Owner() == n {
				count++
			}
		}
	}
	return count
}

// Held counts the buckets in which n is a previous owner, over all groups.
func (v View) Held(n core.NodeID) int {
	count := 0
	for _, t := range v.Tables {
		for _, r := range t.Rows {
			if r.Owner() != n && r.has(n) {
				count++
			}
		}
	}
	return count
}

// Settled says that no row has previous owners.
func (v View) Settled() bool {
	for _, t := range v.Tables {
		if slices.ContainsFunc(t.Rows, func(r Row) bool { return !r.Settled() }) {
			return false
		}
	}
	return true
}

// Share is the part of the buckets of a group that n owns, 0 to 1.
func (t Table) Share(n core.NodeID) float64 {
	count := 0
	for _, r := range t.Rows {
		if r.Owner() == n {
			count++
		}
	}
	return float64(count) / Buckets
}

// Fail gives what node n owns to the others. With keep, n stays a previous
// owner: its host is alive and its connections may go on. Without, n is
// forgotten. It is a function of the view alone, so that all survivors of a
// failure come to the same owners without a word. If n stays and a row has no room
// for one more, the bucket goes to one of the nodes in it, so that none is
// dropped that may have connections.
func (v View) Fail(n core.NodeID, keep bool) View {
	v = v.clone()
	for i := range v.Tables {
		t := &v.Tables[i]
		delete(t.Weights, n)
		weights := t.Weights.ranking()
		for b, r := range t.Rows {
			if !r.has(n) {
				continue
			}
			previous := r.without(n).Previous()
			if r.Owner() != n {
				if keep {
					previous = r.Previous()
				}
				t.Rows[b] = MakeRow(r.Owner(), previous...)
				continue
			}
			owner := weights.owner(v.Hash.Class(b))
			if keep && len(previous) == MaxPrevious && !slices.Contains(previous, owner) {
				owner = cmp.Or(t.Weights.among(previous).Owner(v.Hash.Class(b)), owner)
			}
			previous = slices.DeleteFunc(previous, func(p core.NodeID) bool { return p == owner })
			if keep {
				previous = slices.Insert(previous, 0, n)
			}
			t.Rows[b] = MakeRow(owner, previous...)
		}
	}
	return v
}

// member finds a member; without one of that number it is the zero Member.
func (v View) member(n core.NodeID) Member {
	for _, m := range v.Members {
		if m.Node == n {
			return m
		}
	}
	return Member{}
}

// Forget removes n from the previous owners.
func (v View) Forget(n core.NodeID) View {
	v = v.clone()
	for i := range v.Tables {
		rows := v.Tables[i].Rows
		for b, r := range rows {
			rows[b] = r.without(n)
		}
	}
	return v
}
