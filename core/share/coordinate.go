package share

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// round is one plan in the making, at its coordinator.
type round struct {
	id      uint64
	why     string
	stage   MessageKind // what is waited for: MsgReport or MsgInstalled
	waiting map[core.NodeID]bool
	reports []Report
	view    View  // being installed
	then    *View // to be installed after it
	giveUp  time.Time
	resend  time.Time
}

// participants are the nodes that have the module started, in order.
func (m *Machine) participants() []core.NodeID {
	var list []core.NodeID
	if m.present {
		list = append(list, m.self)
	}
	for n, p := range m.peers {
		if p.alive && p.digest.Present {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// coordinate begins and drives plans if this node is the one to do so.
func (m *Machine) coordinate() {
	all := m.participants()
	if !m.present || all[0] != m.self {
		m.round, m.dirty = nil, time.Time{}
		return
	}
	if m.round != nil {
		m.drive()
		return
	}
	why, urgent := m.planNeeded(all)
	switch {
	case why == "":
		m.dirty = time.Time{}
	case m.dirty.IsZero():
		m.dirty = m.now
		if urgent {
			m.begin(all, why)
		}
	case m.now.Sub(m.dirty) >= m.timing.Debounce:
		m.begin(all, why)
	}
}

// planNeeded says why the view is not what it should be, "" if it is. urgent
// plans need not wait for more news.
func (m *Machine) planNeeded(all []core.NodeID) (why string, urgent bool) {
	if len(m.view.Tables) == 0 {
		return "there is no view yet", len(all) == 1
	}
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
		takes := d.Ready && !d.Draining && m.weighted(n)
		switch {
		case !m.view.has(n):
			return m.name(n) + " joined", false
		case takes && !m.view.weighs(n):
			return m.name(n) + " is ready", false
		case !takes && m.view.weighs(n):
			return m.name(n) + " drains", true
		case d.Epoch != m.view.Epoch || d.Failed != m.failed:
			return m.name(n) + " uses another view", false
		}
	}
	for _, mem := range m.view.Members {
		if !slices.Contains(all, mem.Node) && m.peer(mem.Node).keepTill.IsZero() {
			return m.name(mem.Node) + " is gone", false
		}
	}
	if !m.weightsApplied() {
		return "the weights changed", false
	}
	if m.view.Moving {
		return "a plan was broken off half way", false
	}
	if !m.view.Settled() && !m.settleAt.IsZero() && !m.now.Before(m.settleAt) {
		return "previous owners may have no connection left", true
	}
	return "", false
}

// weighted says that the configuration gives n a weight in any group.
func (m *Machine) weighted(n core.NodeID) bool {
	for _, w := range m.weights {
		if w[n] > 0 {
			return true
		}
	}
	return false
}

// weightsApplied compares the weights of the view's owners with the
// configured ones.
func (m *Machine) weightsApplied() bool {
	if len(m.view.Tables) != len(m.weights) {
		return false
	}
	for _, t := range m.view.Tables {
		for n, w := range t.Weights {
			if m.weights[t.Name][n] != w {
				return false
			}
		}
	}
	return true
}

func (m *Machine) begin(all []core.NodeID, why string) {
	m.rounds++
	m.dirty = time.Time{}
	m.round = &round{id: m.rounds, why: why, stage: MsgReport, waiting: map[core.NodeID]bool{}, giveUp: m.now.Add(m.timing.GiveUp)}
	for _, n := range all {
		m.round.waiting[n] = true
	}
	m.ask()
}

// ask sends the round's question to everybody who has not answered.
func (m *Machine) ask() {
	r := m.round
	r.resend = m.now.Add(m.timing.Resend)
	for _, n := range slices.Sorted(maps.Keys(r.waiting)) {
		msg := Message{Kind: MsgGather, Round: r.id}
		if r.stage == MsgInstalled {
			msg = Message{Kind: MsgInstall, Round: r.id, View: &r.view, Why: r.why}
		}
		if n == m.self {
			m.received(m.self, msg)
		} else {
			m.do(Send{To: n, Message: msg})
		}
		if m.round != r {
			return
		}
	}
}

// drive repeats questions and gives up.
func (m *Machine) drive() {
	r := m.round
	for n := range r.waiting {
		if n != m.self && !m.peer(n).alive {
			m.round = nil
			return
		}
	}
	if m.now.After(r.giveUp) {
		var silent uint64
		for n := range r.waiting {
			silent |= bit(n)
		}
		m.note("the plan (%s) was given up: no answer from %s", r.why, m.names(silent))
		m.round = nil
		m.dirty = m.now.Add(m.timing.Hold)
		return
	}
	if !m.now.Before(r.resend) {
		m.ask()
	}
}

// received handles a message of another Machine, or one's own.
func (m *Machine) received(from core.NodeID, msg Message) {
	if !m.present {
		return
	}
	switch msg.Kind {
	case MsgGather:
		if len(m.askedBy) == 0 {
			m.do(Count{})
		}
		m.askedBy[from] = msg.Round
	case MsgInstall:
		m.adopt(from, msg)
	case MsgReport, MsgInstalled, MsgRefused:
		m.answered(from, msg)
	}
}

// counted answers the gathers that waited for the count.
func (m *Machine) counted(open map[string]Bitmap) {
	for _, n := range slices.Sorted(maps.Keys(m.askedBy)) {
		m.vouched = voucher{n, m.askedBy[n]}
		report := Report{Node: m.self, MACs: m.macs, Ready: m.ready, Draining: m.draining, View: m.view, Open: open}
		m.reply(n, Message{Kind: MsgReport, Round: m.askedBy[n], Report: &report})
	}
	clear(m.askedBy)
}

func (m *Machine) reply(to core.NodeID, msg Message) {
	if to == m.self {
		m.answered(to, msg)
		return
	}
	m.do(Send{To: to, Message: msg})
}

// adopt installs a coordinator's view, less what this node knows to be lost. A
// plan that was made from a report which has been overtaken by a failure since
// is refused: connections may have gone where it does not look.
func (m *Machine) adopt(from core.NodeID, msg Message) {
	if m.vouched != (voucher{from, msg.Round}) {
		m.reply(from, Message{Kind: MsgRefused, Round: msg.Round})
		return
	}
	if msg.View != nil && msg.View.Epoch > m.view.Epoch {
		m.failed = 0
		own := m.view.Owned(m.self)
		m.install(*msg.View)
		m.vouched = voucher{from, msg.Round}
		m.settleIn, m.settleAt = m.timing.Settle, m.now.Add(m.timing.Settle)
		for _, mem := range msg.View.Members {
			m.reconsider(mem.Node)
		}
		if now := m.view.Owned(m.self); now != own {
			m.note("%s owns %d buckets instead of %d: %s, and %s planned it so", m.name(m.self), now, own, msg.Why, m.name(from))
		}
	}
	m.reply(from, Message{Kind: MsgInstalled, Round: msg.Round, Epoch: m.view.Epoch})
}

// reconsider applies what is known of a member to a view that was made
// elsewhere.
func (m *Machine) reconsider(n core.NodeID) {
	if n == m.self {
		if !m.ready && m.view.takes(n) {
			m.fail(n, true, "its application is not ready")
		}
		return
	}
	p := m.peers[n]
	if p == nil {
		return
	}
	if p.alive {
		m.applyDigest(n, p.digest)
	} else if m.view.takes(n) {
		m.fail(n, !p.keepTill.IsZero(), m.name(n)+" is lost here")
	}
}

// answered takes a member's answer to the round.
func (m *Machine) answered(from core.NodeID, msg Message) {
	r := m.round
	if r == nil || msg.Round != r.id || !r.waiting[from] {
		return
	}
	switch {
	case r.stage == MsgReport && msg.Kind == MsgReport && msg.Report != nil:
		r.reports = append(r.reports, *msg.Report)
	case r.stage == MsgInstalled && msg.Kind == MsgInstalled && msg.Epoch == r.view.Epoch:
	case msg.Kind == MsgRefused, r.stage == MsgInstalled && msg.Kind == MsgInstalled && msg.Epoch > r.view.Epoch:
		m.round = nil // a failure came between, or somebody else plans too
		return
	default:
		return
	}
	delete(r.waiting, from)
	if len(r.waiting) == 0 {
		m.advance()
	}
}

// advance takes the round to its next stage.
func (m *Machine) advance() {
	r := m.round
	if r.stage == MsgReport {
		m.planFrom(r)
		return
	}
	if r.then == nil {
		m.round = nil
		return
	}
	r.view, r.then = *r.then, nil
	m.await(r)
}

func (m *Machine) planFrom(r *round) {
	var kept []Member
	for _, mem := range m.view.Members {
		if p := m.peers[mem.Node]; mem.Node != m.self && p != nil && !p.alive && !p.keepTill.IsZero() {
			kept = append(kept, mem)
		}
	}
	prepare, commit, moves := Plan(m.self, r.reports, m.weights, kept)
	same := !slices.ContainsFunc(r.reports, func(rep Report) bool { return !rep.View.sameAs(commit) || rep.View.Epoch != m.view.Epoch })
	if same && m.failed == 0 {
		m.settleIn = min(2*m.settleIn, 10*m.timing.Settle)
		m.settleAt = m.now.Add(m.settleIn)
		m.round = nil
		return
	}
	r.view = commit
	if moves {
		r.view, r.then = prepare, &commit
		m.note("%s; the new shares: %s", r.why, m.describe(commit))
	}
	m.await(r)
}

// await begins an installation.
func (m *Machine) await(r *round) {
	r.stage = MsgInstalled
	for _, rep := range r.reports {
		r.waiting[rep.Node] = true
	}
	m.ask()
}

// describe tells who will own how much of the first group.
func (m *Machine) describe(v View) string {
	var parts []string
	for _, mem := range v.Members {
		parts = append(parts, fmt.Sprintf("%s %.1f %%", m.name(mem.Node), 100*v.Tables[0].Share(mem.Node)))
	}
	return strings.Join(parts, ", ")
}

// Failed lists the members that this node took out of its view by itself.
func (m *Machine) Failed() []core.NodeID {
	var list []core.NodeID
	for mask := m.failed; mask != 0; mask &= mask - 1 {
		list = append(list, core.NodeID(bits.TrailingZeros64(mask)+1))
	}
	return list
}
