package main

import (
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// What people are told of replication.
func TestReplicationText(t *testing.T) {
	at := time.Date(2026, 1, 2, 22, 0, 0, 0, time.Local)
	for _, c := range []struct {
		of   control.Replication
		want string
	}{
		{control.Replication{Role: "stop"}, "replication: stopped"},
		{control.Replication{Role: "prim", State: "alone", Why: "the peer's disk is full", NextSync: &at},
			"replication: without the secondary; what changes is recorded; the peer's disk is full; synchronised at times, the next is 2026-01-02 22:00"},
		{control.Replication{Role: "prim", State: "mirroring", Connected: true, LagOperations: 3, LagBytes: 5000, Rate: 3 << 20, Verified: &control.Verification{At: at, Complete: true}},
			"replication: mirroring; the secondary lacks 3 operations, 4.9 KiB; 3.0 MiB/s are sent; verified 2026-01-02 22:00: the same"},
		{control.Replication{Role: "prim", State: "resyncing", Connected: true, Resync: &control.Resync{Running: true, Files: 7, Known: 9, Total: 4 << 30, Done: 1 << 30, Sent: 1 << 20, Rate: 100 << 20, Left: control.Duration(31 * time.Second)}},
			"replication: resyncing; the secondary lacks 0 operations, 0 B; 1.0 GiB of 4.0 GiB in 7 of 9 files compared, 1.0 MiB sent, 100.0 MiB/s, about 31s left"},
		{control.Replication{Role: "prim", State: "mirroring", Connected: true, Verifying: &control.Verifying{Files: 12, Known: 9, Total: 4 << 30, Done: 1 << 30, Left: control.Duration(31 * time.Second)}},
			"replication: mirroring; the secondary lacks 0 operations, 0 B; it is verified: 1.0 GiB of 4.0 GiB in 9 of 9 files, about 31s left"},
		{control.Replication{Role: "second", State: "copied", Connected: true, Verified: &control.Verification{At: at, Complete: true, Different: 2}},
			"replication: copied; verified 2026-01-02 22:00: 2 files differ"},
	} {
		if got := replicationText(c.of); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// SafeKit's names for how fast it goes, in KB/s.
func TestBandwidthResources(t *testing.T) {
	n := control.ModuleNode{}
	n.Pair = &control.Pair{UpToDate: true, Replication: &control.Replication{Rate: 5 << 20, Resync: &control.Resync{Rate: 2 << 20}}}
	n.State = core.Prim
	other := control.ModuleNode{Node: "n2", State: core.Second, Pair: &control.Pair{Replication: &control.Replication{}}}
	m := control.ModuleStatus{Nodes: []control.ModuleNode{n, other}}
	for id, want := range map[string]string{"uptodate": "up", "degraded": "down", "rep_bandwidth": "5120", "rei_bandwidth": "2048", "netout_bandwidth": "5120", "netin_bandwidth": "0"} {
		if got, ok := pairResource(m, n, id); !ok || got != want {
			t.Errorf("rfs.%s is %q, %t", id, got, ok)
		}
	}
	for id, want := range map[string]string{"netout_bandwidth": "0", "netin_bandwidth": "5120"} {
		if got, ok := pairResource(m, other, id); !ok || got != want {
			t.Errorf("rfs.%s of the secondary is %q, %t", id, got, ok)
		}
	}
	if _, ok := pairResource(m, n, "nothing"); ok {
		t.Error("rfs.nothing is known")
	}
}
