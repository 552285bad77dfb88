package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// TestDepart: a node that leaves its cluster, or was taken out of it, stops its modules, calls
// their deconfig, and keeps nothing from which a later one could go on.
func TestDepart(t *testing.T) {
	d, _ := alone(t)
	said := filepath.Join(t.TempDir(), "said")
	files := appliedModule()
	files["bin/deconfig.lua"] = `file.write("%[1]s", ctx.hook)`
	ctx := t.Context()
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, said)}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(ctx, "root", "app", core.VerbStart, control.VerbRequest{Wait: control.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	d.sessions = control.NewSessions(d.signingSecret)
	if err := d.depart(d.member); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(said); err != nil || string(text) != "deconfig" {
		t.Errorf("the last hook was %q, %v", text, err)
	}
	for _, dir := range []string{"active", "modules", "state"} {
		if left, err := os.ReadDir(d.path(dir)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v %v", dir, left, err)
		}
	}
	if d.current() != nil {
		t.Error("it is a member yet")
	}
}

// TestCrowded: no node joins that a mirror has no place for.
func TestCrowded(t *testing.T) {
	m := &member{modules: map[string]*module{"web": {conf: documented(t, checkedConfig)}}}
	if err := m.crowded(3); err != nil {
		t.Errorf("a farm: %v", err)
	}
	mirror := *documented(t, checkedConfig)
	mirror.Mode, mirror.Name = core.Mirror, "db"
	m.modules["db"] = &module{conf: &mirror}
	if err := m.crowded(2); err != nil {
		t.Error(err)
	}
	if err := m.crowded(3); err == nil || !strings.Contains(err.Error(), "the mirror db, which runs on the two nodes") {
		t.Error(err)
	}
}
