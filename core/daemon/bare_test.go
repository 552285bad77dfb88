package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// TestBare: the application of a stopped module is started and stopped without the module, whose
// state stays as it is; one that cannot start is stopped.
func TestBare(t *testing.T) {
	d, _ := alone(t)
	ctx, said := t.Context(), filepath.Join(t.TempDir(), "said")
	files := appliedModule()
	tells := `local old = file.exists("%[1]s") and file.read("%[1]s") or ""
file.write("%[1]s", old .. ctx.hook .. (ctx.force and " force" or "") .. " " .. ctx.from .. " " .. ctx.to .. ";")`
	for name := range files {
		if strings.HasSuffix(name, ".lua") {
			files[name] = tells
		}
	}
	files["bin/start_prim.lua"] = tells + ` if file.exists("%[1]s.broken") then fail("no licence") end`
	files["bin/stop_prim.lua"] = tells
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, said)}); err != nil {
		t.Fatal(err)
	}
	expect := func(start bool, wrong, want string) {
		t.Helper()
		_, err := d.Bare(ctx, "root", "app", control.BareRequest{Start: start})
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("start %t: %v, want %q", start, err, wrong)
		}
		text, err := os.ReadFile(said)
		if err != nil && !errors.Is(err, os.ErrNotExist) || string(text) != want {
			t.Errorf("hooks %q, want %q (%v)", text, want, err)
		}
		_ = os.Remove(said)
		if mod, err := d.module("app"); err != nil || mod.runner.Snapshot().Status() != "STOP NotReady" && wrong == "" {
			t.Errorf("the module is %s: %v", mod.runner.Snapshot().Status(), err)
		}
	}
	stops := "stop_prim UP WAIT;stop_prim force UP WAIT;stop_both UP WAIT;stop_both force UP WAIT;"
	expect(true, "", "start_both WAIT UP;start_prim WAIT UP;")
	expect(false, "", stops)
	if err := os.WriteFile(said+".broken", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(true, "hook start_prim failed: bin/start_prim.lua", "start_both WAIT UP;start_prim WAIT UP;"+stops)
	if err := os.Remove(said + ".broken"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(ctx, "root", "app", core.VerbStart, control.VerbRequest{Wait: control.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(said); err != nil {
		t.Fatal(err)
	}
	expect(true, "app is UP Ready on this node", "")
	expect(false, "app is UP Ready on this node", "")
}
