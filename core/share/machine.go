package share

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Machine is one node's part in sharing one module's connections. Step feeds it
// and answers what to do; nothing else happens. One Machine is used by one
// goroutine.
//
//	failure, withdrawal   →  View.Fail here and now, on every node alike
//	join, drain, weights  →  coordinator: gather → prepare → commit (plan.go)
type Machine struct {
	self   core.NodeID
	name   func(core.NodeID) string
	timing Timing
	set    Settings

	now      time.Time
	out      []Effect
	view     View
	failed   uint64    // members taken out of view by this node itself
	agreed   bool      // what the filter was told last
	unheard  uint64    // likewise: the silent members
	planned  View      // the view of the last plan, without what this node did to it by itself
	united   time.Time // since when agree holds without a break; zero if it does not
	lapsedAt time.Time
	backAt   time.Time // when something reached this node again; zero: it was never cut off
	resumeAt time.Time // a lapse is to be answered then; zero if none is
	macs     []MAC
	leftTill time.Time // until then the application of an earlier daemon counts as running; zero: none is
	present  bool
	open     bool   // ordered to take connections
	off      string // why none can reach this node now; empty if they can
	ready    bool   // open, and not off
	draining bool
	leaving  core.ShareOrder // leave or drain that waits for its answer
	leaveBy  time.Time
	peers    map[core.NodeID]*peer
	askedBy  map[core.NodeID]uint64 // gathers that wait for Counted: coordinator → round
	vouched  voucher                // the report that this node still stands for
	sent     Digest
	round    *round
	rounds   uint64
	dirty    time.Time // since when a plan has been wanted; zero if none is
	settleAt time.Time
	rulesAt  time.Time // before, the nodes are not asked again whether they know the new rules
	settleIn time.Duration
	rises    map[core.NodeID]time.Time // when members that start slowly come to their next step
	unfit    int                       // buckets that the last plan of this node could not move
	checked  View                      // the last view that was found to be as the weights say
}

// voucher names a report: to which coordinator, for which of its plans.
type voucher struct {
	to    core.NodeID
	round uint64
}

// peer is what is known of another node.
type peer struct {
	digest   Digest
	alive    bool
	lostAt   time.Time // last time it was lost
	keepTill time.Time // silent, host alive: stays a previous owner until then
	serves   bool      // silent, but goes on with its buckets (Settings.Keep)
	had      bool      // silent, or left running: the module was started there
	last     []View    // silent, host alive: the views by which it may still forward
}

// NewMachine makes the machine of node self for a module. name tells nodes'
// names for notes.
func NewMachine(self core.NodeID, name func(core.NodeID) string, set Settings, timing Timing) *Machine {
	return &Machine{
		self: self, name: name, timing: timing.orDefaults(), set: set,
		peers: map[core.NodeID]*peer{}, askedBy: map[core.NodeID]uint64{}, rises: map[core.NodeID]time.Time{},
	}
}

// Self is this node.
func (m *Machine) Self() core.NodeID { return m.self }

// View is the view in force here.
func (m *Machine) View() View { return m.view }

// Step takes an input at a time and answers the effects, in order.
func (m *Machine) Step(now time.Time, in Input) []Effect {
	m.now, m.out = now, nil
	switch in := in.(type) {
	case Left:
		m.leftTill = now.Add(m.timing.Keep)
	case Abandoned:
		m.leftTill = time.Time{}
	case Started:
		m.macs, m.present, m.leftTill = in.MACs, true, time.Time{}
	case Halted:
		*m = Machine{
			self: m.self, name: m.name, timing: m.timing, set: m.set, peers: m.peers,
			askedBy: map[core.NodeID]uint64{}, rises: map[core.NodeID]time.Time{}, rounds: m.rounds, sent: m.sent, now: now,
			resumeAt: m.resumeAt,
		}
	case Ordered:
		m.order(in.Order)
	case Cut:
		m.cut(in.Why)
	case PeerLost:
		m.lost(in)
	case HostGone:
		m.hostGone(in.Node)
	case PeerDigest:
		m.heard(in)
	case Counted:
		m.counted(in.Open)
	case Received:
		m.received(in.From, in.Message)
	case Lapsed:
		if !m.set.Keep { // else nobody took over, unless the host did not answer: then the digests will tell
			m.fail(m.self, true, "its lease had run out")
		}
		m.united, m.lapsedAt, m.resumeAt = time.Time{}, m.now, m.now
		if m.view.weighsBeside(m.self) { // else it would keep nobody but clients waiting
			m.resumeAt = m.now.Add(m.timing.Debounce)
		}
	case Configured:
		m.set = in.Settings
	case Tick:
	}
	m.tick()
	return m.out
}

func (m *Machine) do(e Effect) { m.out = append(m.out, e) }

func (m *Machine) note(format string, args ...any) { m.do(Note{fmt.Sprintf(format, args...)}) }

// tick does all that depends on time or on the state as a whole.
func (m *Machine) tick() {
	for _, n := range slices.Sorted(maps.Keys(m.peers)) {
		if p := m.peers[n]; !p.keepTill.IsZero() && m.now.After(p.keepTill) {
			m.forget(n, m.name(n)+" stayed silent")
		}
	}
	if !m.leftTill.IsZero() && m.now.After(m.leftTill) {
		m.leftTill = time.Time{}
	}
	m.coordinate()
	m.finishLeave()
	m.publish()
	if !m.resumeAt.IsZero() && !m.now.Before(m.resumeAt) {
		m.resumeAt = time.Time{}
		m.do(Resume{})
	}
	switch {
	case !m.agree():
		m.united = time.Time{}
	case m.united.IsZero():
		m.united = m.now
	}
	if m.mayReset() != m.agreed || m.silent() != m.unheard {
		m.put()
	}
}

func (m *Machine) publish() {
	d := Digest{
		Present: m.present, Ready: m.present && m.ready, Draining: m.draining, Left: !m.leftTill.IsZero(),
		Epoch: m.view.Epoch, Failed: m.failed,
	}
	if d != m.sent {
		m.sent = d
		m.do(Publish{d})
	}
}

// install puts a view in force here.
func (m *Machine) install(v View) {
	before := m.view
	m.view = v
	m.put()
	m.watchSteps(before)
	left := ownersGone(before, v)
	if before.First() == 0 {
		left = "there was nobody who took connections"
	}
	if left != "" && v.First() == m.self {
		m.do(Announce{Reason: left})
	}
}

// watchSteps notes when members that start slowly come to their next step.
func (m *Machine) watchSteps(before View) {
	for _, mem := range m.view.Members {
		switch {
		case mem.Step == 0 || m.set.SlowStart == 0:
			delete(m.rises, mem.Node)
		case m.rises[mem.Node].IsZero() || before.member(mem.Node).Step != mem.Step:
			m.rises[mem.Node] = m.now.Add(m.set.SlowStart / (steps - 1))
		}
	}
}

// ownersGone says that a node which took connections in before does not in
// after; it is empty if none.
func ownersGone(before, after View) string {
	for _, mem := range before.Members {
		if before.weighs(mem.Node) && !after.weighs(mem.Node) {
			return fmt.Sprintf("node %d does not take connections any more", mem.Node)
		}
	}
	return ""
}

// fail takes n out of the view, here and now.
func (m *Machine) fail(n core.NodeID, keep bool, why string) {
	if !m.view.has(n) || !m.view.takes(n) && m.failed&bit(n) != 0 {
		return
	}
	if n == m.self && m.ready && m.leaving == "" && !m.view.weighsBeside(n) {
		return // nobody would be left to serve
	}
	owned, mine := m.view.Owned(n), m.view.Owned(m.self)
	m.failed |= bit(n)
	m.vouched = voucher{}
	m.install(m.view.Fail(n, keep))
	m.settleIn, m.settleAt = m.timing.Settle, m.now.Add(m.timing.Settle)
	switch gained := m.view.Owned(m.self) - mine; {
	case n == m.self && owned > 0:
		m.note("%s gave up its %d buckets because %s", m.name(n), owned, why)
	case gained > 0:
		m.note("%s took %d of %s's %d buckets because %s", m.name(m.self), gained, m.name(n), owned, why)
	case owned > 0:
		m.note("%s's %d buckets went to others because %s", m.name(n), owned, why)
	}
	m.round = nil
}

func (m *Machine) peer(n core.NodeID) *peer {
	p := m.peers[n]
	if p == nil {
		p = &peer{}
		m.peers[n] = p
	}
	return p
}

func (m *Machine) heard(in PeerDigest) {
	p := m.peer(in.Node)
	p.alive, p.serves, p.digest, p.keepTill, p.last = true, false, in.Digest, time.Time{}, nil
	p.had = in.Digest.Left
	m.applyDigest(in.Node, p.digest)
	accused := m.present && in.Digest.Present && in.Digest.Failed&bit(m.self) != 0
	if accused && in.Digest.Epoch >= m.view.Epoch && in.Node < m.self { // somebody has to yield
		m.fail(m.self, true, fmt.Sprintf("%s had declared it lost", m.name(in.Node)))
	}
}

// applyDigest takes out of the view a node that says it takes no connections, and
// one that has none left because the module is stopped there.
func (m *Machine) applyDigest(n core.NodeID, d Digest) {
	switch takes := m.view.takes(n); {
	case d.Left && takes:
		m.fail(n, true, "the daemon of "+m.name(n)+" is new, and its application was left running")
	case d.Left:
	case !d.Present && (takes || m.view.Held(n) > 0):
		m.fail(n, false, fmt.Sprintf("the module is not started on %s", m.name(n)))
	case !takes:
	case !d.Ready:
		m.fail(n, true, fmt.Sprintf("%s is not ready", m.name(n)))
	}
}

// put gives the filter what it has to know, if there is a view yet.
func (m *Machine) put() {
	if len(m.view.Tables) > 0 {
		m.agreed, m.unheard = m.mayReset(), m.silent()
		m.do(Install{View: m.view, Accept: m.ready, Agreed: m.agreed, Silent: m.unheard})
	}
}

// agree says that all live members are known to use the same view as this
// node, and that no other is to follow at once. Of a silent one that goes on it is
// not known. Nor is it of one that is heard here but taken out of the view, until the next
// plan: to others it may be silent, and passed by.
func (m *Machine) agree() bool {
	for n, p := range m.peers {
		if p.serves {
			return false
		}
		if p.alive && p.digest.Present && (p.digest.Epoch != m.view.Epoch || p.digest.Failed != m.failed || m.failed&bit(n) != 0) {
			return false
		}
	}
	return !m.view.Moving
}

// mayReset says that the nodes agree, and not only by old news: a node that was
// late reads in a moment what the others said over a while.
func (m *Machine) mayReset() bool {
	return m.agree() && !m.united.IsZero() && m.now.Sub(m.united) >= m.timing.Debounce &&
		(m.lapsedAt.IsZero() || m.now.Sub(m.lapsedAt) >= m.timing.Hold)
}

// names lists the nodes of a mask.
func (m *Machine) names(mask uint64) string {
	var list []string
	for _, n := range nodesOf(mask) {
		list = append(list, m.name(n))
	}
	return strings.Join(list, ", ")
}

// Busy says that time matters now: something is under way that a tick may
// advance.
func (m *Machine) Busy() bool {
	return m.round != nil || !m.dirty.IsZero() || m.leaving != "" || !m.resumeAt.IsZero() || m.agree() && !m.agreed
}
