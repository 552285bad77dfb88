package process

import (
	"context"
	"encoding/json"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const (
	// watched is how many processes of one check are watched for their end;
	// more are noticed at the interval.
	watched = 64
	// settle is the least time between two scans after deaths, so that a
	// process that starts many short-lived ones does not keep this one busy.
	settle = 20 * time.Millisecond
)

// Watch scans at the interval, and at once when a process that it found ends.
func (c *checker) Watch(ctx context.Context, raw json.RawMessage, interval time.Duration, report func(sdk.Result)) error {
	q, err := parse(raw)
	if err != nil {
		report(unknown(err))
		<-ctx.Done()
		return nil
	}
	w := watch{sys: c.sys, death: make(chan struct{}, 1), watching: map[id]func(){}}
	defer w.stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	age := time.Duration(0)
	for {
		r, found := c.look(ctx, q, age)
		if ctx.Err() != nil {
			return nil
		}
		report(r)
		w.follow(found)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			age = min(interval/2, 500*time.Millisecond) // many checks share a scan
		case <-w.death:
			age = 0
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(w.calm()):
			}
		}
	}
}

// watch follows the processes that were found.
type watch struct {
	sys      system
	death    chan struct{}
	watching map[id]func() // cancels
	last     time.Time     // of the latest scan after a death
}

// calm answers how long to wait before a scan after a death: not at all after
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
	case w.death <- struct{}{}:
	default:
	}
}

func (w *watch) stop() {
	for _, cancel := range w.watching {
		cancel()
	}
}
