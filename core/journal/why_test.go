package journal

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhyAndTell(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"), forever)
	down := put(t, j, Entry{Time: noon, Module: "web", Kind: "resource", Level: "warn", Text: "tcp.web is down: connection refused."})
	stop := put(t, j, Entry{Time: noon.Add(time.Second), Module: "web", Kind: "transition", Text: "web goes from UP Ready to UP Transient: tcp.web was down.", Cause: down})
	hook := put(t, j, Entry{Time: noon.Add(2 * time.Second), Module: "web", Kind: "hook", Text: "Hook start_both is called.", Cause: stop})
	failed := put(t, j, Entry{Time: noon.Add(3 * time.Second), Module: "web", Kind: "hook", Level: "error", Text: "Hook start_both failed: exit status 3.", Cause: hook})
	put(t, j, Entry{Time: noon.Add(4 * time.Second), Module: "web", Kind: "transition", Text: "web goes from WAIT Transient to STOP NotReady.", Cause: failed})
	put(t, j, Entry{Module: "web", Kind: "share", Level: "debug", Text: "Share order withdraw ended well."})
	put(t, j, Entry{Module: "db", Kind: "transition", Text: "db goes from STOP NotReady to WAIT Transient."})
	chain, err := j.Why(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	want := `web goes from WAIT Transient to STOP NotReady.
  because: Hook start_both failed: exit status 3.
  because: Hook start_both is called.
  because: web goes from UP Ready to UP Transient: tcp.web was down.
  because: tcp.web is down: connection refused.
`
	if got := withoutTimes(Tell(chain)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := j.Why(t.Context(), "mail"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("got %v, want ErrNoEntry", err)
	}
	if _, err := j.Chain(t.Context(), 999); !errors.Is(err, ErrNoEntry) {
		t.Errorf("got %v, want ErrNoEntry", err)
	}
}

// A chain ends where entries are no longer kept, and never runs in a circle.
func TestChainEnds(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"), forever)
	circle := put(t, j, Entry{Text: "points ahead", Cause: 2})
	put(t, j, Entry{Text: "points back", Cause: circle})
	for id, n := range map[int64]int{1: 1, 2: 2} {
		chain, err := j.Chain(t.Context(), id)
		if err != nil || len(chain) != n {
			t.Errorf("chain of %d: %d entries, %v; want %d", id, len(chain), err, n)
		}
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.db.Exec("DELETE FROM entries WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if chain, err := j.Chain(t.Context(), 2); err != nil || len(chain) != 1 {
		t.Errorf("got %d entries, %v; want the one that is kept", len(chain), err)
	}
}

func TestTellOtherDaysAndNodes(t *testing.T) {
	got := Tell([]Entry{
		{Time: noon, Text: "web took 1365 buckets.", Node: "node2"},
		{Time: noon.AddDate(0, 0, -3), Text: "node3 is lost."},
	})
	for _, part := range []string{"node2: web took 1365 buckets. (", noon.Local().Format("2006-01-02 "), noon.AddDate(0, 0, -3).Local().Format("2006-01-02 ")} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}
}

func withoutTimes(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if i := strings.LastIndex(line, " ("); i >= 0 {
			line = line[:i] + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
