package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// call is one run while it goes on.
type call struct {
	host   *Host
	run    Run
	check  *Check // nil: it is a hook
	path   string // of the hook's file
	name   string // of the hook's file inside the module: bin/start_both.lua
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // releases the deadline's timer
	out    *lineWriter
	procs  *processes
	log    *slog.Logger
}

// newCall prepares a run of a file, with its name for messages; finish must be called.
func (h *Host) newCall(ctx context.Context, r Run, file, name string) *call {
	c := &call{host: h, run: r, path: file, name: name}
	limit := r.Args.Timeout
	if limit <= 0 {
		limit = DefaultTimeout
	}
	ctx, c.stop = context.WithTimeoutCause(ctx, limit, &timedOut{c.name, limit})
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.out = newLineWriter(r.Output, h.opts.OutputLimit)
	c.procs = &processes{name: r.Module + "." + r.Args.Name}
	c.log = h.opts.Log.With("module", r.Module, "hook", r.Args.Name)
	return c
}

// finish ends a run and says how it ended.
func (c *call) finish(err error) Result {
	cause := context.Cause(c.ctx)
	var own *failed
	switch {
	case errors.As(cause, &own):
		err = own // fail() ends the hook even if a pcall caught its error
	case err != nil && cause != nil:
		// A run that its context ended has failed for that reason, whatever
		// error the hook made of it.
		err = c.cutOff(cause, err)
		c.procs.killAll()
	}
	res := Result{OK: err == nil}
	if err != nil {
		var limit *timedOut
		var inLua *luaError
		res.TimedOut = errors.As(cause, &limit)
		if errors.As(err, &inLua) {
			res.Trace = inLua.trace
		}
		res.Reason = err.Error()
		c.out.line("ERROR " + res.Reason)
		for row := range strings.Lines(res.Trace) {
			c.out.line("      " + strings.TrimSpace(row))
		}
	}
	c.cancel(errRunOver)
	c.stop()
	c.out.close()
	c.host.left.add(c.procs.release())
	return res
}

// cutOff is the error of a run that its context ended.
func (c *call) cutOff(cause, err error) error {
	var limit *timedOut
	switch {
	case errors.As(cause, &limit):
	case errors.Is(cause, context.Canceled): // somebody did not want to wait for it
		cause = errors.New(c.name + " was cut off")
	default:
		cause = fmt.Errorf("%s was cut off: %w", c.name, cause)
	}
	var inLua *luaError
	if errors.As(err, &inLua) && inLua.place != "" {
		return &luaError{text: cause.Error() + " (it was at " + inLua.place + ")", trace: inLua.trace}
	}
	return cause
}

// limited is a context for one call with a deadline of its own.
func (c *call) limited(what string, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(c.ctx)
	}
	return context.WithTimeoutCause(c.ctx, d, &timedOut{what, d})
}

// await calls f and returns when f does or ctx ends, whatever comes first: a
// deadline holds even where something below does not look at its context.
func await[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		v, err := f(ctx)
		ch <- answer{v, err}
	}()
	select {
	case a := <-ch:
		if a.err != nil && ctx.Err() != nil {
			a.err = context.Cause(ctx)
		}
		return a.v, a.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}
