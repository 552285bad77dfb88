package share

import (
	"maps"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// regroup takes the farm from one set of rules to another. By the new ones a packet of
// a connection may belong to another group or bucket, whose rows know nothing of the
// node that has it. So long as the nodes do not agree, nobody resets what it does not
// find; so:
//
//	prepare  the tables as they are, but Moving: when all have it, no node resets
//	commit   the new rules, Moving still, Regrouped: the owners of groups that stay are
//	         the same, and previous owners are all that any row of that bucket names
//
// The plan that follows a view that is Moving counts the connections by the new rules
// and puts whoever has some into the rows; with it the nodes agree again. Until then a
// packet of a connection that the row does not name is dropped, and sent again by its
// sender.
func regroup(self core.NodeID, p planner, newest View) proposal {
	p.commit.Members = p.members(newest, nil)
	p.prepare = newest.clone()
	p.prepare.Epoch, p.prepare.Moving, p.prepare.Members = newest.Epoch.next(self), true, p.commit.Members
	p.commit.Epoch = p.prepare.Epoch.next(self)
	p.commit.Hash, p.commit.Rules, p.commit.Moving, p.commit.Regrouped = p.set.Hash, p.set.Rules, true, true
	for _, name := range slices.Sorted(maps.Keys(p.set.Weights)) {
		target := p.target(name)
		t := Table{Name: name, Weights: target, Rows: make(Rows, Buckets)}
		ranking, stays := target.ranking(), newest.table(name)
		for b := range Buckets {
			t.Rows[b] = regrouped(newest, stays, b, target, ranking.owner(p.set.Hash.Class(b)))
		}
		p.commit.Tables = append(p.commit.Tables, t)
	}
	p.regroups = true
	return p.proposal
}

// regrouped is a row after the change of the rules. heir is who owns the bucket of a
// group that is new, or whose owner takes no connections.
func regrouped(newest View, stays *Table, b int, weights Weights, heir core.NodeID) Row {
	owner := heir
	if stays != nil && weights[stays.Rows[b].Owner()] > 0 {
		owner = stays.Rows[b].Owner()
	}
	var previous []core.NodeID
	for _, t := range newest.Tables {
		previous = append(previous, t.Rows[b].Owner())
	}
	for _, t := range newest.Tables {
		previous = append(previous, t.Rows[b].Previous()...)
	}
	return MakeRow(owner, except(previous, owner)...)
}

// rulesInUse are the settings to plan by: those of the configuration, but the rules
// that are in use as long as some node does not know the new ones.
func (m *Machine) rulesInUse(reports []Report) Settings {
	newest := reports[0].View
	for _, r := range reports {
		if r.View.Epoch > newest.Epoch {
			newest = r.View
		}
	}
	if !slices.ContainsFunc(reports, func(r Report) bool { return r.Rules != m.set.Rules }) {
		return m.set
	}
	m.rulesAt = m.now.Add(m.timing.Hold)
	return m.set.by(newest)
}

// by are the settings with the rules and groups of a view, if it has some.
func (s Settings) by(v View) Settings {
	if len(v.Tables) == 0 || v.Rules == s.Rules {
		return s
	}
	known := s.Weights
	s.Rules, s.Weights = v.Rules, map[string]Weights{}
	for _, t := range v.Tables {
		if s.Weights[t.Name] = known[t.Name]; known[t.Name] == nil {
			s.Weights[t.Name] = v.configured(t)
		}
	}
	return s
}

// configured are the weights of a table as the configuration has them, of the nodes
// that take connections.
func (v View) configured(t Table) Weights {
	w := Weights{}
	for n, x := range t.Weights {
		w[n] = x / v.member(n).scaled(1)
	}
	return w
}

// astray are the nodes that silent ones may still send new connections to, by rules
// that are not in use any more: in whatever bucket.
func (p *planner) astray() []core.NodeID {
	var list []core.NodeID
	for _, v := range p.stale {
		if v.Rules == p.set.Rules {
			continue
		}
		for _, m := range v.Members {
			if v.Owned(m.Node) > 0 && (p.present[m.Node] != nil || slices.ContainsFunc(p.kept, func(k Member) bool { return k.Node == m.Node })) {
				list = append(list, m.Node)
			}
		}
	}
	return distinct(list)
}
