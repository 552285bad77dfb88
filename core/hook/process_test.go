//go:build linux

package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// alive says whether a process exists and is no zombie.
func alive(t *testing.T, pidFile string) bool {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && errors.Is(syscall.Kill(pid, 0), nil)
}

// kill ends a process that a test started.
func kill(t *testing.T, pidFile string) {
	if text, err := os.ReadFile(pidFile); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func TestExec(t *testing.T) {
	luaBench(t, `
		local r = exec { "sh", "-c", "echo out; echo err >&2; exit 3" }
		assert(r.code == 3 and r.ok == false and r.stdout == "out\n" and r.stderr == "err\n")
		assert(exec { "cat", stdin = "text" }.stdout == "text")
		assert(exec { "sh", "-c", "echo $A $PORT $SAFEMODULE", env = { A = "1" } }.stdout == "1 8080 web\n")
		assert(exec { "pwd" }.stdout == ctx.dir .. "\n")
		assert(exec { "pwd", dir = "bin" }.stdout == ctx.dir .. "/bin\n")
		assert(exec { "./bin/tool", "a b", 7 }.stdout == "a b+7\n")
		assert(exec { "sh", "-c", "kill -9 $$" }.code == -1)
		assert(#exec { "head", "-c", "3000000", "/dev/zero", quiet = true }.stdout == 1024 * 1024)
		exec { "true", check = true }`).withTool(t).ok(t)
	for src, want := range map[string]string{
		"exec { 'sh', '-c', 'echo why >&2; exit 3', check = true }": "bin/start_both.lua:1: exec sh: ended with code 3: why",
		"exec { 'no-such-program' }":                                "no-such-program: there is no such program in PATH",
		"exec { '/no/such' }":                                       "start /no/such: no such file or directory",
		"exec { 'true', dir = '/no/dir' }":                          "directory /no/dir does not exist",
		"exec { 'sleep', '1000', timeout = 0.05 }":                  "bin/start_both.lua:1: exec sleep did not end within 50ms",
	} {
		luaBench(t, src).fails(t, want)
	}
}

func (b *bench) withTool(t *testing.T) *bench {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.run.Dir, "bin", "tool"), []byte("#!/bin/sh\necho \"$1+$2\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExecOutputIsCopied(t *testing.T) {
	out := luaBench(t, `exec { "sh", "-c", "echo one; printf two" } exec { "echo", "secret", quiet = true }`).ok(t)
	if out != "one\ntwo\n" {
		t.Errorf("%q", out)
	}
}

// needsCgroup skips where children that leave their process group cannot be
// found.
func needsCgroup(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 || cgroupRoot() == "" {
		t.Skip("needs root and a cgroup2 file system: only there are processes found that left their process group")
	}
}

// A grandchild that made itself a session of its own, and holds the output,
// is killed with the program, by the timeout of exec and by that of the hook.
func TestHungExecIsKilledWithGrandchildren(t *testing.T) {
	needsCgroup(t)
	const script = `setsid sh -c 'echo $$ >pid; exec sleep 1000' & echo x; wait; sleep 1000`
	b := cutOff(t, func(limit time.Duration) *bench {
		b := luaBench(t, fmt.Sprintf("local ok = pcall(exec, { 'sh', '-c', [[%s]], timeout = %g })\nassert(not ok)", script, limit.Seconds()))
		b.ok(t)
		return b
	})
	awaitDeath(t, filepath.Join(b.run.Dir, "pid"))

	b = cutOff(t, func(limit time.Duration) *bench {
		b := luaBench(t, "exec{ 'sh', '-c', [["+script+"]] }")
		b.run.Args.Timeout = limit
		if r := b.fails(t, "did not end within "+limit.String()); !r.TimedOut {
			t.Errorf("%+v", r)
		}
		return b
	})
	if alive(t, filepath.Join(b.run.Dir, "pid")) {
		t.Error("the grandchild is alive after the hook")
	}
	noCages(t)
}

// cutOff runs what is cut off after a time, and with more of it until the grandchild was there
// before: a busy machine may need more to start one than the program is given.
func cutOff(t *testing.T, run func(limit time.Duration) *bench) *bench {
	t.Helper()
	for limit := 500 * time.Millisecond; limit < time.Minute; limit *= 2 {
		b := run(limit)
		if text, _ := os.ReadFile(filepath.Join(b.run.Dir, "pid")); strings.HasSuffix(string(text), "\n") {
			return b
		}
	}
	t.Fatal("the program starts no grandchild")
	return nil
}

// noCages fails if control groups of this process are left.
func noCages(t *testing.T) {
	t.Helper()
	left, _ := filepath.Glob(filepath.Join(cgroupRoot(), "orchestrator", "*."+strconv.Itoa(os.Getpid())+"-*"))
	if len(left) > 0 {
		t.Errorf("control groups left behind: %v", left)
	}
}

func awaitDeath(t *testing.T, pidFile string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); alive(t, pidFile); {
		if time.Now().After(end) {
			kill(t, pidFile)
			t.Fatal("the process is still alive")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestHungProgramIsKilledWithGrandchildren(t *testing.T) {
	needsCgroup(t)
	b := cutOff(t, func(limit time.Duration) *bench {
		b := newBench(t, Options{}, map[string]string{"bin/start_both": "#!/bin/sh\nsetsid sh -c 'echo $$ >pid; exec sleep 1000' &\nwait\nsleep 1000\n"})
		b.run.Args.Timeout = limit
		if r := b.fails(t, "bin/start_both did not end within "+limit.String()+"; it was cut off"); !r.TimedOut {
			t.Errorf("%+v", r)
		}
		return b
	})
	if alive(t, filepath.Join(b.run.Dir, "pid")) {
		t.Error("the grandchild is alive after the hook")
	}
	noCages(t)
}

// Without a control group the process group is killed.
func TestProcessGroupAlone(t *testing.T) {
	p := &processes{name: "web.test"}
	cg := &cage{}
	c := command{path: "/bin/sh", args: []string{"-c", "sleep 1000 & echo $! >pid; wait"}, dir: t.TempDir()}
	out, err := newDrain(&capture{max: 10})
	if err != nil {
		t.Fatal(err)
	}
	cmd := newCommand(c, out.w, out.w)
	cg.prepare(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cg.started(cmd.Process)
	out.start()
	p.cages = append(p.cages, cg)
	file := filepath.Join(c.dir, "pid")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		if text, _ := os.ReadFile(file); strings.HasSuffix(string(text), "\n") {
			break
		}
	}
	p.killAll()
	_ = cmd.Wait()
	awaitDeath(t, file)
	<-out.done
}

// A hook may start something that goes on: it is neither waited for nor killed,
// and may write on.
func TestBackgroundProgramGoesOn(t *testing.T) {
	b := newBench(t, Options{}, map[string]string{
		"bin/start_both": "#!/bin/sh\necho starting\n(trap '' HUP; while [ ! -e stop ]; do sleep 0.02; done; echo late; echo late >&2; touch done) &\necho $! >pid\n",
	})
	defer kill(t, filepath.Join(b.run.Dir, "pid"))
	contains(t, b.ok(t), "starting\n")
	if !alive(t, filepath.Join(b.run.Dir, "pid")) {
		t.Fatal("the background program is dead")
	}
	if err := os.WriteFile(filepath.Join(b.run.Dir, "stop"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	awaitDeath(t, filepath.Join(b.run.Dir, "pid"))
	if _, err := os.Stat(filepath.Join(b.run.Dir, "done")); err != nil {
		t.Error("writing after the end of the hook killed the background program")
	}
	if strings.Contains(b.out.text(), "late") {
		t.Error("output after the end of the run")
	}
	b.host.left.add(nil) // what the next run does
	noCages(t)
}

func TestProgramArgumentsAndEnvironment(t *testing.T) {
	home := t.TempDir()
	b := newBench(t, Options{Home: home}, map[string]string{
		"bin/stop_both": "#!/bin/sh\necho args $#: $*\npwd\nenv | grep -E '^(SAFE|PORT|EXTRA)' | sort\necho trouble >&2\nexit 4\n",
	})
	b.run.Args = core.HookCall{Name: "stop_both", Force: true, From: core.Up, To: core.Wait, Verb: core.VerbWait}
	b.run.Env = []string{"EXTRA=yes", "PORT=9090"}
	b.fails(t, "bin/stop_both ended with code 4: trouble")
	d := b.run.Dir
	contains(t, b.out.text(), "trouble\n")
	// Its place among the lines of the other stream is not certain.
	contains(t, strings.Replace(b.out.text(), "trouble\n", "", 1), "args 4: force UP WAIT stopwait\n"+d+"\nEXTRA=yes\nPORT=9090\nSAFE=/opt/ha\nSAFEBIN=/opt/ha\nSAFEHOOK=stop_both\nSAFEMODULE=web\n"+
		"SAFEUSERBIN="+d+"/bin\nSAFEUSERCONF="+d+"/conf\nSAFEUSERVAR="+home+"/output/web\nSAFEVAR="+home+"\n")

	b = newBench(t, Options{}, map[string]string{"bin/start_both": "#!/bin/sh\necho args $#: $*\n"})
	contains(t, b.ok(t), "args 3: WAIT UP start\n")

	b.run.Args.Services = "db, web"
	contains(t, b.ok(t), "args 5: WAIT UP start -Services db, web\n")

	b = newBench(t, Options{Home: home, Tools: "/opt/tools"}, map[string]string{"bin/start_both": "#!/bin/sh\necho $SAFE $SAFEBIN $ORCHESTRATOR_HOME\n"})
	contains(t, b.ok(t), "/opt/tools /opt/tools "+home+"\n")
}

func TestShellScriptNeedsNoPermission(t *testing.T) {
	b := newBench(t, Options{}, map[string]string{"bin/start_both.sh": "echo sh $*"})
	contains(t, b.ok(t), "sh WAIT UP start")
}

func TestProgramThatCannotRun(t *testing.T) {
	newBench(t, Options{}, map[string]string{"bin/start_both": "no permission"}).fails(t, "bin/start_both is not executable: chmod +x")
	newBench(t, Options{}, map[string]string{"bin/start_both": "#!/no/such/interpreter\n"}).fails(t, "start ", "no such file")
	newBench(t, Options{}, map[string]string{"bin/start_both": "#!/bin/sh\nexit 9\n"}).fails(t, "ended with code 9 and nothing on its standard error")
}

func TestLuaIsPreferred(t *testing.T) {
	b := newBench(t, Options{}, map[string]string{"bin/start_both": "#!/bin/sh\necho program\n", "bin/start_both.lua": "print('lua')"})
	contains(t, b.ok(t), "lua\n")
}

func TestFindCgroup2(t *testing.T) {
	for text, want := range map[string]string{
		"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n38 31 0:37 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n": "/sys/fs/cgroup/unified",
		"24 22 0:21 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n":                                                 "/sys/fs/cgroup",
		"31 23 0:28 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu\n":                                                                          "",
	} {
		if got := findCgroup2(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Who cuts a hook off knows why; what a context is nobody has to know.
func TestCutOffInWords(t *testing.T) {
	c := &call{name: "bin/stop_both.sh"}
	if err := c.cutOff(context.Canceled, nil); err.Error() != "bin/stop_both.sh was cut off" {
		t.Error(err)
	}
	if err := c.cutOff(errors.New("no memory"), nil); err.Error() != "bin/stop_both.sh was cut off: no memory" {
		t.Error(err)
	}
}
