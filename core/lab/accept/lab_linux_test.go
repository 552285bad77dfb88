package accept_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/demo"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// bench calls "orchestrator lab" as a person does, for one lab in a folder of its own.
type bench struct{ name, root string }

func newBench(t *testing.T, name string) bench {
	t.Helper()
	b := bench{name, labRoot(t)}
	t.Cleanup(func() {
		if r := b.call(t, "down"); r.code != 0 {
			t.Errorf("down: %+v", r)
		}
		left, err := filepath.Glob("/run/netns/orch-" + name + "-*")
		files, readErr := os.ReadDir(b.root) // an empty root goes with the last lab
		if err != nil || readErr != nil && !errors.Is(readErr, os.ErrNotExist) || len(left)+len(files) > 0 {
			t.Errorf("left behind: %v %v %v %v", left, files, err, readErr)
		}
		if err := os.RemoveAll(b.root); err != nil {
			t.Error(err)
		}
	})
	return b
}

// call runs a command of the lab; rest are its arguments.
func (b bench) call(t *testing.T, verb string, rest ...string) result {
	t.Helper()
	cmd := exec.Command(program, append([]string{"lab", verb, "--name", b.name, "--root", b.root}, rest...)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	r := result{out: out.String(), err: problem.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer runs a command that succeeds and prints JSON.
func answer[T any](t *testing.T, b bench, verb string, rest ...string) T {
	t.Helper()
	var v T
	r := b.call(t, verb, append([]string{"--json"}, rest...)...)
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.code != 0 {
		t.Fatalf("lab %s: %v, %+v", verb, err, r)
	}
	return v
}

// A lab by the commands that docs/lab.md begins with.
func TestLabCommands(t *testing.T) {
	b := newBench(t, "acclab")
	if r := b.call(t, "status"); r.code != 1 || !strings.Contains(r.err, "orchestrator lab up") {
		t.Errorf("status without a lab: %+v", r)
	}
	st := answer[lab.Status](t, b, "up", "--nodes", "2", "--port", "-1")
	if len(st.Nodes) != 2 || st.Phase != lab.Running {
		t.Fatalf("%+v", st)
	}
	if r := b.call(t, "up"); r.code != 1 || !strings.Contains(r.err, "acclab") {
		t.Errorf("a second lab of the name: %+v", r)
	}
	if r := b.call(t, "exec", "n1", "--", "orchestrator", "cluster", "status"); r.code != 0 || !strings.Contains(r.out, "n2    yes") {
		t.Errorf("%+v", r)
	}
	if r := b.call(t, "exec", "client", "--", "sh", "-c", "exit 7"); r.code != 7 {
		t.Errorf("%+v", r)
	}
	if st := answer[lab.Status](t, b, "cut", "n2"); st.Nodes[0].Link != "up" || st.Nodes[1].Link == "up" {
		t.Errorf("%+v", st.Nodes)
	}
	if st := answer[lab.Status](t, b, "heal"); st.Nodes[1].Link != "up" {
		t.Errorf("%+v", st.Nodes)
	}
	r := answer[load.Report](t, b, "load", "--target", "10.77.0.1:1", "--rate", "50", "--connections", "0", "--duration", "200ms")
	if r.New.Failed == 0 || r.New.OK != 0 || len(r.New.Outages) != 1 {
		t.Errorf("load on a port that nobody listens on: %+v", r.New)
	}
	if r := b.call(t, "kill", "n7"); r.code != 1 || !strings.Contains(r.err, "n7") {
		t.Errorf("%+v", r)
	}
}

// What `make demo JSON=1` runs, with shorter scenes: one document on standard output,
// the story beside it, and nothing left behind.
func TestDemo(t *testing.T) {
	b := newBench(t, "accdemo")
	run := b.call(t, "demo", "--json", "--act", "kill,cut", "--calm", "500ms")
	t.Logf("%s", run.err)
	var r demo.Result
	if err := json.Unmarshal([]byte(run.out), &r); err != nil {
		t.Fatalf("exit code %d: standard output is not one document: %v in %s", run.code, err, run.out)
	}
	if run.code != 0 && !slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, "too busy") }) {
		t.Errorf("exit code %d: %q", run.code, r.Problems)
	}
	for i, want := range []string{"kill n2", "cut n3"} {
		if f := r.Faults[i]; f.Kind+" "+f.Node != want || f.OutageMS <= 0 || f.SharesAfter[f.Node] != 0 || len(f.SharesBefore) != 3 || f.SharesReturned[f.Node] == 0 {
			t.Errorf("%s: %+v", want, f)
		}
	}
	if c := r.Connections; c.Kept == 0 || c.Broken == 0 || c.BrokenOther != 0 {
		t.Errorf("%+v", c)
	}
	if len(r.Shares.Before) != 3 || len(r.Shares.After) != 3 {
		t.Errorf("%+v", r.Shares)
	}
	inOrder(t, run.err)
}

// inOrder says that the times before the events of a demonstration rise.
func inOrder(t *testing.T, story string) {
	t.Helper()
	var times []string
	for line := range strings.Lines(story) {
		if time, _, ok := strings.Cut(line, "  "); ok && strings.Contains(time, ":") {
			times = append(times, time)
		}
	}
	if len(times) < 10 || !slices.IsSorted(times) {
		t.Errorf("the clock of the events: %q", times)
	}
}
