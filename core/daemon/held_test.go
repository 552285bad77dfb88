package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// TestHeldOverARestart: a module that somebody holds back is held back by the next daemon, too,
// and with a configuration for which it is stopped, until wakeup.
func TestHeldOverARestart(t *testing.T) {
	d, _ := alone(t)
	ctx, limit := t.Context(), control.Duration(time.Minute)
	files := appliedModule()
	for name := range files {
		if strings.HasSuffix(name, ".lua") {
			files[name] = "-- %s"
		}
	}
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, "")}); err != nil {
		t.Fatal(err)
	}
	do := func(verb core.Verb, want string) {
		t.Helper()
		out, err := d.Do(ctx, "root", "app", verb, control.VerbRequest{Wait: limit})
		if err != nil || !out.Nodes[0].OK || out.Nodes[0].State != want {
			t.Fatalf("%s: %+v %v, want %s", verb, out.Nodes, err, want)
		}
	}
	settled := func(want string) core.Instance {
		t.Helper()
		mod, err := d.module("app")
		if err != nil {
			t.Fatal(err)
		}
		updates, stop := mod.runner.Subscribe()
		defer stop()
		for late := time.After(time.Minute); ; {
			select {
			case in := <-updates:
				if in.Settled() && in.Status() == want {
					return in
				}
			case <-late:
				t.Fatalf("it is %s (%s), not %s", mod.runner.Snapshot().Status(), mod.runner.Snapshot().BlockedBy, want)
			}
		}
	}
	restart := func() {
		d.member.stopModules(time.Minute)
		d.member.closing = false
		d.member.loadAll()
	}
	do(core.VerbStart, "UP Ready")
	do(core.VerbWait, "WAIT NotReady")
	restart()
	if in := settled("WAIT NotReady"); !strings.HasPrefix(in.BlockedBy, "held back by root") {
		t.Errorf("it waits for %q", in.BlockedBy)
	}

	// A configuration that it is stopped for.
	files["bin/start_prim.lua"] = "-- %s"
	out, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, ""), StopStart: true})
	if err != nil || !out.Nodes[0].OK {
		t.Fatalf("%+v %v", out, err)
	}
	settled("WAIT NotReady")
	if mod, err := d.module("app"); err != nil || !slices.ContainsFunc(mod.config().Hooks, func(h config.Hook) bool { return h.Name == "start_prim" }) {
		t.Errorf("the new configuration is not in force: %v", err)
	}
	restart()
	settled("WAIT NotReady")
	do(core.VerbWakeup, "UP Ready")
	restart()
	settled("UP Ready")

	// Who stops it forgets that.
	do(core.VerbWait, "WAIT NotReady")
	do(core.VerbStop, "STOP NotReady")
	restart()
	do(core.VerbStart, "UP Ready")
}
