package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
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
