package process

import (
	"context"
	"log/slog"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const (
	// watched is how many processes of one check are watched for their end;
	// more are noticed at the interval.
	watched = 64
	// settle is the least time between two scans after events, so that a
	// process that starts many short-lived ones does not keep this one busy.
	settle = 20 * time.Millisecond
	// confirm is the time from a first look that found something wrong to the second.
	confirm = 500 * time.Millisecond
)

// watch looks when a process that it found ends, when one is born that it looks for, and
// when the service changes: at once. To be sure it looks every poll as well; and where
// the system does not tell of births or services, at the interval. So it does while something
// is wrong: a process that gives itself another name, as servers do when they are ready, is
// no event. For the same reason a first look that finds something wrong is taken twice.
func (c *checker) watch(ctx context.Context, q query, interval time.Duration, report func(sdk.Result)) error {
	w := watch{sys: c.sys, event: make(chan struct{}, 1), watching: map[id]func(){}}
	defer w.stop()
	if err := q.prepare(); err != nil {
		report(sdk.Unknown("%v", err))
		<-ctx.Done()
		return nil
	}
	calm := interval
	if cancel, err := c.listen(ctx, &q, w.wake); err == nil {
		defer cancel()
		calm = max(interval, time.Duration(q.Poll))
	} else {
		slog.Debug("no events of processes: looking at the interval", "process", q.who(), "interval", interval, "reason", err)
	}
	timer := time.NewTimer(calm)
	defer timer.Stop()
	age := time.Duration(0)
	for first := true; ; first = false {
		r, found := c.find(ctx, &q, age)
		if ctx.Err() != nil {
			return nil
		}
		if !first || r.Status != sdk.StatusDown {
			report(r)
		}
		w.follow(found)
		switch {
		case r.Status == sdk.StatusUp:
			timer.Reset(calm)
		case first:
			timer.Reset(min(interval, confirm))
		default:
			timer.Reset(interval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			age = min(interval/2, 500*time.Millisecond) // many checks share a scan
		case <-w.event:
			age = 0
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(w.calm()):
			}
		}
	}
}

// listen has wake called when something new might be found.
func (c *checker) listen(ctx context.Context, q *query, wake func()) (cancel func(), err error) {
	if q.Service {
		return c.sys.changed(ctx, q.Name, wake)
	}
	return c.sys.births(func(p proc) {
		if q.named(p, c.sys.matches) {
			wake()
		}
	}, wake)
}

// watch follows the processes that were found.
type watch struct {
	sys      system
	event    chan struct{}
	watching map[id]func() // cancels
	last     time.Time     // of the latest scan after an event
}

// calm answers how long to wait before a scan after an event: not at all after
// a quiet time.
func (w *watch) calm() time.Duration {
	wait := max(0, settle-time.Since(w.last))
	w.last = time.Now().Add(wait)
	return wait
}

// follow watches these processes and no others. One that is gone already wakes
// the watch at once.
func (w *watch) follow(found []proc) {
	keep := make(map[id]bool, len(found))
	for _, p := range found[:min(len(found), watched)] {
		keep[p.id] = true
	}
	for p, cancel := range w.watching {
		if !keep[p] {
			cancel()
			delete(w.watching, p)
		}
	}
	for p := range keep {
		if w.watching[p] != nil {
			continue
		}
		if cancel, ok := w.sys.died(p.pid, w.wake); ok {
			w.watching[p] = cancel
		}
	}
}

func (w *watch) wake() {
	select {
	case w.event <- struct{}{}:
	default:
	}
}

func (w *watch) stop() {
	for _, cancel := range w.watching {
		cancel()
	}
}
