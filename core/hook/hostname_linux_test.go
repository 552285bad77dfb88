package hook

import (
	"os"
	"strings"
	"testing"
)

// Hooks that are programs and programs that Lua hooks run see the host name that they
// are given, in their control groups as ever; the application gets it as a setting.
func TestHostname(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho \"$(uname -n) $(cat /proc/sys/kernel/hostname) $HOSTNAME\"\ngrep -o orchestrator/web.start_both /proc/self/cgroup || true\n"
	b := newBench(t, Options{}, map[string]string{"bin/start_both": script})
	b.run.Host = "db.example.org"
	b.run.Env = []string{"HOSTNAME="} // what the daemon has does not matter, what the module says does
	contains(t, b.ok(t), "db.example.org db.example.org")
	b.run.Env = nil
	out := b.ok(t)
	contains(t, out, "db.example.org db.example.org db.example.org\n")
	if cgroupRoot() != "" {
		contains(t, out, "orchestrator/web.start_both\n")
	}
	b.run.Host = ""
	contains(t, b.ok(t), machine+" "+machine)

	f := &fake{}
	b = fakeBench(t, f, t.TempDir(), `
		print(exec { "uname", "-n", quiet = true }.stdout)
		application("process", "a"):start { command = { "x" } }
		application("process", "b"):start { command = { "x" }, hostname = "own" }
		application("systemd", "c"):start { unit = "x" }`)
	b.run.Host = "db"
	if out := strings.TrimSpace(b.ok(t)); out != "db" {
		t.Errorf("exec sees %q", out)
	}
	f.want(t, `start process web/a {"command":["x"],"hostname":"db"}`, `start process web/b {"command":["x"],"hostname":"own"}`, `start systemd web/c {"unit":"x"}`)

	b = newBench(t, Options{}, map[string]string{"bin/start_both": script})
	b.run.Host = strings.Repeat("x", 65)
	b.fails(t, "start "+b.run.Dir, "cannot be given the host name xxx")
}
