package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// patience is for a busy machine; nothing waits so long when all is well.
const patience = 60 * time.Second

func table() []Plugin {
	self := Program{Args: "plugin serve"}
	return []Plugin{
		{sdk.KindChecker, "file", self}, {sdk.KindChecker, "tcp", self},
		{sdk.KindFilter, "memory", self}, {sdk.KindApplication, "marker", self}, {sdk.KindApplication, "process", self},
	}
}

// newHost makes a host of test plugins; events go to the channel.
func newHost(t testing.TB, plugins []Plugin) (*Host, chan Event) {
	t.Helper()
	events := make(chan Event, 100)
	home := t.TempDir()
	h, err := New(Options{
		Plugins: plugins, RunDir: filepath.Join(home, "r"), Events: func(e Event) { events <- e },
		Env: []string{"ORCHESTRATOR_HOME=" + home},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, events
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await takes from a channel until ok.
func await[T any](t testing.TB, what string, ch <-chan T, ok func(T) bool) T {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case v := <-ch:
			if ok(v) {
				return v
			}
			t.Logf("before %s: %+v", what, v)
		case <-limit:
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

func settings(t testing.TB, path string) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(map[string]string{"path": path})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kill ends the plugin process behind an Info the hard way.
func kill(t testing.TB, h *Host, k string) {
	t.Helper()
	s, err := h.programs[k].now(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestKilledPluginIsUnknownThenUpAgain(t *testing.T) {
	h, events := newHost(t, table())
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	results, ended := make(chan sdk.Result, 100), make(chan error, 1)
	go func() {
		ended <- h.Watch(ctx, "file", sdk.WatchOptions{Settings: settings(t, path), Interval: 20 * time.Millisecond},
			func(r sdk.Result) { results <- r })
	}()
	is := func(s sdk.Status) func(sdk.Result) bool { return func(r sdk.Result) bool { return r.Status == s } }
	await(t, "up", results, is(sdk.StatusUp))
	await(t, "first start", events, func(e Event) bool { return e.State == Running && !e.Restart && e.PID > 0 })

	kill(t, h, "checker/file")
	r := await(t, "unknown", results, is(sdk.StatusUnknown))
	if want := "plugin checker/file died: signal: killed; restarting in 100 ms"; r.Reason != want {
		t.Errorf("reason %q, want %q", r.Reason, want)
	}
	e := await(t, "death", events, func(e Event) bool { return e.State == Dead })
	if !strings.Contains(e.String(), "checker/tcp, ") || !strings.HasSuffix(e.String(), "died: signal: killed; restarting in 100 ms") {
		t.Errorf("event %q", e)
	}
	await(t, "up again", results, is(sdk.StatusUp))
	await(t, "restart", events, func(e Event) bool { return e.State == Running && e.Restart })
	if i := h.List()[0]; i.Restarts != 1 || i.State != Running || i.Version != "1.0.0" || i.LastError != "died: signal: killed" {
		t.Errorf("list shows %+v", i)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, "down", results, is(sdk.StatusDown))
	cancel()
	if err := await(t, "end", ended, func(error) bool { return true }); err != nil {
		t.Errorf("watch ended with %v", err)
	}
}

func TestFilterWhileDeadAndAfter(t *testing.T) {
	h, events := newHost(t, table())
	f, err := h.Filter("memory")
	if err != nil {
		t.Fatal(err)
	}
	pushed := make(chan error, 1)
	f.OnRestart(func(ctx context.Context) {
		_, err := f.Configure(ctx, sdk.FilterConfig{Module: "m"})
		if err == nil {
			err = f.SetTable(ctx, sdk.FilterTable{Module: "m"})
		}
		pushed <- err
	})
	if err := f.Renew(1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("renew before the first use: %v", err)
	}
	if _, err := f.Configure(within(t), sdk.FilterConfig{Module: "m"}); err != nil {
		t.Fatal(err)
	}
	if err := f.SetTable(within(t), sdk.FilterTable{Module: "other"}); err == nil || err.Error() != "module other is not configured" {
		t.Errorf("the plugin's words are lost: %v", err)
	}
	kill(t, h, "filter/memory")
	await(t, "death", events, func(e Event) bool { return e.State == Dead })
	for _, err := range []error{f.Renew(1), f.SetTable(within(t), sdk.FilterTable{Module: "m"})} {
		if err != nil && !errors.Is(err, ErrUnavailable) {
			t.Errorf("while dead: %v", err)
		}
	}
	if err := await(t, "push", pushed, func(error) bool { return true }); err != nil {
		t.Errorf("push after the restart: %v", err)
	}
	st, err := f.State(within(t))
	if err != nil || st.Counters["modules"] != 1 {
		t.Errorf("state after the restart: %+v, %v", st, err)
	}
}

func TestDeadFilterAnswersAtOnce(t *testing.T) {
	h, events := newHost(t, []Plugin{{sdk.KindFilter, "memory", Program{Args: "plugin crash"}}})
	f, err := h.Filter("memory")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Configure(within(t), sdk.FilterConfig{}); !errors.Is(err, ErrUnavailable) ||
		!strings.Contains(err.Error(), "panic: no configuration today") {
		t.Errorf("configure: %v", err)
	}
	await(t, "third failure", events, func(e Event) bool { return e.State == Dead && e.Retry == 4*firstPause })
	err = f.Renew(1)
	if !errors.Is(err, ErrUnavailable) || !strings.HasPrefix(err.Error(), "plugin filter/memory does not start: it ended before it was ready: exit status 2") {
		t.Errorf("renew: %v", err)
	}
}

func TestApplicationCallSurvivesDeath(t *testing.T) {
	h, _ := newHost(t, table())
	a := h.Application("marker")
	marker := filepath.Join(t.TempDir(), "started")
	if err := a.Start(within(t), sdk.AppRequest{Instance: marker}); err != nil {
		t.Errorf("start: %v", err)
	}
	if err := a.Stop(within(t), sdk.AppRequest{}); err == nil || err.Error() != "the marker stays: it is glued" {
		t.Errorf("stop: %v", err)
	}
	if ok, why := a.Available(within(t)); ok || why != "this node has no marker" {
		t.Errorf("available: %v, %q", ok, why)
	}
	if r := h.Application("none").Status(within(t), sdk.AppRequest{}); r.Status != sdk.StatusUnknown ||
		r.Reason != `no application plugin is called "none"; known are: marker, process` {
		t.Errorf("status of a plugin that is not there: %+v", r)
	}
}

func TestPinnedChecksum(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	good := Program{Path: path, Args: "plugin serve", SHA256: hex.EncodeToString(sum[:])}
	bad := good
	bad.SHA256 = strings.Repeat("0", 64)
	h, _ := newHost(t, []Plugin{{sdk.KindChecker, "file", good}, {sdk.KindChecker, "tcp", bad}})
	if _, err := h.Describe(within(t), sdk.KindChecker, "file"); err != nil {
		t.Errorf("right checksum: %v", err)
	}
	_, err = h.Describe(within(t), sdk.KindChecker, "tcp")
	if err == nil || !strings.Contains(err.Error(), "but "+bad.SHA256+" is pinned") {
		t.Errorf("wrong checksum: %v", err)
	}
}

func TestTableErrors(t *testing.T) {
	for want, table := range map[string][]Plugin{
		"plugin checker/a is in the table twice; give one of them another name":    {{sdk.KindChecker, "a", Program{}}, {sdk.KindChecker, "a", Program{}}},
		"plugin checker/a: no checksum for /bin/x; pin it with the file's SHA-256": {{sdk.KindChecker, "a", Program{Path: "/bin/x"}}},
	} {
		if _, err := New(Options{Plugins: table}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestSettingsErrors(t *testing.T) {
	s, err := compile(fileChecker{}.Describe())
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		`{}`:                           "path: is missing",
		``:                             "path: is missing",
		`{"path":"x","pth":1}`:         "pth: no such setting; known are limit, list, mode, path, size",
		`{"path":"x","size":101}`:      "size: 101 is more than 100",
		`{"path":5}`:                   "path: 5 is of type number, wanted is string",
		`{"path":""}`:                  `path: "" has fewer than 1 characters`,
		`{"path":"x","mode":"medium"}`: `mode: "medium" is none of "fast", "slow"`,
		`{"path":"x","list":["a",2]}`:  "list[1]: 2 is of type number, wanted is string",
		`{"path":"x","limit":"soon"}`:  `limit: "soon" fits none of the allowed forms: is of type string, wanted is number; does not look like ^[0-9]+s$`,
		`{"size":101,"mode":1}`:        `mode: 1 is none of "fast", "slow"; path: is missing; size: 101 is more than 100`,
		`{"path":`:                     "not JSON: unexpected end of JSON input",
		`{"path":"x"}`:                 "",
	} {
		got := ""
		if err := s.validate(json.RawMessage(in)); err != nil {
			got = strings.TrimPrefix(err.Error(), "settings of checker/file: ")
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	h, _ := newHost(t, table())
	err := h.Watch(within(t), "file", sdk.WatchOptions{Settings: json.RawMessage(`{"path":1}`), Interval: time.Second}, nil)
	var se *SettingsError
	if !errors.As(err, &se) || se.Problems[0].Field != "path" {
		t.Errorf("wrong settings: %v", err)
	}
	if err := h.Watch(within(t), "nope", sdk.WatchOptions{}, nil); err == nil {
		t.Error("no such checker: want an error")
	}
}

func TestFollowSpeaksOfValues(t *testing.T) {
	h, _ := newHost(t, table())
	for path, want := range map[string]core.Value{"/": core.ResUp, "/nonexistent": core.ResDown} {
		ctx, cancel := context.WithCancel(within(t))
		values := make(chan core.Value, 10)
		go func() {
			_ = h.Follow(ctx, "file", settings(t, path), time.Second, patience, 1, func(v core.Value, _ string) { values <- v })
		}()
		if got := await(t, "value", values, func(core.Value) bool { return true }); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		cancel()
	}
}

func TestCloseEndsAll(t *testing.T) {
	h, events := newHost(t, table())
	ended := make(chan error, 1)
	go func() {
		ended <- h.Watch(t.Context(), "file", sdk.WatchOptions{Settings: settings(t, "/"), Interval: time.Second}, func(sdk.Result) {})
	}()
	await(t, "start", events, func(e Event) bool { return e.State == Running })
	s, err := h.programs["checker/file"].now("")
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	select {
	case <-s.run.exited:
	default:
		t.Error("the process lives")
	}
	if err := await(t, "end of the watch", ended, func(error) bool { return true }); err != nil {
		t.Errorf("watch ended with %v", err)
	}
	if _, err := h.Describe(within(t), sdk.KindChecker, "file"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after close: %v", err)
	}
	left, err := os.ReadDir(h.o.RunDir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	h.spawn = newSpawner() // for the second Close of the cleanup
}

func TestBackoff(t *testing.T) {
	var b backoff
	var got []string
	for range 10 {
		got = append(got, span(b.pause(0)))
	}
	want := "[100 ms 200 ms 400 ms 800 ms 1.6 s 3.2 s 6.4 s 12.8 s 25.6 s 30 s]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if p := b.pause(stable); p != firstPause {
		t.Errorf("after a stable run: %v", p)
	}
}
