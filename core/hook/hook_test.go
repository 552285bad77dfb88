package hook

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// module writes the files of a module and returns its directory.
func module(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// output collects what a hook writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// text is the output without time stamps.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b strings.Builder
	for row := range strings.Lines(o.buf.String()) {
		_, rest, _ := strings.Cut(row, " ")
		b.WriteString(rest)
	}
	return b.String()
}

// bench is a host, a module and the output of its hooks.
type bench struct {
	host *Host
	run  Run
	out  *output
}

// newBench prepares the run of a hook start_both from UP to WAIT.
func newBench(t testing.TB, o Options, files map[string]string) *bench {
	out := &output{}
	host := New(o)
	t.Cleanup(func() { emptied(host) })
	return &bench{host: host, out: out, run: Run{
		Module: "web", Dir: module(t, files), Node: "node1", Program: "/opt/ha/orchestrator", Output: out,
		Vars: map[string]string{"PORT": "8080"},
		Args: core.HookCall{Name: "start_both", From: core.Wait, To: core.Up, Verb: core.VerbStart, Timeout: 5 * time.Minute},
	}}
}

// emptied waits for the processes of hooks that were killed and are not gone yet, so that
// their control groups are not found by the next test. A host looks at the next run.
func emptied(h *Host) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); <-tick.C {
		if h.left.add(nil); len(h.left.cages) == 0 {
			return
		}
	}
}

// lua prepares a module whose start_both.lua is the given text.
func luaBench(t testing.TB, src string) *bench {
	return newBench(t, Options{}, map[string]string{"bin/start_both.lua": src})
}

func (b *bench) do(t testing.TB) Result {
	t.Helper()
	return b.host.Run(t.Context(), b.run)
}

// ok runs the hook, which must succeed, and returns its output.
func (b *bench) ok(t testing.TB) string {
	t.Helper()
	if r := b.do(t); !r.OK || !r.Exists || r.Reason != "" {
		t.Fatalf("hook failed: %s\n%s\noutput:\n%s", r.Reason, r.Trace, b.out.text())
	}
	return b.out.text()
}

// fails runs the hook, which must fail for a reason that contains all parts.
func (b *bench) fails(t testing.TB, parts ...string) Result {
	t.Helper()
	r := b.do(t)
	if r.OK {
		t.Fatalf("hook did not fail; output:\n%s", b.out.text())
	}
	for _, p := range parts {
		if !strings.Contains(r.Reason, p) {
			t.Errorf("reason is %q, want %q in it", r.Reason, p)
		}
	}
	return r
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func TestMissingHookIsOK(t *testing.T) {
	b := newBench(t, Options{}, map[string]string{"bin/other.lua": ""})
	if r := b.do(t); !r.OK || r.Exists {
		t.Errorf("got %+v", r)
	}
}

func TestHookNameCannotLeaveBin(t *testing.T) {
	b := newBench(t, Options{}, map[string]string{"evil.lua": "print('ran')"})
	b.run.Args.Name = "../evil"
	b.fails(t, `"../evil" is no name of a hook`)
}

func TestFind(t *testing.T) {
	dir := module(t, map[string]string{
		"bin/start_both.lua": "", "bin/stop_both": "#!/bin/sh\n", "bin/prestart.sh": "", "bin/read.me": "", "bin/sub/x.lua": "",
	})
	found := New(Options{}).Find(dir)
	for _, name := range []string{"start_both", "stop_both", "prestart"} {
		if !found[name] {
			t.Errorf("%s not found", name)
		}
	}
	if len(found) != 3 {
		t.Errorf("found %v", found)
	}
	if got := New(Options{}).Find(t.TempDir()); len(got) != 0 {
		t.Errorf("found %v in an empty directory", got)
	}
}

func TestContext(t *testing.T) {
	b := luaBench(t, `print(ctx.hook, ctx.force, ctx.from, ctx.to, ctx.action, ctx.node, ctx.module, ctx.vars.PORT, ctx.vars.NO, ctx.program)
		assert(file.exists(ctx.dir .. "/bin/start_both.lua"))`)
	b.run.Args.Force = true
	b.run.Args.Verb = core.VerbWait
	contains(t, b.ok(t), "start_both\ttrue\tWAIT\tUP\tstopwait\tnode1\tweb\t8080\tnil\t/opt/ha/orchestrator\n")
}

func TestOutputHasTimeStampsAndLimit(t *testing.T) {
	b := luaBench(t, `for i = 1, 1000 do print(("x"):rep(100)) end`)
	b.host.opts.OutputLimit = 4096
	b.ok(t)
	rows := strings.Split(strings.TrimSpace(b.out.buf.String()), "\n")
	stamp, _, _ := strings.Cut(rows[0], " ")
	if _, err := time.Parse(stampLayout, stamp); err != nil {
		t.Error(err)
	}
	contains(t, rows[len(rows)-1], "output cut off here: limit of 4 KiB reached")
	if n := b.out.buf.Len(); n > 4096+100 {
		t.Errorf("%d bytes", n)
	}
}

func TestSplitterBreaksEndlessLines(t *testing.T) {
	var rows []string
	s := &splitter{emit: func(r string) { rows = append(rows, r) }}
	_, _ = s.Write(bytes.Repeat([]byte("x"), maxLine+10))
	_, _ = s.Write([]byte("\r\nlast"))
	s.flush()
	if len(rows) != 3 || len(rows[0]) != maxLine || rows[1] != strings.Repeat("x", 10) || rows[2] != "last" {
		t.Errorf("%d rows, ends %q", len(rows), rows[len(rows)-1])
	}
}
