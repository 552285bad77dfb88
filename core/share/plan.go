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
	View     View              `json:"view"`            // the view it uses
	Rules    string            `json:"rules,omitempty"` // the newest it knows; see Settings
	Open     map[string]Bitmap `json:"open,omitempty"`  // buckets with connections, by group
}

// proposal is what a coordinator makes of the reports: the next two views,
// prepare, which must be in force everywhere before anybody uses commit.
type proposal struct {
	prepare, commit View
	moves           bool                // an owner changes for somebody: the barrier is needed
	regroups        bool                // the commit view is by other rules, and a plan by those must follow
	postponed       int                 // buckets that cannot move yet: four nodes have connections in them
	dropped         map[core.NodeID]int // buckets in which a node may have connections, but found no place in the row
}

// planner makes a proposal.
type planner struct {
	set     Settings
	reports []Report      // the newest view first
	kept    []Member      // silent, but their hosts are alive: they stay previous owners
	stale   []View        // by which silent nodes still forward
	unknown []core.NodeID // of kept: no report's view has it, so it may have connections anywhere
	present [core.MaxNodes + 1]*Report
	proposal
}

// propose merges what the members report. kept are silent nodes that stay previous
// owners, stale the views by which silent nodes may still forward: whoever owns a
// bucket there may get new connections. rise are the members that start slowly
// and come to their next step.
func propose(self core.NodeID, reports []Report, set Settings, kept []Member, stale []View, rise []core.NodeID) proposal {
	p := planner{set: set, reports: slices.Clone(reports), kept: kept, stale: stale}
	slices.SortStableFunc(p.reports, func(a, b Report) int {
		return cmp.Or(cmp.Compare(b.View.Epoch, a.View.Epoch),
			cmp.Compare(rankSelf(a.Node, self), rankSelf(b.Node, self)), cmp.Compare(a.Node, b.Node))
	})
	for i := range p.reports {
		p.present[p.reports[i].Node] = &p.reports[i]
	}
	for _, m := range kept {
		if !slices.ContainsFunc(p.reports, func(r Report) bool { return r.View.has(m.Node) }) {
			p.unknown = append(p.unknown, m.Node)
		}
	}
	newest := p.reports[0].View
	if slices.ContainsFunc(p.reports, func(r Report) bool { return len(r.View.Tables) > 0 && r.View.Rules != set.Rules }) {
		return regroup(self, p, newest)
	}
	p.unknown = append(p.unknown, p.astray()...)
	p.dropped = map[core.NodeID]int{}
	p.prepare.Epoch = newest.Epoch.next(self)
	p.commit.Epoch = p.prepare.Epoch.next(self)
	p.prepare.Moving = true
	p.commit.Members = p.members(newest, rise)
	p.commit.Hash, p.commit.Rules = set.Hash, set.Rules
	p.prepare.Members, p.prepare.Hash, p.prepare.Rules = p.commit.Members, set.Hash, set.Rules
	p.prepare.Regrouped = newest.Regrouped
	for _, name := range slices.Sorted(maps.Keys(set.Weights)) {
		p.group(name)
	}
	return p.proposal
}

// members are the nodes of the next view, with the steps of those that start slowly.
func (p *planner) members(newest View, rise []core.NodeID) []Member {
	list := slices.Clone(p.kept)
	for _, r := range p.reports {
		m := Member{Node: r.Node, MACs: r.MACs, Step: newest.member(r.Node).Step}
		switch {
		case p.set.SlowStart == 0:
			m.Step = 0
		case !newest.weighs(r.Node):
			m.Step = 0
			if newest.weighsBeside(r.Node) {
				m.Step = 1
			}
		case slices.Contains(rise, r.Node) && m.Step > 0:
			m.Step = (m.Step + 1) % steps
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	return list
}

// target are the weights of a group that count now: of members that are ready
// and do not drain.
func (p *planner) target(name string) Weights {
	target := Weights{}
	for _, m := range p.commit.Members {
		if r := p.present[m.Node]; r != nil && r.Ready && !r.Draining && p.set.Weights[name][m.Node] > 0 {
			target[m.Node] = m.scaled(p.set.Weights[name][m.Node])
		}
	}
	return target
}

// group adds a group's tables to both views.
func (p *planner) group(name string) {
	target := p.target(name)
	g := grouped{planner: p, name: name, weights: target, ranking: target.ranking()}
	for i := range p.reports {
		g.tables = append(g.tables, p.reports[i].View.table(name))
		g.open[p.reports[i].Node] = p.reports[i].Open[name]
	}
	g.asked, g.anywhere = len(g.tables), p.reports[0].View.Regrouped
	for _, v := range p.stale {
		if v.Rules == p.set.Rules {
			g.tables = append(g.tables, v.table(name))
		}
	}
	before := Table{Name: name, Weights: target, Rows: make(Rows, Buckets)}
	after := Table{Name: name, Weights: target, Rows: make(Rows, Buckets)}
	for b := range Buckets {
		before.Rows[b], after.Rows[b] = g.rows(b)
		p.moves = p.moves || movesFor(g.tables[:g.asked], b, after.Rows[b].Owner())
	}
	p.prepare.Tables = append(p.prepare.Tables, before)
	p.commit.Tables = append(p.commit.Tables, after)
}

// grouped is one group in the making.
type grouped struct {
	*planner
	name    string
	weights Weights
	ranking ranking
	tables  []*Table // in the order of the reports, then of silent nodes; nil where it has none
	asked   int      // how many are of reports
	// anywhere: the rules are new, so whoever has connections may be in no row.
	anywhere bool
	open     [core.MaxNodes + 1]Bitmap
}

// rows are a bucket's in both views.
func (g *grouped) rows(b int) (before, after Row) {
	current, others := merge(g.tables, b, g.alive, g.holds)
	others = append(others, g.unknown...)
	if g.anywhere {
		others = append(others, g.holders(b)...)
		others = except(others, current)
	}
	owner := g.owner(b, current, others)
	others = except(others, owner)
	if current == 0 || current == owner {
		after = g.row(owner, others)
		return after, after
	}
	return MakeRow(current, slices.Concat([]core.NodeID{owner}, others)...),
		g.row(owner, slices.Concat([]core.NodeID{current}, others))
}

// row makes a row and notes who finds no place in it.
func (g *grouped) row(owner core.NodeID, previous []core.NodeID) Row {
	r := MakeRow(owner, previous...)
	for _, n := range previous {
		if !r.has(n) {
			g.dropped[n]++
		}
	}
	return r
}

// owner is who a bucket goes to: by the weights; but one in which four nodes may
// have connections moves between those only. The rest of its way waits until one
// of them has none left.
func (g *grouped) owner(b int, current core.NodeID, others []core.NodeID) core.NodeID {
	class := g.set.Hash.Class(b)
	owner := g.ranking.owner(class)
	in := others
	if current != 0 {
		in = append(slices.Clone(others), current)
	}
	if len(distinct(in)) <= MaxPrevious || slices.Contains(in, owner) {
		return owner
	}
	heir := g.weights.among(in).Owner(class)
	switch {
	case g.weights[current] > 0:
		heir = current
	case heir == 0 && current != 0:
		heir = current // it drains, and goes on with this one until there is room
	case heir == 0:
		return owner
	}
	g.postponed++
	return heir
}

// alive says that a node acts by its table.
func (g *grouped) alive(n core.NodeID) bool { return g.present[n] != nil }

// holds says that n may have connections in a bucket, or nobody can know.
func (g *grouped) holds(n core.NodeID, b int) bool {
	if g.present[n] != nil {
		return g.open[n].hasClass(g.set.Hash, b)
	}
	return slices.ContainsFunc(g.kept, func(m Member) bool { return m.Node == n })
}

// holders are all nodes that may have connections in a bucket.
func (g *grouped) holders(b int) []core.NodeID {
	var list []core.NodeID
	for _, m := range g.commit.Members {
		if g.holds(m.Node, b) {
			list = append(list, m.Node)
		}
	}
	return list
}

func distinct(list []core.NodeID) []core.NodeID {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
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
	return v.Hash == w.Hash && v.Rules == w.Rules && v.Moving == w.Moving && v.Regrouped == w.Regrouped && slices.EqualFunc(v.Members, w.Members, func(a, b Member) bool {
		return a.Node == b.Node && a.Step == b.Step && slices.Equal(a.MACs, b.MACs)
	}) && slices.EqualFunc(v.Tables, w.Tables, func(a, b Table) bool {
		return a.Name == b.Name && maps.Equal(a.Weights, b.Weights) && slices.Equal(a.Rows, b.Rows)
	})
}
