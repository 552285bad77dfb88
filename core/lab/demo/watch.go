package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// history is how many samples are kept to compute what happened in a while.
const history = 64

// watch keeps the client's last samples and wakes those who wait for something.
type watch struct {
	mu      sync.Mutex
	samples []load.Report
	states  map[string]string // of the module, by node
	changed chan struct{}
	ended   error // why the load ended, when it should not have
}

func newWatch() *watch {
	return &watch{changed: make(chan struct{}), states: map[string]string{}, samples: []load.Report{{}}}
}

func (w *watch) update(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watch) sample(r load.Report) {
	w.update(func() {
		w.samples = append(w.samples, r)
		if len(w.samples) > history {
			w.samples = w.samples[1:]
		}
	})
}

// moment is what is known now.
type moment struct {
	report load.Report
	past   load.Report // the sample from a while before
	states map[string]string
}

// now answers the last sample and the one that is older by at least a while.
func (w *watch) now(while time.Duration) moment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.look(while)
}

func (w *watch) look(while time.Duration) moment {
	last := w.samples[len(w.samples)-1]
	past := w.samples[0]
	for _, s := range w.samples {
		if last.ElapsedMS-s.ElapsedMS >= float64(while.Milliseconds()) {
			past = s
		}
	}
	states := make(map[string]string, len(w.states))
	for node, state := range w.states {
		states[node] = state
	}
	return moment{report: last, past: past, states: states}
}

// until waits for a condition on the last second, at most for a limit.
func (w *watch) until(ctx context.Context, limit time.Duration, what string, ok func(moment) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s: %s", limit, what))
	defer cancel()
	for {
		w.mu.Lock()
		m, changed, ended := w.look(time.Second), w.changed, w.ended
		w.mu.Unlock()
		if ended != nil {
			return fmt.Errorf("the load ended: %w", ended)
		}
		if ok(m) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// shares are those of the span between the two samples.
func (m moment) shares() map[string]float64 { return round(m.report.Shares(m.past)) }

func (m moment) seconds() float64 { return (m.report.ElapsedMS - m.past.ElapsedMS) / 1000 }
