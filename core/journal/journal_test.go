package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// forever keeps entries of any age, for tests with fixed times.
var forever = Limits{Age: 200 * 365 * 24 * time.Hour}

func openAt(t *testing.T, path string, limits Limits) *Journal {
	t.Helper()
	j, err := Open(path, limits, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func put(t *testing.T, j *Journal, e Entry) int64 {
	t.Helper()
	id, err := j.Append(e)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func texts(t *testing.T, j *Journal, f Filter) []string {
	t.Helper()
	entries, err := j.Query(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Text)
	}
	return out
}

func TestAppendAndQuery(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"), forever)
	put(t, j, Entry{Time: noon, Module: "web", Kind: "command", Text: "one"})
	put(t, j, Entry{Time: noon.Add(time.Second), Module: "web", Kind: "hook", Level: "error", Text: "Two FAILED 100%", Cause: 1, Data: map[string]any{"hook": "start_both"}})
	put(t, j, Entry{Time: noon.Add(2 * time.Second), Module: "db", Node: "node2", Kind: "hook", Level: "debug", Text: "three"})
	for _, c := range []struct {
		f    Filter
		want []string
	}{
		{Filter{}, []string{"one", "Two FAILED 100%", "three"}},
		{Filter{Module: "web"}, []string{"one", "Two FAILED 100%"}},
		{Filter{Since: noon.Add(time.Second)}, []string{"Two FAILED 100%", "three"}},
		{Filter{Kinds: []string{"hook", "member"}}, []string{"Two FAILED 100%", "three"}},
		{Filter{Level: "info"}, []string{"one", "Two FAILED 100%"}},
		{Filter{Level: "warn"}, []string{"Two FAILED 100%"}},
		{Filter{Grep: "failed 100%"}, []string{"Two FAILED 100%"}},
		{Filter{Grep: "%"}, []string{"Two FAILED 100%"}},
		{Filter{Grep: "one", Also: []string{"hook", "member"}}, []string{"one", "Two FAILED 100%", "three"}},
		{Filter{Grep: "one", Also: []string{"hook"}, Module: "web", Level: "info"}, []string{"one", "Two FAILED 100%"}},
		{Filter{Limit: 2}, []string{"Two FAILED 100%", "three"}},
		{Filter{Limit: 1, After: 1}, []string{"Two FAILED 100%"}},
		{Filter{Module: "mail"}, []string{}},
	} {
		if got := texts(t, j, c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %q, want %q", c.f, got, c.want)
		}
	}
	entries, err := j.Query(t.Context(), Filter{After: 1, Limit: 1})
	if err != nil || !entries[0].Time.Equal(noon.Add(time.Second)) || entries[0].Data["hook"] != "start_both" || entries[0].Cause != 1 {
		t.Errorf("got %+v, %v", entries, err)
	}
}

func TestReopenGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path, Limits{})
	first := put(t, j, Entry{Text: "before"})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(Entry{Text: "late"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	j = openAt(t, path, Limits{})
	if second := put(t, j, Entry{Text: "after"}); second <= first {
		t.Errorf("entry %d follows entry %d", second, first)
	}
	if got := texts(t, j, Filter{}); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("got %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("the file is open to others: %v, %v", info.Mode(), err)
	}
}

func TestFollow(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"), Limits{})
	const n = followPage + 100 // more than a page is there already
	for i := range n {
		put(t, j, Entry{Module: "web", Text: fmt.Sprint(i)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	enough := errors.New("enough")
	seen := 0
	err := j.Follow(ctx, Filter{Module: "web"}, func(e Entry) error {
		if e.Text != fmt.Sprint(seen) {
			return fmt.Errorf("entry %d says %s", seen, e.Text)
		}
		seen++
		if seen >= n { // new ones arrive while following
			put(t, j, Entry{Module: "db", Text: "not asked for"})
			put(t, j, Entry{Module: "web", Text: fmt.Sprint(seen)})
		}
		if seen == n+10 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("after %d entries: %v", seen, err)
	}
}

func TestRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path, Limits{Rows: 10, Age: time.Hour})
	old := time.Now().Add(-2 * time.Hour)
	for range 5 {
		put(t, j, Entry{Time: old, Text: "old"})
	}
	if got := texts(t, j, Filter{}); len(got) != 1 {
		t.Errorf("%d old entries are kept, want the newest only", len(got))
	}
	for i := range purgeEvery {
		put(t, j, Entry{Text: fmt.Sprint(i)})
	}
	if got := texts(t, j, Filter{}); len(got) != 10 || got[9] != fmt.Sprint(purgeEvery-1) {
		t.Errorf("kept %q, want the last 10", got)
	}
}

func TestDamagedFileIsMovedAside(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"no database":    func([]byte) []byte { return []byte(strings.Repeat("this is not a database ", 100)) },
		"broken pages":   func(b []byte) []byte { copy(b[len(b)/2:], make([]byte, len(b)/4)); return b },
		"cut in the mid": func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.db")
			j := openAt(t, path, Limits{})
			for i := range 500 {
				put(t, j, Entry{Module: "web", Text: fmt.Sprintf("entry %d", i)})
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			j = openAt(t, path, Limits{})
			got := texts(t, j, Filter{})
			if len(got) != 1 || !strings.Contains(got[0], "it was moved to journal.db.damaged-") {
				t.Errorf("got %q", got)
			}
			if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) == 0 {
				t.Error("the damaged file is gone")
			}
		})
	}
}

func TestNewerFormatIsNotTouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	db, _, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Limits{}, nil); err == nil || !strings.Contains(err.Error(), "format 99 is newer") {
		t.Errorf("got %v", err)
	}
	if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 0 {
		t.Error("the file of a newer program was moved away")
	}
}

// What the disk refuses waits in memory and is written when it can be.
func TestDiskRefuses(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"), Limits{})
	put(t, j, Entry{Text: "before"})
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.db.Exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	for i := range maxPending {
		put(t, j, Entry{Text: fmt.Sprint(i)})
	}
	if err := j.Flush(); err == nil || j.Health() == nil {
		t.Fatal("the commit went well")
	}
	if _, err := j.Append(Entry{Text: "too many"}); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if got := texts(t, j, Filter{}); !slices.Equal(got, []string{"before"}) {
		t.Errorf("got %d entries", len(got))
	}
	if _, err := j.db.Exec("PRAGMA query_only = 0"); err != nil {
		t.Fatal(err)
	}
	if err := j.Flush(); err != nil || j.Health() != nil {
		t.Errorf("afterwards: %v, %v", err, j.Health())
	}
	if got := texts(t, j, Filter{}); len(got) != maxPending+1 {
		t.Errorf("%d entries were kept, want %d", len(got), maxPending+1)
	}
}

const crashFile = "JOURNAL_CRASH_FILE"

// TestCrash kills a process that writes: what was flushed is there, the file is
// sound, and numbers go on.
func TestCrash(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		crash(t, path)
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "--- FAIL") {
		t.Fatalf("the process was to be killed: %v\n%s", err, out)
	}
	j := openAt(t, path, Limits{})
	got := texts(t, j, Filter{})
	if len(got) < 1000 || got[999] != "999" {
		t.Fatalf("%d entries survived, want 1000 or more", len(got))
	}
	if id := put(t, j, Entry{Text: "afterwards"}); id != int64(len(got))+1 {
		t.Errorf("the next entry is %d after %d", id, len(got))
	}
}

func crash(t *testing.T, path string) {
	j, err := Open(path, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1100 {
		put(t, j, Entry{Text: fmt.Sprint(i)})
		if i == 999 {
			if err := j.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Kill(); err != nil {
		t.Fatal(err)
	}
	select {}
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "journal.db"), Limits{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	e := Entry{Module: "web", Kind: "transition", Text: "web goes from UP Ready to UP Transient: tcp.web was down.", Data: map[string]any{"from": "UP Ready", "to": "UP Transient"}}
	refused := 0
	for b.Loop() {
		if _, err := j.Append(e); err != nil {
			refused++
			if err := j.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(refused), "refused")
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// The history of a resource is not pushed out by another one that changes all the time.
func TestChanges(t *testing.T) {
	j := openAt(t, filepath.Join(t.TempDir(), "journal.db"), forever)
	change := func(module, name, value string) {
		put(t, j, Entry{Module: module, Kind: "resource", Text: name + " is " + value, Data: map[string]any{"resource": name, "value": value}})
	}
	change("web", "tcp.web", "up")
	change("mail", "tcp.web", "up")
	put(t, j, Entry{Module: "web", Kind: "transition", Text: "web goes from WAIT to UP"})
	for i := range 100 {
		change("web", "ping.router", fmt.Sprint(i))
	}
	change("web", "tcp.web", "down")
	for _, c := range []struct {
		resource string
		limit    int
		want     []string
	}{
		{"", 2, []string{"tcp.web is up", "ping.router is 98", "ping.router is 99", "tcp.web is down"}},
		{"tcp.web", 10, []string{"tcp.web is up", "tcp.web is down"}},
		{"tcp.web", 1, []string{"tcp.web is down"}},
		{"tcp.other", 10, nil},
	} {
		entries, err := j.Changes(t.Context(), "web", c.resource, c.limit)
		var got []string
		for _, e := range entries {
			got = append(got, e.Text)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q, %d: got %q, %v; want %q", c.resource, c.limit, got, err, c.want)
		}
	}
}
