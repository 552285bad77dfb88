package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// Asked of all nodes, a restart leaves out those on which the module is not started, unless it is
// started nowhere; asked of one that is named, that is a mistake.
func TestNotStarted(t *testing.T) {
	idle, done, bad := control.NodeOutcome{OK: true, Idle: true}, control.NodeOutcome{OK: true}, control.NodeOutcome{}
	for _, c := range []struct {
		list         []control.NodeOutcome
		done, failed int
	}{
		{[]control.NodeOutcome{idle, done, idle}, 1, 0}, {[]control.NodeOutcome{idle, bad}, 0, 1},
		{[]control.NodeOutcome{idle, idle}, 0, 2}, {[]control.NodeOutcome{idle}, 0, 1}, {nil, 0, 0},
	} {
		if got, failed := doneNodes(c.list), len(failedNodes(c.list)); got != c.done || failed != c.failed {
			t.Errorf("%+v: %d done, %d failed", c.list, got, failed)
		}
	}
	d, _ := alone(t)
	ctx := t.Context()
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, appliedModule(), t.TempDir()+"/said")}); err != nil {
		t.Fatal(err)
	}
	mod, err := d.module("app")
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range []bool{true, false} {
		out := d.member.obey(ctx, order{Module: "app", Verb: core.VerbRestart, By: "root", All: all, Wait: control.Duration(time.Minute)})
		if out.OK != all || out.Idle != all || !strings.Contains(out.Text, "app is STOP on this node") {
			t.Errorf("all %t: %+v", all, out)
		}
	}
	stopped := new(core.NotStarted)
	for _, verb := range []core.Verb{core.VerbUndrain, core.VerbWakeup} {
		if err := mod.runner.Command(ctx, verb, "", "root"); !errors.As(err, &stopped) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	out, err := d.Do(ctx, "root", "app", core.VerbRestart, control.VerbRequest{})
	if err != nil || len(failedNodes(out.Nodes)) != 1 || out.Text != "restart of app on 0 of 1 nodes" {
		t.Errorf("started nowhere: %+v %v", out, err)
	}
}
