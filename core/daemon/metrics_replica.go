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
	{Name: "orchestrator_replica_syncs_waiting", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: syncs of the application (fsync) that wait for the secondary's disk.",
		Read: ofPrimaries(func(r *control.Replication, set func(float64)) { set(float64(r.Syncs)) })},
	{Name: "orchestrator_replica_degraded", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "1 if this node serves without the other one because replication failed.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				if mod.replica != nil {
					out.Value(metrics.Truth(mod.runner.Snapshot().Degraded()), mod.conf.Name)
				}
			}
		}},
	{Name: "orchestrator_replica_generation_info", Kind: metrics.Gauge, Labels: []string{"module", "data", "copy"},
		Help: "1 with the names of the data here as labels: data, which decides who may be primary, and copy, which decides what has to be compared. Two nodes that have the same are up to date.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				if mod.replica != nil {
					out.Value(1, mod.conf.Name, mod.runner.Snapshot().Pair.Self.Data.Generation.String(), mod.replica.Status().Generations)
				}
			}
		}},
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
	{Name: "orchestrator_replica_resync_left_seconds", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "Primary: how long it will take yet, estimated from its speed so far.",
		Read: ofResyncs(func(r *control.Resync) float64 { return time.Duration(r.Left).Seconds() })},
	{Name: "orchestrator_replica_synced_timestamp_seconds", Kind: metrics.Gauge, Labels: []string{"module"},
		Help: "When the copy here was last known to be up to date, as Unix time; while it is, that is when it became so.",
		Read: func(s *Scrape, out metrics.Sink) {
			for _, mod := range s.modules() {
				if at := mod.runner.Snapshot().Pair.Synced; mod.replica != nil && at != 0 {
					out.Value(float64(at), mod.conf.Name)
				}
			}
		}},
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
