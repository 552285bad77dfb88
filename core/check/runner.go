package check

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Runner runs the checks of all modules of a node. Its methods may be called
// from any goroutine.
type Runner struct {
	plugins Plugins
	publish Publish
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex
	modules map[string]map[string]*stream // by module and resource
}

// New makes a runner without checks.
func New(plugins Plugins, publish Publish) *Runner {
	r := &Runner{plugins: plugins, publish: publish, modules: map[string]map[string]*stream{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Set makes these the checks of a module: it starts the new ones, whose
// resources are published as init, stops those that are not in the list, and
// leaves alone what is the same. After it returns nothing more is published of
// a check that was stopped. It fails, without a change, if two checks have one
// resource.
func (r *Runner) Set(module string, specs []Spec) error {
	wanted := make(map[string]Spec, len(specs))
	for _, s := range specs {
		if s.Resource == "" || s.Plugin == "" {
			return fmt.Errorf("set checks of module %s: check %+v has no resource or no plugin", module, s)
		}
		if _, dup := wanted[s.Resource]; dup {
			return fmt.Errorf("set checks of module %s: two checks are called %s; give one of them another ident", module, s.Resource)
		}
		wanted[s.Resource] = s.withDefaults()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return fmt.Errorf("set checks of module %s: the checks are closed", module)
	}
	running := r.modules[module]
	if running == nil {
		running = map[string]*stream{}
		r.modules[module] = running
	}
	for name, s := range running {
		if spec, ok := wanted[name]; !ok || !reflect.DeepEqual(spec, s.spec) {
			s.end()
			delete(running, name)
		}
	}
	for _, spec := range specs {
		if running[spec.Resource] == nil {
			running[spec.Resource] = r.start(module, wanted[spec.Resource])
		}
	}
	if len(running) == 0 {
		delete(r.modules, module)
	}
	return nil
}

// Again forgets what these checks of a module have found and has them look at once.
// What does not run is left alone.
func (r *Runner) Again(module string, resources []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	running := r.modules[module]
	for _, name := range resources {
		if s := running[name]; s != nil {
			s.end()
			running[name] = r.start(module, s.spec)
		}
	}
}

// Say takes a result for a check that runs from elsewhere: a program that a checker
// runs may tell what it knows by a command. It answers false if there is no such
// check.
func (r *Runner) Say(module, resource string, found core.Value, reason string) bool {
	r.mu.Lock()
	s := r.modules[module][resource]
	r.mu.Unlock()
	if s != nil {
		s.take(found, reason)
	}
	return s != nil
}

// Resources shows the resources of a module, by name, each with the latest
// reason.
func (r *Runner) Resources(module string) []core.Resource {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]core.Resource, 0, len(r.modules[module]))
	for _, s := range r.modules[module] {
		out = append(out, s.now())
	}
	slices.SortFunc(out, func(a, b core.Resource) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Close stops all checks and waits for them.
func (r *Runner) Close() {
	r.mu.Lock()
	r.stop()
	for _, streams := range r.modules {
		for _, s := range streams {
			s.end()
		}
	}
	clear(r.modules)
	r.mu.Unlock()
	r.wg.Wait()
}

// stream is one running check.
type stream struct {
	module  string
	spec    Spec
	publish Publish
	cancel  context.CancelFunc

	mu       sync.Mutex
	over     bool
	count    counter
	resource core.Resource
}

func (r *Runner) start(module string, spec Spec) *stream {
	s := &stream{module: module, spec: spec, publish: r.publish}
	s.count = counter{rise: spec.Rise, fall: spec.Fall, value: core.ResInit, settled: core.ResInit}
	s.resource = core.Resource{Name: spec.Resource, Value: core.ResInit, Reason: "no result yet", Since: time.Now()}
	ctx, cancel := context.WithCancel(r.ctx)
	s.cancel = cancel
	r.publish(module, s.resource)
	r.wg.Go(func() {
		if !pause(ctx, spec.Grace) {
			return
		}
		err := r.plugins.Follow(ctx, spec.Plugin, spec.Settings, spec.Interval, spec.Timeout, max(spec.Rise, spec.Fall), s.take)
		if err != nil {
			s.take(core.ResUnknown, err.Error())
		}
	})
	return s
}

// pause waits; false means that ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take takes a result and publishes the resource if its value changed.
func (s *stream) take(found core.Value, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	before := s.count.value
	s.resource.Value = s.count.next(found)
	s.resource.Reason = reason
	if s.resource.Value != before {
		s.resource.Since = time.Now()
		s.publish(s.module, s.resource)
	}
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.cancel()
}

func (s *stream) now() core.Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resource
}
