package daemon

import (
	"os"
	"runtime"
	"strconv"

	"github.com/orchestrator-ha/orchestrator/core/metrics"
	"github.com/orchestrator-ha/orchestrator/core/pluginhost"
)

var nodeMetrics = metrics.Section[*Scrape]{Title: "The node", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_build_info", Kind: metrics.Gauge, Labels: []string{"version", "goversion", "goos", "goarch"},
		Help: "1; the labels tell which program runs.",
		Read: func(s *Scrape, out metrics.Sink) {
			out.Value(1, s.d.opt.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		}},
	{Name: "orchestrator_node_info", Kind: metrics.Gauge, Labels: []string{"cluster", "node", "number"},
		Help: "1; the labels tell which node of which cluster this is. Missing while it belongs to none.",
		Read: func(s *Scrape, out metrics.Sink) {
			if s.m != nil {
				n := s.m.id.Node.Number
				out.Value(1, s.m.settings().Name, s.m.name(n), strconv.Itoa(int(n)))
			}
		}},
	{Name: "orchestrator_journal_size_bytes", Kind: metrics.Gauge,
		Help: "Size of the journal's files.",
		Read: func(s *Scrape, out metrics.Sink) {
			var size int64
			for _, name := range []string{"journal.db", "journal.db-wal"} {
				if st, err := os.Stat(s.d.path(name)); err == nil {
					size += st.Size()
				}
			}
			out.Value(float64(size))
		}},
	{Name: "orchestrator_journal_entries_total", Kind: metrics.Counter,
		Help: "Entries that were ever written to the journal; the oldest are forgotten.",
		Read: func(s *Scrape, out metrics.Sink) { out.Value(float64(s.d.journal.Last())) }},
}}

var pluginMetrics = metrics.Section[*Scrape]{Title: "Plugins", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_plugin_state", Kind: metrics.Gauge, Labels: []string{"kind", "plugin", "state"},
		Help: "1 for the state of the plugin's process, 0 for the others: idle (not needed yet), starting, running, dead, closed.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, p := range s.d.plugins.List() {
				out.OneOf(string(p.State), pluginStates, string(p.Kind), p.Name)
			}
		}},
	{Name: "orchestrator_plugin_restarts_total", Kind: metrics.Counter, Labels: []string{"kind", "plugin"},
		Help: "How often the plugin's process was started again.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, p := range s.d.plugins.List() {
				out.Value(float64(p.Restarts), string(p.Kind), p.Name)
			}
		}},
}}

var pluginStates = []string{
	string(pluginhost.Idle), string(pluginhost.Starting), string(pluginhost.Running), string(pluginhost.Dead), string(pluginhost.Closed),
}
