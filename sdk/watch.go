package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// overdueGrace is how long a check may outlast its deadline before the watch
// says so. The next check waits until the last has returned in any case.
const overdueGrace = time.Second

// watch runs one watch in the plugin's process: it calls Check at the
// interval, or lets a Watcher report, and sends what is worth sending.
func watch(ctx context.Context, c Checker, o WatchOptions, send func(Result) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &sender{send: send, fail: cancel, thin: thinner{repeat: max(o.Repeat, 1)}}
	var err error
	if w, ok := c.(Watcher); ok {
		err = follow(ctx, w, o, s)
	} else {
		poll(ctx, c, o, s)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil {
		err = errors.New("the watch ended by itself")
	}
	return err
}

// poll calls Check until ctx ends. The first check runs at once, the second at
// a random point of the first interval, so that many watches that start
// together spread; checks of one watch never overlap, and those that were
// missed are not made up for.
func poll(ctx context.Context, c Checker, o WatchOptions, s *sender) {
	s.offer(checkOnce(ctx, c, o, s))
	next := slot(time.Now().Add(time.Duration(rand.Int64N(int64(o.Interval))+1)), o.Interval)
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		s.offer(checkOnce(ctx, c, o, s))
		now := time.Now()
		if next = next.Add(o.Interval); next.Before(now) {
			next = slot(now.Add(o.Interval-now.Sub(next)%o.Interval), o.Interval)
		}
		timer.Reset(next.Sub(now))
	}
}

// slot moves a start back by at most a twentieth of the interval, or 50 ms, to a
// point that many watches share: waking up costs more than most checks.
func slot(t time.Time, interval time.Duration) time.Time {
	width := min(interval/20, 50*time.Millisecond)
	if width <= 0 {
		return t
	}
	return t.Add(-time.Duration(t.UnixNano() % int64(width)))
}

// checkOnce calls Check with its deadline, and says unknown while the check
// ignores it.
func checkOnce(ctx context.Context, c Checker, o WatchOptions, s *sender) Result {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	overdue := time.AfterFunc(o.Timeout+overdueGrace, func() {
		s.offer(Result{Status: StatusUnknown, Reason: fmt.Sprintf("the check has not returned although its timeout of %v is over", o.Timeout)})
	})
	defer overdue.Stop()
	start := time.Now()
	r := safeCheck(ctx, c, o.Settings)
	if r.Took == 0 {
		r.Took = time.Since(start)
	}
	return r
}

// safeCheck makes of a panic an unknown result, so that one bad check does not
// take those beside it along.
func safeCheck(ctx context.Context, c Checker, settings json.RawMessage) (r Result) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("check panicked", "checker", c.Describe().Name, "panic", p, "stack", string(debug.Stack()))
			r = Result{Status: StatusUnknown, Reason: fmt.Sprintf("the check panicked: %v", p)}
		}
	}()
	return c.Check(ctx, settings)
}

// follow lets a Watcher report. What it said last is offered again at the
// interval: an event that still holds counts as another result.
func follow(ctx context.Context, w Watcher, o WatchOptions, s *sender) error {
	var again sync.WaitGroup
	defer again.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	again.Go(func() {
		tick := time.NewTicker(min(o.Interval, KeepAlive))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.again()
			}
		}
	})
	return w.Watch(ctx, o.Settings, o.Interval, s.offer)
}

// sender sends results of one watch, one at a time.
type sender struct {
	mu   sync.Mutex
	thin thinner
	send func(Result) error
	fail func(error)
}

func (s *sender) offer(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offerLocked(r)
}

func (s *sender) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.thin.any {
		s.offerLocked(s.thin.last)
	}
}

func (s *sender) offerLocked(r Result) {
	if !s.thin.pass(r, time.Now()) {
		return
	}
	if err := s.send(r); err != nil {
		s.fail(err)
	}
}

// thinner decides which results are worth sending.
type thinner struct {
	repeat int // equal results to pass after a change
	any    bool
	last   Result
	count  int // equal results passed since the change, up to repeat
	sent   time.Time
}

func (t *thinner) pass(r Result, now time.Time) bool {
	switch {
	case !t.any || r.Status != t.last.Status || r.Reason != t.last.Reason:
		t.count = 1
	case t.count < t.repeat:
		t.count++
	case now.Sub(t.sent) < KeepAlive:
		return false
	}
	t.any, t.last, t.sent = true, r, now
	return true
}
