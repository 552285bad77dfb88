package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// caretaker calls the programs that a module has to bring processes back. One
// goroutine, so they run one at a time.
type caretaker struct {
	ports  careports
	cancel context.CancelFunc
	done   chan struct{}
}

// careports is what a caretaker needs of its module.
type careports struct {
	watch     func() (<-chan core.Instance, func()) // has something whenever the module has changed
	now       func() core.Instance
	procs     func() []config.Proc
	run       func(context.Context, config.Proc, core.Resource) error
	stopstart func(reason string)
}

func newCaretaker(ctx context.Context, p careports) *caretaker {
	ctx, cancel := context.WithCancel(ctx)
	c := &caretaker{ports: p, cancel: cancel, done: make(chan struct{})}
	go c.loop(ctx)
	return c
}

// close ends the caretaker, and the program that runs.
func (c *caretaker) close() {
	c.cancel()
	<-c.done
}

func (c *caretaker) loop(ctx context.Context) {
	defer close(c.done)
	changed, stop := c.ports.watch()
	defer stop()
	next := map[string]time.Time{} // when the program of a resource may be called again
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Reset(c.look(ctx, next))
	}
}

// idle is how long a caretaker sleeps that nobody needs.
const idle = time.Hour

// look calls the programs whose time has come, and answers when to look again.
func (c *caretaker) look(ctx context.Context, next map[string]time.Time) time.Duration {
	wait := idle
	for _, p := range c.ports.procs() {
		if p.Handler == "" {
			continue
		}
		in, resource := c.ports.now(), p.Resource()
		r := in.Resources[resource]
		if in.Phase != core.Ready || r.Value != core.ResDown || !in.Observes(resource) {
			delete(next, resource)
			continue
		}
		if time.Now().Before(next[resource]) {
			wait = min(wait, time.Until(next[resource]))
			continue
		}
		if err := c.ports.run(ctx, p, r); err != nil && ctx.Err() == nil {
			c.ports.stopstart(err.Error())
		}
		next[resource] = time.Now().Add(p.Poll)
		wait = min(wait, p.Poll)
	}
	return wait
}

// newCare makes the module's caretaker.
func (mod *module) newCare() *caretaker {
	return newCaretaker(mod.m.ctx, careports{
		watch: mod.runner.Subscribe, now: mod.runner.Snapshot, run: mod.handle,
		procs: func() []config.Proc { return mod.config().Procs },
		stopstart: func(reason string) {
			mod.runner.Post(core.Event{Kind: core.EventCommand, Verb: core.VerbStopStart, Identity: "errd", Reason: reason})
		},
	})
}

// handle runs the program of a process once.
func (mod *module) handle(ctx context.Context, p config.Proc, r core.Resource) error {
	cause := mod.m.d.noteModule(mod.conf.Name, "hook", "info", fmt.Sprintf("%s is called, because %s is down: %s.", p.Handler, r.Name, r.Reason), nil, r.Cause)
	in := mod.runner.Snapshot()
	call := core.HookCall{Name: p.Handler, From: in.State, To: in.State, Verb: core.VerbRestart, Timeout: mod.config().Core().StartTimeout}
	var ended core.Event
	mod.runHook(ctx, call, cause, func(e core.Event) { ended = e })
	if !ended.OK {
		return fmt.Errorf("%s failed: %s", p.Handler, ended.Reason)
	}
	return nil
}
