package daemon

import (
	"log/slog"
	"os"
	"testing"
	"time"
)

// Each run of a node has a larger number than the one before, whatever its clock does.
func TestIncarnationOnlyGrows(t *testing.T) {
	d := &Daemon{opt: Options{Home: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
	if err := os.Mkdir(d.path("cluster"), 0o700); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	last := uint64(0)
	for _, now := range []time.Time{day, day.Add(time.Hour), time.Unix(0, 0), day.Add(-time.Hour), day, day.Add(24 * time.Hour)} {
		got, err := d.incarnation(now)
		if err != nil || got <= last {
			t.Fatalf("at %v: %d after %d, %v", now, got, last, err)
		}
		last = got
	}
	if last != uint64(day.Add(24*time.Hour).UnixNano()) {
		t.Errorf("the clock is ahead, and the number is %d", last)
	}
	for _, torn := range []string{"", "torn"} {
		if err := os.WriteFile(d.path("cluster", "incarnation"), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := d.incarnation(day); err != nil || got != uint64(day.UnixNano()) {
			t.Errorf("after %q: %d, %v", torn, got, err)
		}
	}
	if err := os.RemoveAll(d.path("cluster")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.incarnation(day); err == nil {
		t.Error("a number that is not stored is used")
	}
}
