//go:build linux

package process

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	kernel "github.com/orchestrator-ha/orchestrator/sdk/proc"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Run(t, New(), sdktest.Options{
		Settings: json.RawMessage(`{"name":"no-such-thing","argregex":"x","atleast":1,"atmax":5,"service":false}`),
		Invalid: []json.RawMessage{
			[]byte(`{}`), []byte(`{"name":""}`), []byte(`{"atleast":1}`), []byte(`{"name":"a","atleast":"1"}`),
			[]byte(`{"name":"a","atmax":-2}`), []byte(`{"name":"a","atlaest":1}`),
		},
	})
}

// sleeper runs a program under a name of its own.
func sleeper(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed on purpose
	})
	return cmd
}

// The interval is an hour, so only the event can tell of the death; and the
// dead process stays a zombie, which must not count.
func TestDeathIsKnownAtOnce(t *testing.T) {
	name := fmt.Sprintf("sleeper-with-a-long-name-%d", os.Getpid())[:20]
	cmd := sleeper(t, name)
	c, err := sdktest.Connect(t, New()).Checker("process")
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan sdk.Result, 10)
	settings := json.RawMessage(fmt.Sprintf(`{"name":%q,"argregex":"/%s 600$"}`, name, name))
	go func() {
		_ = c.Stream(t.Context(), sdk.WatchOptions{Settings: settings, Interval: time.Hour}, func(r sdk.Result) { results <- r })
	}()
	expect := func(want sdk.Status) sdk.Result {
		t.Helper()
		select {
		case r := <-results:
			if r.Status != want {
				t.Fatalf("got %+v, want %s", r, want)
			}
			return r
		case <-time.After(60 * time.Second):
			t.Fatalf("nothing, want %s", want)
		}
		return sdk.Result{}
	}
	if r := expect(sdk.StatusUp); r.Detail != "1 found" {
		t.Errorf("up: %+v", r)
	}
	killed := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if r := expect(sdk.StatusDown); r.Reason != "process "+name+" not running" {
		t.Errorf("down: %+v", r)
	}
	t.Logf("known after %v", time.Since(killed))
}

func TestParseStat(t *testing.T) {
	rest := " S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 1 2"
	for in, want := range map[string]string{
		"12 (nginx)" + rest:        "nginx",
		"12 (a) R b) (c)" + rest:   "a) R b) (c",
		"12 ()" + rest:             "",
		"12 (tmux: server)" + rest: "tmux: server",
	} {
		name, state, start, err := parseStat([]byte(in))
		if err != nil || name != want || state != 'S' || start != 777 {
			t.Errorf("%s: %q %c %d %v", in, name, state, start, err)
		}
	}
	for _, in := range []string{"", "12 (x", "12 (x) S 1", ") ("} {
		if _, _, _, err := parseStat([]byte(in)); err == nil {
			t.Errorf("%q: want an error", in)
		}
	}
}

// Only processes of the node's own network namespace count where the node
// lives in one.
func TestNamespace(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for ns, want := range map[string]bool{"": true, own: true, "net:[1]": false} {
		s := &linux{namespace: ns}
		if got, err := s.here(os.Getpid()); got != want || err != nil {
			t.Errorf("namespace %q: %v, want %v (%v)", ns, got, want, err)
		}
	}
}

// Checks that ask at the same time share one scan.
func TestScansAreShared(t *testing.T) {
	s := &linux{stat: readStat}
	first, err := s.processes(t.Context(), 0)
	if err != nil || len(first) == 0 {
		t.Fatalf("%d processes, %v", len(first), err)
	}
	again, err := s.processes(t.Context(), time.Hour)
	if err != nil || &again[0] != &first[0] {
		t.Errorf("a list that may be an hour old was made anew (%v)", err)
	}
	fresh, err := s.processes(t.Context(), 0)
	if err != nil || &fresh[0] == &first[0] {
		t.Errorf("a list that must be new is the old one (%v)", err)
	}
}

// A process that begins to hang is still there; one that nothing was known of is left out.
func TestScanOfOneThatHangs(t *testing.T) {
	hangs := 0
	s := &linux{stat: func(pid int) ([]byte, error) {
		if pid == hangs {
			return nil, kernel.ErrHangs
		}
		return readStat(pid)
	}}
	there := func() bool {
		t.Helper()
		list, err := s.processes(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list, func(p proc) bool { return p.pid == os.Getppid() && p.name != "" })
	}
	if !there() {
		t.Fatal("the parent is not listed")
	}
	if hangs = os.Getppid(); !there() {
		t.Error("it hangs, and is left out")
	}
	s.list = nil
	if there() {
		t.Error("nothing was known of it, and it is listed")
	}
}

func BenchmarkScan(b *testing.B) {
	s := &linux{stat: readStat}
	for b.Loop() {
		if _, err := s.processes(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(s.list)), "processes")
}
