package daemon

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/metrics"
)

var replicaMetrics = metrics.Section[*Scrape]{Title: "Replicated folders", Metrics: []metrics.Metric[*Scrape]{
	{Name: "orchestrator_replica_up_to_date", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 if this node may become primary as far as its data goes.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				if mod.replica != nil {
					out.Value(metrics.Truth(mod.runner.Snapshot().UpToDate()), mod.conf.Name)
				}
			}
		}},
	{Name: "orchestrator_replica_connected", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 if the two nodes are connected for replication.",
		Read: ofReplicas(func(r *control.Replication, set func(float64)) { set(metrics.Truth(r.Connected)) })},
	{Name: "orchestrator_replica_state", Kind: metrics.Gauge, Labels: []string{"module", "state"},
		Help: "1 for where replication stands here, 0 for the others: of a primary alone, preparing, resyncing, joining, mirroring, suspended (it waits for the cluster), recording, stopped; of a secondary connecting, following, copied.",
		Read: func(s *Scrape, out metrics.Sink) {
			s.replicas(func(module string, r *control.Replication) { out.OneOf(r.State, replicaStates, module) })
		}},
	{Name: "orchestrator_replica_lag_operations", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: operations that the secondary has not carried out yet.",
		Read: ofPrimaries(func(r *control.Replication, set func(float64)) { set(float64(r.LagOperations)) })},
	{Name: "orchestrator_replica_lag_bytes", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: their bytes.",
		Read: ofPrimaries(func(r *control.Replication, set func(float64)) { set(float64(r.LagBytes)) })},
	{Name: "orchestrator_replica_sent_bytes_total", Kind: metrics.Counter, Labels: []string{"module"},
		Help: "Primary: bytes sent to the secondary since it is connected.",
		Read: ofPrimaries(func(r *control.Replication, set func(float64)) { set(float64(r.Sent)) })},
	{Name: "orchestrator_replica_resync_total_bytes", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: bytes that the resynchronisation under way compares, as far as that is known.",
		Read: ofResyncs(func(r *control.Resync) float64 { return float64(r.Total) })},
	{Name: "orchestrator_replica_resync_done_bytes", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: bytes of them that were compared.",
		Read: ofResyncs(func(r *control.Resync) float64 { return float64(r.Done) })},
	{Name: "orchestrator_replica_resync_sent_bytes", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: bytes of them that differed.",
		Read: ofResyncs(func(r *control.Resync) float64 { return float64(r.Sent) })},
	{Name: "orchestrator_replica_verified_timestamp_seconds", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "When both copies were last compared from this node, as Unix time.",
		Read: ofVerifications(func(v *control.Verification) float64 { return seconds(v.At) })},
	{Name: "orchestrator_replica_verified_different", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "In how many files they differed then.",
		Read: ofVerifications(func(v *control.Verification) float64 { return float64(v.Different) })},
}}

var replicaStates = []string{
	"alone", "preparing", "resyncing", "joining", "mirroring", "suspended", "recording", "stopped", "connecting", "following", "copied",
}

// replicas looks at all modules that replicate something.
func (s *Scrape) replicas(look func(module string, r *control.Replication)) {
	for _, mod := range s.modules() {
		if mod.replica != nil {
			look(mod.conf.Name, mod.replica.Status())
		}
	}
}

type readReplicas = func(*Scrape, metrics.Sink)

func ofReplicas(value func(r *control.Replication, set func(float64))) readReplicas {
	return func(s *Scrape, out metrics.Sink) {
		s.replicas(func(module string, r *control.Replication) {
			value(r, func(v float64) { out.Value(v, module) })
		})
	}
}

func ofPrimaries(value func(r *control.Replication, set func(float64))) readReplicas {
	return ofReplicas(func(r *control.Replication, set func(float64)) {
		if r.Role == "prim" {
			value(r, set)
		}
	})
}

func ofResyncs(value func(*control.Resync) float64) readReplicas {
	return ofPrimaries(func(r *control.Replication, set func(float64)) {
		if r.Resync != nil && r.Resync.Running {
			set(value(r.Resync))
		}
	})
}

func ofVerifications(value func(*control.Verification) float64) readReplicas {
	return ofReplicas(func(r *control.Replication, set func(float64)) {
		if v := r.Verified; v != nil && v.At.After(time.Time{}) {
			set(value(v))
		}
	})
}
