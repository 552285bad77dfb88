package daemon

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/metrics"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Metrics are all metrics of a node; docs/metrics.md is made of them. A new one is one
// entry in the section that it belongs to, and a new section one more file.
func Metrics() []metrics.Section[*Scrape] {
	return []metrics.Section[*Scrape]{nodeMetrics, moduleMetrics, replicaMetrics, shareMetrics, filterMetrics, heartMetrics, pluginMetrics}
}

// Scrape is what one look at the metrics reads. What takes time is asked once, and only
// if a metric wants it.
type Scrape struct {
	d      *Daemon
	m      *member // nil while the node belongs to no cluster
	filter func() (sdk.FilterState, bool)
	opened func() map[string]map[string]int
}

// scrapeTime limits how long the filter may take to answer.
const scrapeTime = time.Second

func (d *Daemon) scrape(ctx context.Context) *Scrape {
	s := &Scrape{d: d, m: d.current()}
	s.filter = sync.OnceValues(func() (sdk.FilterState, bool) { return s.askFilter(ctx) })
	s.opened = sync.OnceValue(func() map[string]map[string]int { return s.connections(ctx) })
	return s
}

// metricsHandler answers scrapes.
func (d *Daemon) metricsHandler() http.Handler { return metrics.Handler(Metrics(), d.scrape, d.log) }

// modules are the installed modules.
func (s *Scrape) modules() []*module {
	if s.m == nil {
		return nil
	}
	return s.m.all()
}

// shared are the modules that share connections now.
func (s *Scrape) shared() []*module {
	var list []*module
	for _, mod := range s.modules() {
		if mod.sharing != nil && mod.runner.Snapshot().Network {
			list = append(list, mod)
		}
	}
	return list
}

// askFilter asks the filter; false if there is nothing to ask for, or it does not
// answer.
func (s *Scrape) askFilter(ctx context.Context) (sdk.FilterState, bool) {
	if len(s.shared()) == 0 { // a question would start the filter
		return sdk.FilterState{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	st, err := s.d.filter.State(ctx)
	if err != nil {
		s.d.log.Debug("ask the filter for its counters", "error", err)
	}
	return st, err == nil
}

// connections counts the open connections of each module, by group.
func (s *Scrape) connections(ctx context.Context) map[string]map[string]int {
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	all := map[string]map[string]int{}
	for _, mod := range s.shared() {
		groups, err := mod.connections(ctx)
		if err != nil {
			s.d.log.Debug("count connections", "module", mod.conf.Name, "error", err)
			continue
		}
		all[mod.conf.Name] = groups
	}
	return all
}

// ofModules reads a value of each module.
func ofModules(value func(mod *module, in core.Instance) float64) func(*Scrape, metrics.Sink) {
	return func(s *Scrape, out metrics.Sink) {
		for _, mod := range s.modules() {
			out.Value(value(mod, mod.runner.Snapshot()), mod.conf.Name)
		}
	}
}

// ofShared reads a value of each module that shares connections.
func ofShared(value func(mod *module) float64) func(*Scrape, metrics.Sink) {
	return func(s *Scrape, out metrics.Sink) {
		for _, mod := range s.shared() {
			out.Value(value(mod), mod.conf.Name)
		}
	}
}

// seconds is a moment as Prometheus writes it; 0 if there was none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
