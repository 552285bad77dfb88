package daemon

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

func TestSwitches(t *testing.T) {
	var s switches
	for _, step := range []struct {
		name, to string
		want     switches
	}{
		{control.WatchProcesses, "off", switches{Muted: []string{control.WatchProcesses}}},
		{control.WatchChecks, "off", switches{Muted: []string{control.WatchChecks, control.WatchProcesses}}},
		{control.WatchChecks, "off", switches{Muted: []string{control.WatchChecks, control.WatchProcesses}}},
		{control.WatchProcesses, "on", switches{Muted: []string{control.WatchChecks}}},
		{control.SwitchBoot, "off", switches{Muted: []string{control.WatchChecks}, Boot: "off"}},
		{control.ClassPrefix + "b", "on", switches{Muted: []string{control.WatchChecks}, Boot: "off", Classes: []string{"b"}}},
		{control.ClassPrefix + "a", "on", switches{Muted: []string{control.WatchChecks}, Boot: "off", Classes: []string{"a", "b"}}},
		{control.ClassPrefix + "b", "off", switches{Muted: []string{control.WatchChecks}, Boot: "off", Classes: []string{"a"}}},
	} {
		next, err := s.turned(step.name, step.to)
		if err != nil || !reflect.DeepEqual(next, step.want) {
			t.Fatalf("%s %s: %+v %v", step.name, step.to, next, err)
		}
		s = next
	}
	if !s.mutes("tcp.web") || s.mutes("proc.nginx") {
		t.Errorf("%+v mutes the wrong resources", s)
	}
	for _, bad := range [][2]string{{control.WatchChecks, "auto"}, {control.SwitchBoot, "yes"}, {"light", "on"}, {control.ClassPrefix + "a", "auto"}} {
		if _, err := s.turned(bad[0], bad[1]); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
	for configured, want := range map[string]string{"ignore": "off", "": "off", "on": "on", "auto": "auto"} {
		if got := s.atBoot(configured); got != want {
			t.Errorf("boot=%q with boot switched off is %s", configured, got)
		}
	}
	if got := (switches{}).atBoot("ignore"); got != "auto" {
		t.Errorf("what nobody decided is %s", got)
	}
}

// A class of the module's own is watched from when it is switched on until it is
// switched off, and one that the module has not cannot be.
func TestOwnClass(t *testing.T) {
	conf := documented(t, `<safe><service mode="farm"><user/><errd>
		<proc name="a"/><proc name="b" class="mine"/><proc name="c" class="yours"/>
	</errd></service></safe>`)
	mod := &module{conf: conf}
	if off := mod.unwatched(conf); len(off) != 2 || off["proc.b"] != "class mine is not switched on" || off["proc.c"] == "" {
		t.Errorf("at first %v are not watched", off)
	}
	mod.switches.Classes = []string{"mine"}
	if off := mod.unwatched(conf); len(off) != 1 || off["proc.c"] == "" {
		t.Errorf("with mine %v are not watched", off)
	}
	mod.switches.Muted = []string{control.WatchProcesses}
	if off := mod.unwatched(conf); len(off) != 3 || off["proc.a"] != "processes are switched off" {
		t.Errorf("with all off %v are not watched", off)
	}
	for name, want := range map[string]string{"class.mine": "", "boot": "", "class.theirs": `conf has no class "theirs" of its own in <errd>; it has: mine, yours`} {
		text := ""
		if err := mod.hasClass(name); err != nil {
			text = err.Error()
		}
		if !strings.HasSuffix(text, strings.TrimPrefix(want, "conf")) || (text == "") != (want == "") {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
}

// The hook update is called when an operator switches what is watched.
func TestSwitchedIsTold(t *testing.T) {
	d, _ := alone(t)
	ctx, said := t.Context(), filepath.Join(t.TempDir(), "said")
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, appliedModule(), said)}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(ctx, "root", "app", core.VerbStart, control.VerbRequest{Wait: control.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	mod, err := d.module("app")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{control.WatchChecks, control.WatchProcesses} {
		if err := os.WriteFile(said, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := d.Switch(ctx, "root", "app", control.SwitchRequest{Name: name, To: "off"}); err != nil || !out.Nodes[0].OK {
			t.Fatalf("%+v %v", out, err)
		}
		updates, stop := mod.runner.Subscribe()
		told := false
		for limit := time.After(time.Minute); !told; {
			select {
			case in := <-updates:
				text, err := os.ReadFile(said)
				told = in.Settled() && err == nil && string(text) == "update red"
			case <-limit:
				t.Fatalf("no hook is told that %s are off", name)
			}
		}
		stop()
	}
}
