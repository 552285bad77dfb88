package daemon

import (
	"context"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A boot_delay counts from the boot of the machine: what is left of it is
// waited for, unless the node stops.
func TestBootDelay(t *testing.T) {
	if up := uptime(); up < time.Second {
		t.Errorf("the machine was booted %s ago", up)
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if !sleep(t.Context(), 3*time.Second) || time.Since(begun) != 3*time.Second {
			t.Errorf("waited %s of 3s", time.Since(begun))
		}
		if !sleep(t.Context(), -time.Hour) || time.Since(begun) != 3*time.Second {
			t.Error("a delay that has passed was waited for")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if sleep(ctx, time.Hour) || time.Since(begun) != 4*time.Second {
			t.Errorf("went on for %s after the end", time.Since(begun))
		}
		if sleep(ctx, 0) {
			t.Error("a node that has stopped starts a module")
		}
	})
}

// What boot says is about the machine: a daemon that was only restarted goes on with what
// ran, and does not start what an operator has stopped.
func TestBoots(t *testing.T) {
	for _, c := range []struct {
		boot    string
		wanted  core.State
		machine bool
		want    bool
	}{
		{"on", core.Stop, true, true}, {"off", core.Up, true, false}, {"auto", core.Up, true, true}, {"auto", core.Stop, true, false},
		{"on", core.Stop, false, false}, {"off", core.Up, false, true}, {"auto", core.Up, false, true}, {"auto", core.Stop, false, false},
	} {
		if got := boots(c.boot, c.wanted, c.machine); got != c.want {
			t.Errorf("boot=%s, wanted %s, boot of the machine %t: %t", c.boot, c.wanted, c.machine, got)
		}
	}
}

// The first daemon after a boot of the machine knows that it is.
func TestFirstOfBoot(t *testing.T) {
	d := &Daemon{opt: Options{Home: t.TempDir()}}
	if err := os.Mkdir(d.path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		id    string
		first bool
	}{{"a 1", true}, {"a 1", false}, {"a 7", true}, {"b 7", true}, {"b 7", false}, {"", true}, {"", true}} {
		if first, err := d.firstOfBoot(c.id); err != nil || first != c.first {
			t.Errorf("start %d in %q is the first: %t, %v", i, c.id, first, err)
		}
	}
	if id := bootID(); id == "" && runtime.GOOS == "linux" || id != bootID() {
		t.Errorf("this boot is %q, then %q", id, bootID())
	}
}
