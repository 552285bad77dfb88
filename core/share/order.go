package share

import (
	"github.com/orchestrator-ha/orchestrator/core"
)

// order changes this node's own wish.
func (m *Machine) order(o core.ShareOrder) {
	switch o {
	case core.ShareOpen:
		m.open, m.ready = true, m.off == ""
		m.put()
		m.do(Done{Order: o, OK: true})
	case core.ShareWithdraw:
		m.open, m.ready, m.leaving = false, false, ""
		m.withdraw("its application was taken out")
		m.do(Done{Order: o, OK: true})
	case core.ShareUndrain:
		m.draining, m.leaving = false, ""
		m.allow()
		m.do(Done{Order: o, OK: true})
	case core.ShareDrain, core.ShareLeave:
		if o == core.ShareDrain {
			m.allow() // also the first order of a module that starts drained
		}
		m.draining, m.leaving, m.leaveBy = true, o, m.now.Add(m.timing.Leave)
	}
}

// allow notes that the application takes connections, whether it gets any or not.
func (m *Machine) allow() {
	if !m.open {
		m.open, m.ready = true, m.off == ""
		m.put()
	}
}

// cut notes that nothing reaches this node, or that it is reached again. The
// order to take connections stays.
func (m *Machine) cut(why string) {
	before := m.off
	m.off = why
	m.ready = m.open && why == ""
	switch {
	case !m.open || (before == "") == (why == ""):
	case why != "":
		m.withdraw(why)
	default:
		m.backAt = m.now
		m.put()
	}
}

// withdraw gives up this node's buckets and shuts its gate.
func (m *Machine) withdraw(why string) {
	m.fail(m.self, true, why)
	m.put()
}

// finishLeave answers a leave or drain when this node owns nothing and all
// others know it, so that nobody sends new connections here any more; or by
// withdrawing when no plan came in time.
func (m *Machine) finishLeave() {
	if m.leaving == "" {
		return
	}
	done := Done{Order: m.leaving, OK: true}
	if others := m.others(); m.view.takes(m.self) || others && !m.agree() {
		planned := m.leaving == core.ShareDrain && !m.view.weighs(m.self)
		switch {
		case others && (planned || m.now.Before(m.leaveBy)):
			return // planned: the rest moves when there is room for it in the rows
		case !others && m.leaving == core.ShareDrain:
			m.draining = false
			done.OK, done.Reason = false, "no other node takes connections"
		default:
			m.fail(m.self, true, "it leaves")
		}
	}
	if m.leaving == core.ShareLeave {
		m.draining = false
		m.open, m.ready = false, false
		m.put()
	}
	m.leaving = ""
	m.do(done)
}

// others says that somebody else could take this node's buckets.
func (m *Machine) others() bool {
	for _, p := range m.peers {
		if p.alive && p.digest.Ready && !p.digest.Draining {
			return true
		}
	}
	return false
}
