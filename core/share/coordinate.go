package share

import (
	"fmt"
	"maps"
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
	view    View   // being installed
	then    []View // to be installed after it, one when all have the one before
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
	if len(all) == 1 && len(m.peers) > 0 && !m.backAt.IsZero() && m.now.Sub(m.backAt) < m.timing.Hold {
		return // it was cut off: the others serve, and will be heard in a moment
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
	for _, n := range r.next() {
		msg := Message{Kind: MsgGather, Round: r.id}
		if r.stage == MsgInstalled {
			view := r.view // the round goes on while the message is on its way
			msg = Message{Kind: MsgInstall, Round: r.id, View: &view, Why: r.why}
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

// next are the nodes to ask now: of a view's installation first those that have
// none yet, as the others' tables may send packets on to them.
func (r *round) next() []core.NodeID {
	all := slices.Sorted(maps.Keys(r.waiting))
	if r.stage != MsgInstalled {
		return all
	}
	first := slices.DeleteFunc(slices.Clone(all), func(n core.NodeID) bool {
		return !slices.ContainsFunc(r.reports, func(rep Report) bool { return rep.Node == n && len(rep.View.Tables) == 0 })
	})
	if len(first) > 0 {
		return first
	}
	return all
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
	if !m.present || !msg.sound(from) { // a coordinator tells who does not answer
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
		report := Report{Node: m.self, MACs: m.macs, Ready: m.ready, Draining: m.draining, View: m.view, Rules: m.set.Rules, Open: open}
		m.reply(n, Message{Kind: MsgReport, Round: m.askedBy[n], Report: &report})
	}
	clear(m.askedBy)
}

// reply answers a coordinator. This node answers itself by the same way, so that
// its own filter, too, has a table before the next one comes.
func (m *Machine) reply(to core.NodeID, msg Message) { m.do(Send{To: to, Message: msg}) }

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
		m.planned = *msg.View
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
	} else if m.view.takes(n) && !p.serves {
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
	asked := r.next()
	delete(r.waiting, from)
	switch {
	case len(r.waiting) == 0:
		m.advance()
	case !slices.Contains(asked, r.next()[0]): // the first ones are through
		m.ask()
	}
}

// advance takes the round to its next stage.
func (m *Machine) advance() {
	r := m.round
	if r.stage == MsgReport {
		m.planFrom(r)
		return
	}
	if len(r.then) == 0 {
		m.round = nil
		return
	}
	r.view, r.then = r.then[0], r.then[1:]
	m.await(r)
}

func (m *Machine) planFrom(r *round) {
	for _, n := range m.participants() {
		if !slices.ContainsFunc(r.reports, func(rep Report) bool { return rep.Node == n }) {
			m.round = nil // it came back meanwhile, and was not asked what it has
			return
		}
	}
	var kept []Member
	var stale []View
	for _, n := range slices.Sorted(maps.Keys(m.peers)) {
		p := m.peers[n]
		if len(p.last) > 0 {
			stale = append(stale, p.last...)
		}
		if p.stays() && p.had {
			mem := m.view.member(n)
			mem.Node = n // also of one that this node, being new, knows no more of
			kept = append(kept, mem)
		}
	}
	set := m.rulesInUse(r.reports)
	plan := propose(m.self, r.reports, set, kept, stale, m.risen())
	commit := plan.commit
	m.tellUnfit(plan)
	same := !slices.ContainsFunc(r.reports, func(rep Report) bool { return !rep.View.sameAs(commit) || rep.View.Epoch != m.view.Epoch })
	if same && m.failed == 0 {
		m.settleIn = min(2*m.settleIn, 10*m.timing.Settle)
		m.settleAt = m.now.Add(m.settleIn)
		m.round = nil
		return
	}
	r.view = commit
	if plan.regroups {
		r.view, r.then = plan.prepare, []View{commit}
		m.note("%s; the nodes change to the new rules", r.why)
		m.await(r)
		return
	}
	if plan.moves {
		r.view, r.then = plan.prepare, m.handOver(commit)
		m.note("%s; the new shares: %s", r.why, m.describe(commit))
	}
	m.await(r)
}

// handOver are the views that follow a prepare view: in invisible mode the node that
// gets a bucket takes all packets itself only when the one that had it sends them on.
func (m *Machine) handOver(commit View) []View {
	if !m.set.Invisible {
		return []View{commit}
	}
	handing := commit
	handing.Moving = true
	commit.Epoch = commit.Epoch.next(m.self)
	return []View{handing, commit}
}

// tellUnfit notes what the rows have no room for.
func (m *Machine) tellUnfit(p proposal) {
	if p.postponed > 0 && p.postponed != m.unfit {
		m.note("%d buckets move later: %d nodes have connections in them already", p.postponed, MaxPrevious+1)
	}
	m.unfit = p.postponed
	for _, n := range slices.Sorted(maps.Keys(p.dropped)) {
		m.note("the connections of %s in %d buckets are given up: %d other nodes have some there too", m.name(n), p.dropped[n], MaxPrevious+1)
	}
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
	return nodesOf(m.failed)
}
