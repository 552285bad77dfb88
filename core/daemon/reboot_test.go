package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// TestReboot: a module with automatic_reboot that fails has the machine restarted, once; what
// counts in maxloop is not forgotten by that, or it would go on for ever. Where the
// machine cannot be restarted the module is started.
func TestReboot(t *testing.T) {
	d, _ := alone(t)
	asked := make(chan struct{}, 10)
	var wrong error
	d.opt.Reboot = func(context.Context) error { asked <- struct{}{}; return wrong }
	files := appliedModule()
	for name := range files {
		if strings.HasSuffix(name, ".lua") {
			files[name] = "-- %s"
		}
	}
	files["conf/userconfig.xml"] = strings.NewReplacer(`mode="light"`, `mode="light" automatic_reboot="on"`, `maxloop="3"`, `maxloop="2"`, `when="both"><to addr="127.0.0.1" port="1"/>`, `when="both" action="stopstart"><to addr="127.0.0.1" port="1"/>`).Replace(appliedConfig)
	ctx := t.Context()
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, "")}); err != nil {
		t.Fatal(err)
	}
	start := control.VerbRequest{Wait: control.Duration(time.Minute)}
	if _, err := d.Do(ctx, "root", "app", core.VerbStart, start); err != nil {
		t.Fatal(err)
	}
	until := func(mod *module, what string, holds func(core.Instance) bool) {
		t.Helper()
		updates, stop := mod.runner.Subscribe()
		defer stop()
		for limit := time.After(time.Minute); ; {
			select {
			case in := <-updates:
				if holds(in) {
					return
				}
			case <-limit:
				t.Fatalf("%s: %s, %s", what, mod.runner.Snapshot().Status(), mod.runner.Snapshot().LastReason)
			}
		}
	}
	fails := func() *module {
		t.Helper()
		mod, err := d.module("app")
		if err != nil {
			t.Fatal(err)
		}
		until(mod, "the check begins well", func(in core.Instance) bool { return in.Resources["tcp.a"].Value == core.ResUp })
		d.checks.Say("app", "tcp.a", core.ResDown, "refused")
		d.checks.Say("app", "tcp.a", core.ResDown, "refused")
		return mod
	}
	stopped := func(in core.Instance) bool { return in.State == core.Stop && in.Settled() }
	up := func(in core.Instance) bool { return in.Status() == "UP Ready" && in.Settled() }
	mod := fails()
	<-asked
	until(mod, "the machine is restarted", stopped)
	if w := d.member.wish("app"); w.Wanted != core.Up || len(w.Failures) != 1 {
		t.Errorf("kept for the next boot: %+v", w)
	}
	// The next boot.
	d.member.stopModules(time.Minute)
	d.member.closing = false
	d.member.loadAll()
	mod, err := d.module("app")
	if err != nil {
		t.Fatal(err)
	}
	until(mod, "it boots", up)
	if w := d.member.wish("app"); w.Wanted != core.Up {
		t.Errorf("kept for the boot after that: %+v", w)
	}
	wrong = errors.New("no power to do that")
	fails()
	<-asked
	until(mod, "started instead", func(in core.Instance) bool { return up(in) && len(in.Failures) == 2 })
	if w := d.member.wish("app"); w.Wanted != core.Up || len(w.Failures) != 2 {
		t.Errorf("kept for the boot after that: %+v", w)
	}
	fails()
	until(mod, "too often", func(in core.Instance) bool {
		return stopped(in) && strings.Contains(in.LastReason, "after 2 automatic restarts")
	})
	if len(asked) != 0 {
		t.Error("the machine is restarted beyond maxloop")
	}
}
