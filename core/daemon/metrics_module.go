package daemon

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/metrics"
)

var moduleMetrics = metrics.Section[*Scrape]{Title: "Modules", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_module_state", Kind: metrics.Gauge, Labels: []string{"module", "state"},
		Help: "1 for the state of the module here, 0 for the others: STOP, WAIT, UP; of a mirror ALONE, PRIM, SECOND.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				out.OneOf(mod.runner.Snapshot().State.String(), stateNames, mod.conf.Name)
			}
		}},
	{Name: "orchestrator_module_phase", Kind: metrics.Gauge, Labels: []string{"module", "phase"},
		Help: "1 for how settled the state is, 0 for the others: Ready, Transient (on its way), NotReady (stopped or held back).",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				out.OneOf(string(mod.runner.Snapshot().Phase), phaseNames, mod.conf.Name)
			}
		}},
	{Name: "orchestrator_module_serving", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 if the module takes new connections here, as /health/MODULE says.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				is, _ := s.d.Serving(mod.conf.Name)
				out.Value(metrics.Truth(is), mod.conf.Name)
			}
		}},
	{Name: "orchestrator_module_drained", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 if an operator has drained the module here.",
		Read: ofModules(func(_ *module, in core.Instance) float64 { return metrics.Truth(in.Drained) })},
	{Name: "orchestrator_module_last_transition_timestamp_seconds", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "When state or phase last changed, as Unix time.",
		Read: ofModules(func(_ *module, in core.Instance) float64 { return seconds(in.Since) })},
	{Name: "orchestrator_module_loop_actions", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Automatic restarts and stops that the error counter (maxloop) counts now.",
		Read: ofModules(func(_ *module, in core.Instance) float64 { return float64(in.Counted(time.Now())) })},
	{Name: "orchestrator_module_loop_limit", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "maxloop: one more action stops the module.",
		Read: ofModules(func(_ *module, in core.Instance) float64 { return float64(in.Module.MaxLoop) })},
	{Name: "orchestrator_resource_state", Kind: metrics.Gauge, Labels: []string{"module", "resource", "state"},
		Help: "1 for what is known of a resource of the module here, 0 for the others: init (not looked at yet), up, down, unknown.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				in := mod.runner.Snapshot()
				for name, r := range in.Resources {
					if in.Network || !ofNetwork(name) || isCheck(mod.config(), name) {
						out.OneOf(string(r.Value), valueNames, mod.conf.Name, name)
					}
				}
			}
		}},
	{Name: "orchestrator_hook_duration_seconds", Kind: metrics.Histogram, Labels: []string{"module", "hook"},
		Help: "How long the module's hooks ran, since the configuration in use was loaded.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				mod.hooks.each(func(name string, r hookRun) { out.Distribution(r.took, mod.conf.Name, name) })
			}
		}},
	{Name: "orchestrator_hook_failures_total", Kind: metrics.Counter, Labels: []string{"module", "hook"},
		Help: "Runs of a hook that failed or were cut short.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				mod.hooks.each(func(name string, r hookRun) { out.Value(float64(r.failed), mod.conf.Name, name) })
			}
		}},
}}

var (
	stateNames = []string{core.Stop.String(), core.Wait.String(), core.Up.String(), core.Alone.String(), core.Prim.String(), core.Second.String()}
	phaseNames = []string{string(core.Ready), string(core.Transient), string(core.NotReady)}
	valueNames = []string{string(core.ResInit), string(core.ResUp), string(core.ResDown), string(core.ResUnknown)}
)
