package share

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// planNeeded says why the view is not what it should be, "" if it is. urgent
// plans need not wait for more news.
func (m *Machine) planNeeded(all []core.NodeID) (why string, urgent bool) {
	for _, p := range m.peers {
		if p.serves {
			return "", false // it would go on with a table that is not that of the plan
		}
	}
	if len(m.view.Tables) == 0 {
		return "there is no view yet", len(all) == 1
	}
	set := m.set.by(m.view)
	for _, n := range all {
		d := m.sent
		if n != m.self {
			d = m.peers[n].digest
			if hold := m.peers[n].lostAt.Add(m.timing.Hold); !m.peers[n].lostAt.IsZero() && m.now.Before(hold) {
				continue
			}
		} else {
			d = Digest{Present: true, Ready: m.ready, Draining: m.draining, Epoch: m.view.Epoch, Failed: m.failed}
		}
		takes := d.Ready && !d.Draining && set.weighted(n)
		switch {
		case !m.view.has(n):
			return m.name(n) + " joined", false
		case takes && !m.view.weighs(n):
			return m.name(n) + " is ready", false
		case !takes && m.view.weighs(n):
			return m.name(n) + " drains", true
		case takes && !m.weightsApplied(set, n):
			return "the weights changed", false
		case d.Epoch != m.view.Epoch || d.Failed != m.failed:
			return m.name(n) + " uses another view", false
		}
	}
	for _, mem := range m.view.Members {
		if !slices.Contains(all, mem.Node) && !m.peer(mem.Node).stays() {
			return m.name(mem.Node) + " is gone", false
		}
	}
	if !m.groupsApplied(set) {
		return "the groups changed", false
	}
	if m.view.Rules != m.set.Rules && !m.now.Before(m.rulesAt) {
		return "the rules changed", false
	}
	if rising := m.risen(); len(rising) > 0 {
		return m.name(rising[0]) + " takes more of its share", true
	}
	if m.view.Moving {
		return "a plan was broken off half way", false
	}
	if !m.view.Settled() && !m.settleAt.IsZero() && !m.now.Before(m.settleAt) {
		return "previous owners may have no connection left", true
	}
	if len(m.out) == 0 && !m.balanced() { // not while something urgent waits to be carried out
		return "the shares are not as the weights say", false
	}
	return "", false
}

// weighted says that the configuration gives n a weight in any group.
func (s Settings) weighted(n core.NodeID) bool {
	for _, w := range s.Weights {
		if w[n] > 0 {
			return true
		}
	}
	return false
}

// weightsApplied says that n has the configured weight in every group.
func (m *Machine) weightsApplied(set Settings, n core.NodeID) bool {
	mem := m.view.member(n)
	for _, t := range m.view.Tables {
		if t.Weights[n] != mem.scaled(set.Weights[t.Name][n]) {
			return false
		}
	}
	return mem.Step == 0 || set.SlowStart > 0
}

// groupsApplied says that the view has the configured groups, and their way to
// find owners.
func (m *Machine) groupsApplied(set Settings) bool {
	for _, t := range m.view.Tables {
		if set.Weights[t.Name] == nil {
			return false
		}
	}
	return len(m.view.Tables) == len(set.Weights) && m.view.Hash == set.Hash
}

// risen lists the members that start slowly and have waited for their next step.
func (m *Machine) risen() []core.NodeID {
	var list []core.NodeID
	for _, mem := range m.view.Members {
		if at := m.rises[mem.Node]; mem.Step > 0 && !at.IsZero() && !m.now.Before(at) && m.view.weighs(mem.Node) {
			list = append(list, mem.Node)
		}
	}
	return list
}

// balanced says that every settled bucket is where the weights want it; the
// others are looked after with the previous owners. It is found out once a view.
func (m *Machine) balanced() bool {
	if m.checked.Epoch == m.view.Epoch && len(m.checked.Tables) > 0 && &m.checked.Tables[0] == &m.view.Tables[0] {
		return true
	}
	for _, t := range m.view.Tables {
		weights := t.Weights.ranking()
		for b, r := range t.Rows {
			if owner := weights.owner(m.view.Hash.Class(b)); r.Settled() && r.Owner() != owner {
				return false
			}
		}
	}
	m.checked = m.view
	return true
}
