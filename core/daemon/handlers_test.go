package daemon

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A handler is called again while the process is down, and its own failure means
// stopstart, which counts as an automatic action.
func TestHandle(t *testing.T) {
	down := core.Resource{Name: "proc.db", Value: core.ResDown, Reason: "not running", Cause: 7}
	for name, c := range map[string]struct {
		downs int      // looks at which the process is still down
		ends  []string // of the runs; empty: well
		want  string
	}{
		"repaired":       {0, []string{""}, "run at 0s"},
		"second try":     {1, []string{"", ""}, "run at 0s, run at 10s"},
		"fails":          {5, []string{"exit 1"}, "run at 0s, stopstart by proc.db: exit 1 (7)"},
		"fails at last":  {5, []string{"", "", "exit 1"}, "run at 0s, run at 10s, run at 20s, stopstart by proc.db: exit 1 (7)"},
		"stopped, fails": {5, []string{"", "cancelled"}, "run at 0s, run at 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got string
				note := func(format string, args ...any) {
					if got != "" {
						got += ", "
					}
					got += fmt.Sprintf(format, args...)
				}
				began, runs, looks := time.Now(), 0, 0
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				handle(ctx, 10*time.Second, down, func(_ context.Context, r core.Resource) string {
					note("run at %v", time.Since(began))
					runs++
					if c.ends[runs-1] == "cancelled" {
						cancel()
					}
					return c.ends[runs-1]
				}, func() core.Resource {
					if looks++; looks <= c.downs {
						return down
					}
					return core.Resource{Name: "proc.db", Value: core.ResUp}
				}, func(e core.Event) { note("%s by %s: %s (%d)", e.Verb, e.Identity, e.Reason, e.Cause) })
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

// One handler of a process runs at a time, and stop ends it.
func TestHandlersBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h handlers
		runs := 0
		run := func(ctx context.Context) { runs++; <-ctx.Done() }
		h.begin(t.Context(), "proc.a", run)
		h.begin(t.Context(), "proc.a", run)
		h.begin(t.Context(), "proc.b", run)
		synctest.Wait()
		if runs != 2 {
			t.Errorf("%d run, want 2", runs)
		}
		h.stop()
		synctest.Wait()
		h.begin(t.Context(), "proc.a", func(context.Context) { runs++ })
		synctest.Wait()
		if runs != 3 {
			t.Errorf("%d ran in all, want 3", runs)
		}
	})
}

// A class of the module's own is watched while it is enabled.
func TestClasses(t *testing.T) {
	mod := &module{m: &member{d: &Daemon{}}, conf: documented(t, `<safe><service mode="light"><user/>
		<errd polltimer="10s"><proc name="a" class="mine"/><proc name="b" class="mine" action="checks/queue.sh"/><proc name="c"/></errd>
	</service></safe>`)}
	for _, want := range []string{"class mine is not enabled", ""} {
		for resource, want := range map[string]string{"proc.a": want, "proc.b": want, "proc.c": ""} {
			if got := mod.unwatched(resource); got != want {
				t.Errorf("%s: %q, want %q", resource, got, want)
			}
		}
		mod.classes = map[string]bool{"mine": true}
	}
	mod.switches.Muted = []string{"processes"}
	if got := mod.unwatched("proc.a"); got != "processes are switched off" {
		t.Errorf("muted: %q", got)
	}
	var checks []string
	for _, c := range mod.conf.Core().Checks {
		checks = append(checks, fmt.Sprint(c.Resource, " ", c.When, " ", c.Action))
	}
	if got := fmt.Sprint(checks, mod.conf.Classes()); got != "[proc.a both stopstart proc.b both noaction proc.c both stopstart] [mine]" {
		t.Errorf("the state machine knows %s", got)
	}
}
