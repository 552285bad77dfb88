package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Watch reports what the checker finds until ctx ends. It returns nil then,
// and an error at once if it refuses the settings (*SettingsError), or if there is
// no such checker and no directory into which one could be copied.
//
// While the plugin cannot be asked one unknown result says why; the watch goes
// on by itself in the next process. report is called from this goroutine only.
func (h *Host) Watch(ctx context.Context, name string, o sdk.WatchOptions, report func(sdk.Result)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(h.ctx, stop)()
	p, err := h.await(ctx, name, report)
	if err != nil || p == nil {
		return err
	}
	w := watcher{host: h, program: p, name: name, who: key(sdk.KindChecker, name), options: o, report: report}
	var back backoff
	for ctx.Err() == nil {
		began := time.Now()
		reason, err := w.once(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		report(sdk.Result{Status: sdk.StatusUnknown, Reason: reason})
		if w.alive {
			select {
			case <-ctx.Done():
			case <-time.After(back.pause(time.Since(began))):
			}
		}
	}
	return nil
}

// await finds the program of a checker. Where it is missing and could be copied in, it
// looks again now and then, and answers nil if ctx ended first.
func (h *Host) await(ctx context.Context, name string, report func(sdk.Result)) (*program, error) {
	var back backoff
	for {
		p, err := h.lookup(sdk.KindChecker, name)
		if err == nil || len(h.o.Dirs) == 0 {
			return p, err
		}
		report(sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()})
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(back.pause(0)):
		}
	}
}

// Follow is Watch in the words of the state machine: it reports values and
// reasons. repeat is how many equal ones in a row are reported after a change.
func (h *Host) Follow(ctx context.Context, name string, settings json.RawMessage, interval, timeout time.Duration, repeat int, report func(core.Value, string)) error {
	o := sdk.WatchOptions{Settings: settings, Interval: interval, Timeout: timeout, Repeat: repeat}
	return h.Watch(ctx, name, o, func(r sdk.Result) {
		switch r.Status {
		case sdk.StatusUp:
			report(core.ResUp, r.Reason)
		case sdk.StatusDown:
			report(core.ResDown, r.Reason)
		default:
			report(core.ResUnknown, r.Reason)
		}
	})
}

// watcher is one watch over all processes of its plugin.
type watcher struct {
	host    *Host
	program *program
	name    string
	who     string
	options sdk.WatchOptions
	report  func(sdk.Result)
	alive   bool // the process went on when the stream ended
}

// once watches through one process, or waits for one start of it, and answers
// why that ended.
func (w *watcher) once(ctx context.Context) (reason string, err error) {
	w.alive = false
	s, err := w.program.wait(ctx, w.who)
	if err != nil {
		return err.Error(), nil
	}
	c, err := s.client.Checker(w.name)
	if err != nil {
		return "", fmt.Errorf("watch %s: %w", w.who, err)
	}
	if err := w.host.validate(c.Describe(), w.options.Settings); err != nil {
		return "", err
	}
	err = c.Stream(ctx, w.options, w.report)
	if err == nil {
		return "", nil // ctx ended
	}
	if errors.Is(err, ErrUnavailable) {
		return w.program.gone(ctx, s, w.who), nil
	}
	w.alive = true
	return "plugin " + w.who + ": " + err.Error(), nil
}
