package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// both runs a test with each way of holding processes together. The group
// needs root and a cgroup v2 mount.
func both(t *testing.T, test func(t *testing.T, c *controller)) {
	t.Run("session", func(t *testing.T) { test(t, newController(t.TempDir(), "")) })
	t.Run("cgroup", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("control groups can be made by root only")
		}
		home := t.TempDir()
		dir := findCgroup("/proc/self/mountinfo", home)
		if dir == "" {
			t.Skip("no cgroup v2 mount that can be written to")
		}
		t.Cleanup(func() {
			_ = cgroup(dir).kill()
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s is left behind", dir)
			}
		})
		test(t, newController(home, dir))
	})
}

func request(t *testing.T, s map[string]any) sdk.AppRequest {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return sdk.AppRequest{Instance: "web/app", Settings: b}
}

// shell is a request for a program that the shell runs.
func shell(t *testing.T, script string) sdk.AppRequest {
	t.Helper()
	return request(t, map[string]any{"command": []string{"/bin/sh", "-c", script}, "stop_timeout": "30s"})
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func running(t *testing.T, c *controller, name string) []int {
	t.Helper()
	in, err := c.find(name)
	if err != nil {
		t.Fatal(err)
	}
	return in.pids
}

func alive(pid int) bool {
	p, err := readProc(pid)
	return err == nil && !p.dead()
}

func TestConformance(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		sdktest.Run(t, c, sdktest.Options{
			Settings: json.RawMessage(`{"command":["sleep","600"],"env":{"A":"b"},"directory":"/tmp","stop_signal":"TERM","stop_timeout":5}`),
			Invalid: []json.RawMessage{
				[]byte(`{}`), []byte(`{"command":[]}`), []byte(`{"command":"sleep"}`), []byte(`{"command":["a"],"output":"relative"}`),
				[]byte(`{"command":["a"],"stop_signal":"SIGTERM"}`), []byte(`{"command":["a"],"ready_tcp":"here"}`),
			},
		})
	})
}

// A second controller is what the plugin is after its process was replaced, or
// the daemon was: it must find what the first one started.
func TestAdoptAndStopAfterRestart(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		ctx := within(t, time.Minute)
		r := shell(t, "sleep 600 & sleep 600 & wait")
		if err := c.Start(ctx, r); err != nil {
			t.Fatal(err)
		}
		first := running(t, c, r.Instance)
		second := &controller{dir: c.dir, cgroup: c.cgroup, early: c.early, locks: map[string]chan struct{}{}, ends: map[string]string{}}
		if err := second.Start(ctx, r); err != nil {
			t.Errorf("adopt: %v", err)
		}
		if now := running(t, second, r.Instance); !slices.Contains(now, first[0]) {
			t.Errorf("first %v, after the second start %v", first, now)
		}
		other := shell(t, "sleep 700")
		if err := second.Start(ctx, other); err == nil || !strings.Contains(err.Error(), "web/app runs with other settings") {
			t.Errorf("start with other settings: %v", err)
		}
		if s := second.Status(ctx, r); s.Status != sdk.StatusUp {
			t.Errorf("status: %+v", s)
		}
		all := running(t, second, r.Instance)
		if err := second.Stop(ctx, r); err != nil {
			t.Errorf("stop: %v", err)
		}
		for _, pid := range all {
			if alive(pid) {
				t.Errorf("process %d lives", pid)
			}
		}
		if left, _ := filepath.Glob(c.dir + "/*.json"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// What ignores the signal is killed with its children when the time is over, or
// at once when forced.
func TestKillTree(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		ready := filepath.Join(t.TempDir(), "ready")
		script := `trap "" TERM; (trap "" TERM; while :; do sleep 1; done) & echo > ` + ready + `; while :; do sleep 1; done`
		for _, force := range []bool{false, true} {
			r := request(t, map[string]any{"command": []string{"/bin/sh", "-c", script}, "stop_timeout": "100ms"})
			if force {
				r = shell(t, script) // 30 s, which it must not wait
			}
			if err := c.Start(within(t, time.Minute), r); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool { _, err := os.Stat(ready); return err == nil })
			pids := running(t, c, r.Instance)
			if len(pids) < 2 {
				t.Errorf("processes %v, want the shell and its child", pids)
			}
			r.Force = force
			if err := c.Stop(within(t, 20*time.Second), r); err != nil {
				t.Errorf("stop, force %v: %v", force, err)
			}
			for _, pid := range pids {
				if alive(pid) {
					t.Errorf("force %v: process %d lives", force, pid)
				}
			}
			_ = os.Remove(ready)
		}
	})
}

// until waits for a condition.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited a minute in vain")
		}
	}
}

func TestStopSignalLetsItEndWell(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		out := filepath.Join(t.TempDir(), "logs", "out")
		r := request(t, map[string]any{
			"command": []string{"/bin/sh", "-c", `trap "echo bye $WHO; exit 0" INT; echo hello; while :; do sleep 0.05; done`},
			"output":  out, "stop_signal": "INT", "env": map[string]string{"WHO": "you"},
		})
		if err := c.Start(within(t, time.Minute), r); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { b, _ := os.ReadFile(out); return strings.Contains(string(b), "hello") })
		if err := c.Stop(within(t, time.Minute), r); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(out); string(b) != "hello\nbye you\n" {
			t.Errorf("output %q", b)
		}
		until(t, func() bool { return c.end(r.Instance) == "exit status 0" })
		if s := c.Status(t.Context(), r); s.Status != sdk.StatusDown || s.Reason != "not running: exit status 0" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestStartThatFails(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		c.early = time.Minute // a busy machine may take longer than usual to run what ends at once
		busy, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := busy.Addr().String()
		_ = busy.Close()
		for want, s := range map[string]map[string]any{
			"start web/app: exec: \"no-such-program\": executable file not found in $PATH":   {"command": []string{"no-such-program"}},
			"start web/app: fork/exec /etc/passwd: permission denied":                        {"command": []string{"/etc/passwd"}},
			"start web/app: it ended: exit status 3; the last line in OUT: no configuration": {"command": []string{"/bin/sh", "-c", "echo no configuration >&2; exit 3"}},
			"start web/app: it ended at once: exit status 0":                                 {"command": []string{"/bin/true"}},
			"start web/app: no connection to ADDR after":                                     {"command": []string{"sleep", "600"}, "ready_tcp": addr},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if s["ready_tcp"] != nil {
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
			}
			err := c.Start(ctx, request(t, s))
			cancel()
			want = strings.NewReplacer("ADDR", addr, "OUT", c.file("web/app", ".log")).Replace(want)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %v\nwant %s", err, want)
			}
			if s["ready_tcp"] != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is no deadline error", err)
			}
			if pids := running(t, c, "web/app"); len(pids) > 0 {
				t.Errorf("after %v: %v runs", err, pids)
			}
		}
	})
}

// A crash leaves children: the instance is down, and a start clears them away.
func TestCrashOfTheMainProcess(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		r := shell(t, "sleep 600 & echo; wait")
		if err := c.Start(within(t, time.Minute), r); err != nil {
			t.Fatal(err)
		}
		var pids []int
		until(t, func() bool { pids = running(t, c, r.Instance); return len(pids) == 2 })
		in, err := c.find(r.Instance)
		if err != nil {
			t.Fatal(err)
		}
		p, err := os.FindProcess(in.record.PID)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return c.Status(t.Context(), r).Status == sdk.StatusDown })
		if s := c.Status(t.Context(), r); !strings.HasPrefix(s.Reason, "its main process ended; left are processes [") {
			t.Errorf("status %+v", s)
		}
		if err := c.Start(within(t, time.Minute), r); err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("process %d of the first life lives", pid)
			}
		}
		if err := c.Stop(within(t, time.Minute), r); err != nil {
			t.Error(err)
		}
	})
}

// A daemon that forks and ends is followed.
func TestForkingDaemon(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		r := shell(t, "sleep 600 & exit 0")
		if err := c.Start(within(t, time.Minute), r); err != nil {
			t.Fatal(err)
		}
		if s := c.Status(t.Context(), r); s.Status != sdk.StatusUp {
			t.Errorf("status %+v", s)
		}
		if err := c.Stop(within(t, time.Minute), r); err != nil {
			t.Error(err)
		}
		if s := c.Status(t.Context(), r); s.Status != sdk.StatusDown {
			t.Errorf("status after stop %+v", s)
		}
	})
}

func TestReadyTCP(t *testing.T) {
	both(t, func(t *testing.T, c *controller) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		r := request(t, map[string]any{"command": []string{"sleep", "600"}, "ready_tcp": l.Addr().String()})
		if err := c.Start(within(t, time.Minute), r); err != nil {
			t.Error(err)
		}
		if err := c.Stop(within(t, time.Minute), r); err != nil {
			t.Error(err)
		}
	})
}

// The program sees the host name of the settings, and another name is another setting.
func TestHostname(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	both(t, func(t *testing.T, c *controller) {
		out := filepath.Join(t.TempDir(), "out")
		s := map[string]any{"command": []string{"/bin/sh", "-c", "uname -n; exec sleep 600"}, "output": out, "hostname": "db.example.org"}
		if err := c.Start(within(t, time.Minute), request(t, s)); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(within(t, time.Minute), request(t, s)); err != nil {
			t.Errorf("started again: %v", err)
		}
		s["hostname"] = "other"
		if err := c.Start(within(t, time.Minute), request(t, s)); err == nil || !strings.Contains(err.Error(), "other settings") {
			t.Errorf("started with another name: %v", err)
		}
		until(t, func() bool { text, _ := os.ReadFile(out); return strings.HasSuffix(string(text), "\n") })
		if err := c.Stop(within(t, time.Minute), request(t, s)); err != nil {
			t.Error(err)
		}
		if text, err := os.ReadFile(out); err != nil || string(text) != "db.example.org\n" {
			t.Errorf("it sees %q: %v", text, err)
		}
	})
}

func TestFindCgroup(t *testing.T) {
	mount := t.TempDir()
	info := filepath.Join(t.TempDir(), "mountinfo")
	lines := "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n40 31 0:37 / /x rw,relatime - cgroup cgroup rw,name=systemd\n" +
		"41 31 0:38 / " + mount + " rw,relatime shared:1 - cgroup2 cgroup2 rw\n"
	if err := os.WriteFile(info, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := findCgroup(info, defaultHome+"/"); got != mount+"/orchestrator" {
		t.Errorf("usual home: %s", got)
	}
	a, b := findCgroup(info, "/a"), findCgroup(info, "/b")
	if a == b || !strings.HasPrefix(a, mount+"/orchestrator-") {
		t.Errorf("two nodes on one machine get %s and %s", a, b)
	}
	if got := findCgroup("/nonexistent", "/a"); got != "" {
		t.Errorf("no mountinfo: %s", got)
	}
}

// A record from before a reboot, or of a number that another program got since,
// means nothing.
func TestOldRecords(t *testing.T) {
	c := newController(t.TempDir(), "")
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	sid, err := readProc(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []record{{Boot: "earlier", PID: sid.session, Start: 0}, {Boot: boot, PID: os.Getpid(), Start: sid.start - 1}} {
		if err := c.save("web/app", r); err != nil {
			t.Fatal(err)
		}
		if pids := running(t, c, "web/app"); len(pids) != 0 {
			t.Errorf("record %+v finds %v", r, pids)
		}
	}
}

func TestEnvironment(t *testing.T) {
	got := fmt.Sprint(environment([]string{"PATH=/bin", "GOGC=50", "PLUGIN_X=1", "ORCHESTRATOR_PLUGIN=1", "ORCHESTRATOR_HOME=/h"}, map[string]string{"A": strconv.Itoa(1)}))
	if got != "[PATH=/bin ORCHESTRATOR_HOME=/h A=1]" {
		t.Errorf("got %s", got)
	}
}
