package custom

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// script writes a program, and answers settings that run it.
func script(t *testing.T, text string, more map[string]any) json.RawMessage {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check.sh")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil { // /bin/sh runs what is not executable
		t.Fatal(err)
	}
	s := map[string]any{"path": path}
	for k, v := range more {
		s[k] = v
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestConformance(t *testing.T) {
	sdktest.Run(t, New(nil), sdktest.Options{
		Settings: script(t, "exit 0", nil),
		Invalid: []json.RawMessage{
			[]byte(`{}`), []byte(`{"path":""}`), []byte(`{"path":"/x","args":"a b"}`), []byte(`{"path":"/x","env":{"A":1}}`), []byte(`{"path":"/x","timeout":"-1s"}`), []byte(`{"path":"/x","exec":"y"}`),
		},
	})
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		status sdk.Status
		says   string
	}{
		"good":            {"echo 3 orders wait", sdk.StatusUp, "3 orders wait"},
		"bad":             {"echo one; echo queue is full >&2; exit 2", sdk.StatusDown, "check.sh ended with code 2: queue is full"},
		"bad, silent":     {"exit 1", sdk.StatusDown, "check.sh ended with code 1"},
		"not found":       {"no-such-command-here", sdk.StatusUnknown, "check.sh ended: exit status 127: "},
		"killed":          {"kill -9 $$", sdk.StatusUnknown, "check.sh ended: signal: killed"},
		"says up":         {"echo up; exec sleep 600", sdk.StatusUp, ""},
		"says why":        {"echo; echo Down  the disk is full; exec sleep 600", sdk.StatusDown, "the disk is full"},
		"says not why":    {"echo down; exit 0", sdk.StatusDown, "the program says down and not why"},
		"cannot tell":     {"printf 'unknown no answer yet'", sdk.StatusUnknown, "no answer yet"},
		"arguments":       {`echo "down $1,$2,$3,$COLOUR,$(pwd)"`, sdk.StatusDown, "web,custom.own,-v x,blue,/"},
		"says up, though": {"echo upwards; exit 3", sdk.StatusDown, "check.sh ended with code 3: upwards"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := script(t, c.text, map[string]any{"args": []string{"web", "custom.own", "-v x"}, "directory": "/", "env": map[string]string{"COLOUR": "blue"}})
			if r := New(nil).Check(t.Context(), raw); r.Status != c.status || !strings.HasPrefix(r.Reason+r.Detail, c.says) {
				t.Errorf("got %+v, want %s %q", r, c.status, c.says)
			}
		})
	}
	if r := New(nil).Check(t.Context(), json.RawMessage(`{"path":"/no/such/program"}`)); r.Status != sdk.StatusUnknown || r.Reason != "start program: no such file or directory" {
		t.Errorf("missing: %+v", r)
	}
}

// watched collects what a watch reports until enough has been seen.
func watched(t *testing.T, raw json.RawMessage, interval time.Duration, enough func(sdk.Result) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results, over := make(chan sdk.Result, 100), make(chan error, 1)
	go func() { over <- New(nil).(sdk.Watcher).Watch(ctx, raw, interval, func(r sdk.Result) { results <- r }) }()
	for {
		select {
		case r := <-results:
			if !enough(r) {
				continue
			}
			cancel()
			if err := <-over; err != nil {
				t.Error(err)
			}
			return
		case err := <-over:
			t.Fatalf("the watch ended before enough was seen: %v", err)
		}
	}
}

// A program that ends is run again and again.
func TestRunAgain(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	raw := script(t, `echo x >> `+count+`; test $(wc -l < `+count+`) -lt 3`, nil)
	ups := 0
	watched(t, raw, 10*time.Millisecond, func(r sdk.Result) bool {
		if r.Status == sdk.StatusUp {
			ups++
		}
		return r.Status == sdk.StatusDown
	})
	if ups != 2 {
		t.Errorf("up %d times before it was down, want 2", ups)
	}
}

// A program that goes on is believed at once, line by line, and dies with the watch,
// with its children.
func TestGoesOn(t *testing.T) {
	usual := killAfter
	killAfter = time.Minute // a busy machine may take longer than usual to end it
	t.Cleanup(func() { killAfter = usual })
	dir := t.TempDir()
	raw := script(t, `
trap 'echo asked > `+dir+`/asked; exit 0' TERM
sleep 600 & echo $! > `+dir+`/child
echo up; echo down later
while :; do sleep 0.05; done`, nil)
	var said []string
	watched(t, raw, time.Hour, func(r sdk.Result) bool {
		said = append(said, string(r.Status)+r.Reason)
		return len(said) == 2
	})
	if strings.Join(said, ",") != "up,downlater" {
		t.Errorf("said %q", said)
	}
	if _, err := os.Stat(dir + "/asked"); err != nil {
		t.Errorf("it was not asked to end: %v", err)
	}
	text, err := os.ReadFile(dir + "/child")
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	tick, late := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !dead(child) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("process %d lives on", child)
		}
	}
}

// dead says that a process is gone, or waits to be reaped by whoever adopted it.
func dead(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// One that says nothing any more is killed after its timeout, which is down.
func TestSilence(t *testing.T) {
	raw := script(t, "trap '' TERM; echo up; sleep 600; sleep 600", map[string]any{"timeout": "100ms"})
	watched(t, raw, time.Hour, func(r sdk.Result) bool {
		return r.Status == sdk.StatusDown && r.Reason == "check.sh said nothing for 100ms and was killed"
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if r := New(nil).Check(ctx, script(t, "sleep 600", nil)); r.Status != sdk.StatusUnknown {
		t.Errorf("got %+v", r)
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{take: func(s string) { got = append(got, s) }}
	for _, part := range []string{"on", "e\n\ntwo\r\n", strings.Repeat("x", 300), strings.Repeat("y", 300) + "\n\xff"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.flush()
	want := []string{"one", "two", strings.Repeat("x", 300) + strings.Repeat("y", 100), "?"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", got)
	}
}
