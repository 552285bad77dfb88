package share

import (
	"cmp"
	"maps"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Report is what a member tells the coordinator before a plan is made.
type Report struct {
	Node     core.NodeID       `json:"node"`
	MACs     []MAC             `json:"macs"`
	Ready    bool              `json:"ready"`
	Draining bool              `json:"draining"`
	View     View              `json:"view"`           // the view it uses
	Open     map[string]Bitmap `json:"open,omitempty"` // buckets with connections, by group
}

// Plan merges what the members report into the next two views: prepare, which
// must be in force everywhere before anybody uses commit. weights are the
// configured ones by group; they count for members that are ready and not
// draining. kept are silent nodes whose hosts are alive: they stay
// previous owners. moves says that an owner changes for somebody, so that the
// barrier is needed.
func Plan(self core.NodeID, reports []Report, weights map[string]Weights, kept []Member) (prepare, commit View, moves bool) {
	reports = slices.Clone(reports)
	slices.SortStableFunc(reports, func(a, b Report) int {
		return cmp.Or(cmp.Compare(b.View.Epoch, a.View.Epoch),
			cmp.Compare(rankSelf(a.Node, self), rankSelf(b.Node, self)), cmp.Compare(a.Node, b.Node))
	})
	prepare.Moving = true
	prepare.Epoch = reports[0].View.Epoch.next(self)
	commit.Epoch = prepare.Epoch.next(self)

	present := map[core.NodeID]*Report{}
	members := slices.Clone(kept)
	for i := range reports {
		r := &reports[i]
		present[r.Node] = r
		members = append(members, Member{r.Node, r.MACs})
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	prepare.Members, commit.Members = members, members

	isKept := func(n core.NodeID) bool {
		return slices.ContainsFunc(kept, func(m Member) bool { return m.Node == n })
	}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		target := Weights{}
		for n, w := range weights[name] {
			if r := present[n]; r != nil && r.Ready && !r.Draining && w > 0 {
				target[n] = w
			}
		}
		tables := make([]*Table, len(reports))
		for i := range reports {
			tables[i] = reports[i].View.table(name)
		}
		// holds says that n may have connections in bucket b, or nobody can know.
		holds := func(n core.NodeID, b int) bool {
			r := present[n]
			return r != nil && r.Open[name].Has(b) || r == nil && isKept(n)
		}
		before := Table{Name: name, Weights: target, Rows: make(Rows, Buckets)}
		after := Table{Name: name, Weights: target, Rows: make(Rows, Buckets)}
		for b := range Buckets {
			current, others := merge(tables, b, func(n core.NodeID) bool { return present[n] != nil }, holds)
			owner := target.Owner(b)
			if current == 0 || current == owner {
				before.Rows[b] = MakeRow(owner, except(others, owner)...)
				after.Rows[b] = before.Rows[b]
			} else {
				others = except(except(others, owner), current)
				before.Rows[b] = MakeRow(current, slices.Concat([]core.NodeID{owner}, others)...)
				after.Rows[b] = MakeRow(owner, slices.Concat([]core.NodeID{current}, others)...)
			}
			moves = moves || movesFor(tables, b, owner)
		}
		prepare.Tables = append(prepare.Tables, before)
		commit.Tables = append(commit.Tables, after)
	}
	return prepare, commit, moves
}

// merge finds who owns bucket b now, the newest view first, and everybody else
// who may have connections in it: whoever holds some, and whoever is the owner
// for anybody, as new ones may be on their way to it.
func merge(tables []*Table, b int, alive func(core.NodeID) bool, holds func(core.NodeID, int) bool) (current core.NodeID, others []core.NodeID) {
	for _, t := range tables {
		if t == nil {
			continue
		}
		owner := t.Rows[b].Owner()
		if current == 0 && alive(owner) {
			current = owner
		}
		if alive(owner) || holds(owner, b) {
			others = append(others, owner)
		}
		for _, n := range t.Rows[b].Previous() {
			if holds(n, b) {
				others = append(others, n)
			}
		}
	}
	return current, except(others, current)
}

// movesFor says that some member believes in another owner than the next one.
func movesFor(tables []*Table, b int, owner core.NodeID) bool {
	return slices.ContainsFunc(tables, func(t *Table) bool {
		return t != nil && t.Rows[b].Owner() != 0 && t.Rows[b].Owner() != owner
	})
}

func except(list []core.NodeID, n core.NodeID) []core.NodeID {
	return slices.DeleteFunc(slices.Clone(list), func(x core.NodeID) bool { return x == n })
}

// rankSelf puts the planner's own view first among equals.
func rankSelf(n, self core.NodeID) int {
	if n == self {
		return 0
	}
	return 1
}

// table finds a group's table; nil if the view has none.
func (v View) table(name string) *Table {
	for i := range v.Tables {
		if v.Tables[i].Name == name {
			return &v.Tables[i]
		}
	}
	return nil
}

// sameAs says that two views differ in nothing but the epoch.
func (v View) sameAs(w View) bool {
	return slices.EqualFunc(v.Members, w.Members, func(a, b Member) bool {
		return a.Node == b.Node && slices.Equal(a.MACs, b.MACs)
	}) && slices.EqualFunc(v.Tables, w.Tables, func(a, b Table) bool {
		return a.Name == b.Name && maps.Equal(a.Weights, b.Weights) && slices.Equal(a.Rows, b.Rows)
	})
}
