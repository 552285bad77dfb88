package daemon

import (
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
	"github.com/orchestrator-ha/orchestrator/core/metrics"
)

var heartMetrics = metrics.Section[*Scrape]{Title: "Heartbeats", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_heartbeat_peer_state", Kind: metrics.Gauge, Labels: []string{"peer", "state"},
		Help: "1 for what this node holds of another one, 0 for the others: never heard, alive, suspect, lost, left (it said goodbye).",
		Read: ofPeers(func(peer string, p heartbeat.PeerStatus, out metrics.Sink) {
			out.OneOf(string(p.Verdict), verdictNames, peer)
		})},
	{Name: "orchestrator_heartbeat_silence_seconds", Kind: metrics.Gauge, Labels: []string{"peer", "network"},
		Help: "How long ago the peer was last heard on the network. Missing if it never was.",
		Read: ofPeers(func(peer string, p heartbeat.PeerStatus, out metrics.Sink) {
			for _, n := range p.Networks {
				if n.Silent >= 0 {
					out.Value(n.Silent.Seconds(), peer, n.Network)
				}
			}
		})},
	{Name: "orchestrator_heartbeat_path_up", Kind: metrics.Gauge, Labels: []string{"peer", "network"},
		Help: "1 if both nodes hear each other on the network.",
		Read: ofPeers(func(peer string, p heartbeat.PeerStatus, out metrics.Sink) {
			for _, n := range p.Networks {
				out.Value(metrics.Truth(n.Heard && n.HearsUs), peer, n.Network)
			}
		})},
	{Name: "orchestrator_heartbeat_timeout_seconds", Kind: metrics.Gauge,
		Help: "How long this node may be silent before it is declared lost: longer than configured for a while after it ran late.",
		Read: ofHeart(func(h *heartbeat.Heartbeat, out metrics.Sink) {
			now, _ := h.Timeout()
			out.Value(now.Seconds())
		})},
	{Name: "orchestrator_heartbeat_configured_timeout_seconds", Kind: metrics.Gauge,
		Help: "The same as configured.",
		Read: ofHeart(func(h *heartbeat.Heartbeat, out metrics.Sink) {
			_, configured := h.Timeout()
			out.Value(configured.Seconds())
		})},
	{Name: "orchestrator_heartbeat_stalls_total", Kind: metrics.Counter,
		Help: "Times that this node's own heartbeat ran late by more than an interval.",
		Read: ofCounters(func(c heartbeat.Counters) float64 { return float64(c.Stalls) })},
	{Name: "orchestrator_heartbeat_late_seconds_total", Kind: metrics.Counter,
		Help: "By how much it ran late at those times, in all.",
		Read: ofCounters(func(c heartbeat.Counters) float64 { return c.Late.Seconds() })},
	{Name: "orchestrator_heartbeat_lapses_total", Kind: metrics.Counter,
		Help: "Times that this node's own lease ran out.",
		Read: ofCounters(func(c heartbeat.Counters) float64 { return float64(c.Lapses) })},
	{Name: "orchestrator_heartbeat_losses_total", Kind: metrics.Counter,
		Help: "Times that this node declared another one lost.",
		Read: ofCounters(func(c heartbeat.Counters) float64 { return float64(c.Losses) })},
	{Name: "orchestrator_heartbeat_sent_packets_total", Kind: metrics.Counter,
		Help: "Heartbeats sent.",
		Read: ofCounters(func(c heartbeat.Counters) float64 { return float64(c.Sent) })},
	{Name: "orchestrator_heartbeat_received_packets_total", Kind: metrics.Counter,
		Help: "Heartbeats of peers.",
		Read: ofCounters(func(c heartbeat.Counters) float64 { return float64(c.Received) })},
	{Name: "orchestrator_heartbeat_failed_packets_total", Kind: metrics.Counter, Labels: []string{"reason"},
		Help: "Heartbeats that could not be sent (send) or were not taken: recorded, repeated or overtaken (replayed), not of this cluster (foreign), of another version of the protocol (version).",
		Read: ofHeart(func(h *heartbeat.Heartbeat, out metrics.Sink) {
			c := h.Counters()
			for reason, n := range map[string]uint64{"send": c.SendErrors, "replayed": c.Replayed, "foreign": c.Foreign, "version": c.Version} {
				out.Value(float64(n), reason)
			}
		})},
	{Name: "orchestrator_gossip_round_trip_seconds", Kind: metrics.Gauge, Labels: []string{"peer"},
		Help: "How long the last ping to the peer's daemon and its answer took. Heartbeats go one way and have no round trip; this is of the membership protocol, on the preferred network. Missing before the first.",
		Read: func(s *Scrape, out metrics.Sink) {
			if s.m == nil {
				return
			}
			for _, p := range s.m.cluster.Members() {
				if p.RoundTrip > 0 {
					out.Value(p.RoundTrip.Seconds(), p.Name)
				}
			}
		}},
}}

var verdictNames = []string{
	string(heartbeat.VerdictNever), string(heartbeat.VerdictAlive), string(heartbeat.VerdictSuspect), string(heartbeat.VerdictLost), string(heartbeat.VerdictLeft),
}

func ofHeart(read func(*heartbeat.Heartbeat, metrics.Sink)) func(*Scrape, metrics.Sink) {
	return func(s *Scrape, out metrics.Sink) {
		if s.m != nil {
			read(s.m.heart, out)
		}
	}
}

func ofCounters(value func(heartbeat.Counters) float64) func(*Scrape, metrics.Sink) {
	return ofHeart(func(h *heartbeat.Heartbeat, out metrics.Sink) { out.Value(value(h.Counters())) })
}

func ofPeers(read func(peer string, p heartbeat.PeerStatus, out metrics.Sink)) func(*Scrape, metrics.Sink) {
	return func(s *Scrape, out metrics.Sink) {
		if s.m == nil {
			return
		}
		for _, p := range s.m.heart.Status() {
			read(s.m.name(p.Node), p, out)
		}
	}
}
