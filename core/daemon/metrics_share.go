package daemon

import (
	"cmp"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/metrics"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

var shareMetrics = metrics.Section[*Scrape]{Title: "The share of the connections", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_share_owned_buckets", Kind: metrics.Gauge, Labels: []string{"module", "group"},
		Help: "Of the 4096 parts of the clients, those whose new connections this node takes.",
		Read: ofRows(func(r share.Row, self core.NodeID) bool { return r.Owner() == self })},
	{Name: "orchestrator_share_held_buckets", Kind: metrics.Gauge, Labels: []string{"module", "group"},
		Help: "Parts that belong to others now, and in which clients may still have connections to this node.",
		Read: ofRows(func(r share.Row, self core.NodeID) bool {
			return r.Owner() != self && slices.Contains(r.Previous(), self)
		})},
	{Name: "orchestrator_share_moving_buckets", Kind: metrics.Gauge, Labels: []string{"module", "group"},
		Help: "Parts in which another node than the owner may have connections, so that they are looked for.",
		Read: ofRows(func(r share.Row, _ core.NodeID) bool { return !r.Settled() })},
	{Name: "orchestrator_share_connections", Kind: metrics.Gauge, Labels: []string{"module", "group"},
		Help: "Open connections of this node to the virtual addresses; of a drained one, those that are left. To count them takes half a microsecond of a processor for each socket of the machine: a number is shown for a hundred times as long as it took, so that whoever looks often costs at most a hundredth of a processor.",
		Read: func(s *Scrape, out metrics.Sink) {
			for module, groups := range s.opened() {
				for group, n := range groups {
					out.Value(float64(n), module, group)
				}
			}
		}},
	{Name: "orchestrator_share_agreed", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 if all nodes are known to use the same table. While it is 0 every connection is looked for and none is reset.",
		Read: ofShared(func(mod *module) float64 { return metrics.Truth(mod.sharing.agreed()) })},
	{Name: "orchestrator_share_planning", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 while a planned move is under way.",
		Read: ofShared(func(mod *module) float64 { return metrics.Truth(mod.sharing.current().Moving) })},
	{Name: "orchestrator_share_plan_steps_total", Kind: metrics.Counter, Labels: []string{"module"},
		Help: "Steps of planned moves that this node has made: tables that the coordinator sent.",
		Read: ofShared(func(mod *module) float64 { return float64(mod.sharing.counted().views) })},
	{Name: "orchestrator_share_table_changes_total", Kind: metrics.Counter, Labels: []string{"module"},
		Help: "Times that the table came to be another one, planned or not.",
		Read: ofShared(func(mod *module) float64 { return float64(mod.sharing.counted().tables) })},
	{Name: "orchestrator_share_last_change_timestamp_seconds", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "When the table came to be another one for the last time, as Unix time; 0: never.",
		Read: ofShared(func(mod *module) float64 { return seconds(mod.sharing.counted().changed) })},
}}

// ofRows counts rows of each group.
func ofRows(counts func(r share.Row, self core.NodeID) bool) func(*Scrape, metrics.Sink) {
	return func(s *Scrape, out metrics.Sink) {
		for _, mod := range s.shared() {
			for _, t := range mod.sharing.current().Tables {
				n := 0
				for _, r := range t.Rows {
					if counts(r, s.m.id.Node.Number) {
						n++
					}
				}
				out.Value(float64(n), mod.conf.Name, t.Name)
			}
		}
	}
}

var filterMetrics = metrics.Section[*Scrape]{Title: "The packet filter", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_filter_packets_total", Kind: metrics.Counter, Labels: []string{"module", "group", "class", "verdict", "reason"},
		Help: "Packets to virtual addresses. verdict: accept, forward, drop, and arp and ndp for who asks for an address; reason as in 'orchestrator filter show', with the verdict before it. class: what the client's part was to this node at that moment: own, other, and own-moving and other-moving while several nodes may have connections in it, so that they are looked for. Packets that met their end before a group was asked have neither group nor class.",
		Read: func(s *Scrape, out metrics.Sink) {
			st, _ := s.filter()
			for _, c := range st.Packets {
				verdict, _, _ := strings.Cut(c.Reason, "-")
				out.Value(float64(c.Packets), c.Module, c.Group, c.Class, verdict, c.Reason)
			}
		}},
	{Name: "orchestrator_filter_interface_info", Kind: metrics.Gauge, Labels: []string{"interface", "how"},
		Help: "1; how is the way in which the interface is filtered: xdp-native, xdp-generic or tcx, or none if it is not any more.",
		Read: func(s *Scrape, out metrics.Sink) {
			st, _ := s.filter()
			for _, a := range st.Attachments {
				out.Value(1, a.Interface, cmp.Or(a.How, "none"))
			}
		}},
	{Name: "orchestrator_filter_strangers", Kind: metrics.Gauge,
		Help: "Machines that claimed a virtual address in the last five minutes without being a node of the farm.",
		Read: func(s *Scrape, out metrics.Sink) {
			if st, ok := s.filter(); ok {
				out.Value(float64(len(st.Strangers)))
			}
		}},
	{Name: "orchestrator_lease_remaining_seconds", Kind: metrics.Gauge,
		Help: "How long the filter may serve without another heartbeat of this node; negative: the lease has run out.",
		Read: func(s *Scrape, out metrics.Sink) {
			if st, ok := s.filter(); ok && st.LeaseUntil > 0 {
				out.Value((float64(st.LeaseUntil) - float64(uptime())) / 1e9)
			}
		}},
}}
