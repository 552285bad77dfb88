package load

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// session keeps one long-lived connection: it opens one, asks at the interval,
// and opens another when it broke.
type session struct {
	x      *exchange // nil: none open
	opened time.Duration
	node   string
	lives  bool // it has answered once
	due    time.Duration
	index  int // in agenda
}

// agenda is a heap of sessions by the time at which each needs attention.
type agenda []*session

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due < a[j].due }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is for container/heap.
func (a *agenda) Push(v any) {
	s := v.(*session)
	s.index = len(*a)
	*a = append(*a, s)
}

// Pop is for container/heap.
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

func (l *loop) plan(s *session, at time.Duration) {
	s.due = at
	heap.Fix(&l.agenda, s.index)
}

// attend does what is due on sessions: a first or next request, or the end of
// patience.
func (l *loop) attend(now time.Duration) {
	for len(l.agenda) > 0 && l.agenda[0].due <= now {
		s := l.agenda[0]
		switch {
		case s.x == nil:
			l.openSession(s, now)
		case s.x.busy && !s.x.connected:
			l.endSession(s, now, NoConnection)
		case s.x.busy:
			l.endSession(s, now, NoAnswer)
		default:
			s.x.busy, s.x.asked, s.x.answer = true, now, response{}
			if err := l.ask(s.x); err != nil {
				l.endSession(s, now, causeOf(err))
				continue
			}
			l.plan(s, now+l.cfg.Patience)
		}
	}
}

func (l *loop) openSession(s *session, now time.Duration) {
	l.opens++
	x := &exchange{session: s, busy: true, asked: now, seq: l.opens}
	if err := l.open(x); err != nil {
		l.count.openFailed++
		l.plan(s, now+l.cfg.Interval)
		return
	}
	s.x, s.opened, s.node, s.lives = x, now, "", false
	l.plan(s, now+l.cfg.Patience)
}

// endSession gives up a connection. One that never answered was never open.
func (l *loop) endSession(s *session, now time.Duration, cause Cause) {
	l.drop(s.x)
	if s.lives {
		l.count.kept--
		l.count.living[s.node]--
		l.count.breaks = append(l.count.breaks, Break{AtMS: ms(now), AgeMS: ms(now - s.opened), Node: s.node, Cause: cause})
	} else {
		l.count.openFailed++
	}
	s.x = nil
	again := min(l.cfg.Interval, 100*time.Millisecond)
	if l.cfg.Reopen > 0 {
		again = rand.N(l.cfg.Reopen)
	}
	l.plan(s, now+again)
}

// closeSession ends a connection in order: the server said beforehand that this
// answer is its last one.
func (l *loop) closeSession(s *session, now time.Duration) {
	l.drop(s.x)
	l.count.kept--
	l.count.living[s.node]--
	l.count.closed++
	s.x = nil
	l.plan(s, now+l.cfg.Interval)
}

// answered takes a whole answer on a session.
func (l *loop) answered(s *session, now time.Duration) {
	x := s.x
	x.busy = false
	l.count.requests++
	l.count.wait = max(l.count.wait, now-x.asked)
	if !s.lives {
		s.lives, s.node = true, x.answer.name()
		l.count.opened++
		l.count.kept++
		l.count.living[s.node]++
	} else if node := x.answer.name(); l.cfg.UDP && node != s.node {
		l.count.moved++
		l.count.living[s.node]--
		l.count.living[node]++
		s.node = node
	}
	l.plan(s, max(now, x.asked+l.cfg.Interval))
}
