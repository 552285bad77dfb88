package pluginhost

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// program is an executable that serves one plugin or several, and its present
// process.
type program struct {
	host    *Host
	spec    Program
	plugins []string // keys; fixed once the host is made

	mu       sync.Mutex
	state    State
	changed  chan struct{} // closed and replaced at each change
	since    time.Time
	session  *session // the running one
	last     *session // the latest that ever ran, for its descriptions
	starts   int      // sessions that ran
	failures int      // deaths and failed starts
	reason   string   // of the latest failure
	retry    time.Duration
	onStart  []func(*session, int) // told of each session and its number
}

func newProgram(h *Host, spec Program) *program {
	return &program{host: h, spec: spec, state: Idle, changed: make(chan struct{}), since: time.Now()}
}

// set changes the state under the lock.
func (p *program) set(s State, change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.since = s, time.Now()
	if change != nil {
		change()
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// launch starts the program's loop if this is its first use.
func (p *program) launch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != Idle || p.host.ctx.Err() != nil {
		return
	}
	p.state = Starting
	p.host.wg.Go(p.run)
}

// run keeps the program running until the host closes.
func (p *program) run() {
	var back backoff
	told, ran := "", 0
	ctx := p.host.ctx
	for ctx.Err() == nil {
		p.set(Starting, nil)
		began := time.Now()
		reason := p.once(ctx)
		if ctx.Err() != nil {
			break
		}
		pause := back.pause(time.Since(began))
		p.set(Dead, func() { p.session, p.reason, p.retry, p.failures = nil, reason, pause, p.failures+1 })
		if p.spec.Separate == "" || reason != told || p.starts > ran { // what is not installed is told once
			p.tell(Event{State: Dead, Reason: reason, Retry: pause})
		}
		told, ran = reason, p.starts
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	p.set(Closed, func() { p.session = nil })
}

// once starts a process and returns why it is gone.
func (p *program) once(ctx context.Context) string {
	s, err := p.start(ctx)
	if err != nil {
		return "does not start: " + err.Error()
	}
	var callbacks []func(*session, int)
	n := 0
	p.set(Running, func() {
		p.session, p.last, p.starts = s, s, p.starts+1
		n, callbacks = p.starts, slices.Clone(p.onStart)
	})
	p.tell(Event{State: Running, PID: s.run.pid(), Restart: n > 1})
	for _, f := range callbacks {
		f(s, n)
	}
	why := s.supervise(ctx)
	p.host.wg.Go(s.end)
	return why
}

func (p *program) tell(e Event) {
	e.At, e.Plugins = time.Now(), p.plugins
	p.host.o.Events(e)
}

// now answers the running session, or why there is none.
func (p *program) now(who string) (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == Running {
		return p.session, nil
	}
	return nil, &unavailable{p.whyLocked(who)}
}

// wait answers the running session, starting the program if this is its first
// use. While the program is being started or pauses, it waits for the outcome
// of one start.
func (p *program) wait(ctx context.Context, who string) (*session, error) {
	p.launch()
	p.mu.Lock()
	defer p.mu.Unlock()
	for failures := p.failures; ; {
		switch {
		case p.state == Running:
			return p.session, nil
		case p.failures > failures || p.state == Closed || p.host.ctx.Err() != nil:
			return nil, &unavailable{p.whyLocked(who)}
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-p.host.ctx.Done():
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			return nil, &unavailable{p.whyLocked(who) + ": " + context.Cause(ctx).Error()}
		}
	}
}

// gone waits until s is no longer the running session, as it will soon be
// after its process died, and answers why.
func (p *program) gone(ctx context.Context, s *session, who string) string {
	limit := time.NewTimer(2 * time.Second)
	defer limit.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.session == s {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		case <-limit.C:
			p.mu.Lock()
			return "plugin " + who + " does not answer"
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			break
		}
	}
	return p.whyLocked(who)
}

// whyLocked says why a plugin of this program cannot be used now.
func (p *program) whyLocked(who string) string {
	switch {
	case p.state == Closed || p.host.ctx.Err() != nil:
		return "plugin " + who + " is closed"
	case p.state == Dead:
		return fmt.Sprintf("plugin %s %s; restarting in %s", who, p.reason, span(p.retry))
	case p.failures > 0:
		return fmt.Sprintf("plugin %s %s; restarting", who, p.reason)
	case p.state == Starting:
		return "plugin " + who + " is starting"
	}
	return "plugin " + who + " is " + string(p.state)
}

func (p *program) info(of Plugin) Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := Info{
		Kind: of.Kind, Name: of.Name, State: p.state, Since: p.since,
		Restarts: max(p.starts-1, 0), LastError: p.reason,
	}
	if p.session != nil {
		i.PID = p.session.run.pid()
	}
	if p.last != nil {
		if d, err := p.last.client.Description(of.Kind, of.Name); err != nil {
			i.LastError = err.Error()
		} else {
			i.Version, i.Summary = d.Version, d.Summary
			if d.Unavailable != "" {
				i.LastError = d.Unavailable
			}
		}
	}
	return i
}
