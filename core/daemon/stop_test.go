package daemon

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// loaded is a node with a module that is stopped.
func loaded(t *testing.T) (*Daemon, *module) {
	t.Helper()
	d, _ := alone(t)
	if _, err := d.member.catalog.Put(moduleItem("web"), packModule(t, appliedModule(), filepath.Join(t.TempDir(), "said")), []byte("{}"), "root"); err != nil {
		t.Fatal(err)
	}
	if err := d.member.load("web"); err != nil {
		t.Fatal(err)
	}
	mod, err := d.member.module("web")
	if err != nil {
		t.Fatal(err)
	}
	return d, mod
}

// Nor is a module started whose time has come just then.
func TestNothingIsStartedAtTheEnd(t *testing.T) {
	for _, closing := range []bool{false, true} {
		d, mod := loaded(t)
		d.member.closing = closing
		d.member.bootNow(mod)
		if got := mod.runner.Snapshot().State != core.Stop; got == closing {
			t.Errorf("closing %t, started %t", closing, got)
		}
	}
}

// While the daemon stops its modules it loads none: one with a configuration that waits
// for its stop would run again, and nobody would stop it.
func TestNothingIsLoadedAtTheEnd(t *testing.T) {
	d, mod := loaded(t)
	if err := mod.runner.Command(t.Context(), core.VerbStart, "", "the test"); err != nil {
		t.Fatal(err)
	}
	if _, err := mod.runner.WaitSettled(t.Context()); err != nil {
		t.Fatal(err)
	}
	updates, cancel := mod.runner.Subscribe()
	defer cancel()
	loads := make(chan bool, 1)
	go func() {
		for in := range updates {
			if in.Phase == core.Transient || in.State == core.Stop { // it stops, or has
				d.member.mu.Lock()
				loads <- !d.member.closing
				d.member.mu.Unlock()
				return
			}
		}
	}()
	d.member.stopModules(10 * time.Second)
	select {
	case is := <-loads:
		if is {
			t.Error("modules are loaded while the others are stopped")
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing was heard of the stop")
	}
}
