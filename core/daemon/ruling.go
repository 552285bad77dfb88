package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/rules"
)

// rulingPorts is what a ruling needs of its module.
type rulingPorts struct {
	watch   func() (<-chan core.Instance, func()) // the module, beginning with what it is now
	post    func(core.Event)
	cluster func() core.Value // down: no other node is heard
	remotes *remotes          // nil: the rules look at nothing of another node
}

// ruling follows the failover rules of one module: whenever a resource changes,
// they are looked at, and what holds becomes a resource of the state machine. One
// goroutine.
type ruling struct {
	ports  rulingPorts
	poked  chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	begun []core.When // checks that were started since the last look
}

func newRuling(ctx context.Context, set rules.Set, ports rulingPorts) *ruling {
	ctx, cancel := context.WithCancel(ctx)
	r := &ruling{ports: ports, poked: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go r.loop(ctx, rules.NewEngine(set))
	return r
}

// poke has the rules looked at though no resource changed.
func (r *ruling) poke() {
	select {
	case r.poked <- struct{}{}:
	default:
	}
}

// begin tells that the checks of one part of the module's life start: their
// rules begin anew.
func (r *ruling) begin(when core.When) {
	r.mu.Lock()
	r.begun = append(r.begun, when)
	r.mu.Unlock()
	r.poke()
}

func (r *ruling) close() {
	r.cancel()
	<-r.done
}

func (r *ruling) loop(ctx context.Context, engine rules.Engine) {
	defer close(r.done)
	updates, stop := r.ports.watch()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	seen, given := map[string]core.Value{}, map[string]core.Value{}
	var last core.Instance
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-updates:
			last = in
			r.ports.remotes.publish(in)
			seen = map[string]core.Value{}
			for name, res := range in.Resources {
				seen[name] = res.Value
			}
		case <-r.poked:
		case <-timer.C:
		}
		for _, when := range r.beginnings() {
			engine = engine.Forget(when)
		}
		var again time.Time
		now := time.Now()
		engine, again = r.look(engine, now, seen, given, r.ports.remotes.view(last))
		if !again.IsZero() {
			timer.Reset(again.Sub(now))
		}
	}
}

func (r *ruling) beginnings() []core.When {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun := r.begun
	r.begun = nil
	return begun
}

// look tells the state machine what changed. given are resources that rules have
// set and no check of the module provides; away are those of the other node.
func (r *ruling) look(engine rules.Engine, now time.Time, seen, given, away map[string]core.Value) (rules.Engine, time.Time) {
	view := rules.View{Local: map[string]core.Value{}, Remote: away, Cluster: r.ports.cluster()}
	for _, from := range []map[string]core.Value{given, seen} {
		for name, value := range from {
			view.Local[name] = value
		}
	}
	engine, changes, again := engine.Step(now, view)
	for _, c := range changes {
		if c.Set {
			given[c.Resource.Name] = c.Resource.Value
			again = now // other rules may speak of it
		}
		r.ports.post(core.Event{Kind: core.EventResource, Resource: c.Resource})
	}
	return engine, again
}

// seesOthers is cluster() in failover rules.
func (m *member) seesOthers() core.Value {
	if len(m.digests.heard()) == 0 {
		return core.ResDown
	}
	return core.ResUp
}

// pokeRulings has rules looked at that may speak of the cluster.
func (m *member) pokeRulings() {
	for _, mod := range m.all() {
		if r := mod.ruling.Load(); r != nil {
			r.poke()
		}
	}
}
