package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/journal"
)

// scribe is a node that has a journal, and module web.
func scribe(t *testing.T) *Daemon {
	t.Helper()
	d := &Daemon{opt: Options{Home: t.TempDir()}, log: slog.New(slog.DiscardHandler), member: &member{modules: map[string]*module{"web": {}}}}
	var err error
	if d.journal, err = journal.Open(d.path("journal.db"), journal.Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Who follows the log gets what came while the old entries were shown, once.
func TestLogFollowMissesNothing(t *testing.T) {
	d := scribe(t)
	for i := range 5 {
		d.note("message", "info", fmt.Sprint(i), nil, 0)
	}
	for _, q := range []control.LogQuery{{Limit: 3, Follow: true}, {After: 2, Follow: true, Limit: 1}} {
		enough := errors.New("enough")
		var got []string
		next := 5
		err := d.Log(t.Context(), q, func(e control.LogEntry) error {
			got = append(got, e.Text)
			if next < 8 { // it comes while the reader is busy with an entry
				d.note("message", "info", fmt.Sprint(next), nil, 0)
				next++
			}
			if e.Text == "7" {
				return enough
			}
			return nil
		})
		if want := []string{"2", "3", "4", "5", "6", "7"}; !errors.Is(err, enough) || !slices.Equal(got, want) {
			t.Errorf("%+v: got %q, %v; want %q", q, got, err, want)
		}
		if q.Limit == 3 { // begin anew
			d = scribe(t)
			for i := range 5 {
				d.note("message", "info", fmt.Sprint(i), nil, 0)
			}
		}
	}
}

// What somebody asked for stands in the journal, and with which result.
func TestCommandLog(t *testing.T) {
	d := scribe(t)
	d.Carried(control.Command{By: "anna from 10.0.0.9", What: "stop web", Module: "web", Nodes: []string{"n1"}, OK: true, Result: "n1 is STOP NotReady"})
	d.Carried(control.Command{By: "root on this node", What: "cluster token", OK: false, Result: "no cluster"})
	d.note("message", "info", "something else", nil, 0)
	var got []string
	for _, q := range []control.LogQuery{{Types: []string{"command"}}, {Types: []string{"command"}, Module: "web"}, {Types: []string{"command"}, Level: "warn"}} {
		if err := d.Log(t.Context(), q, func(e control.LogEntry) error { got = append(got, e.Level+" "+e.Text); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	one, two := "info anna from 10.0.0.9: stop web on n1: done: n1 is STOP NotReady.", "warn root on this node: cluster token: failed: no cluster."
	if want := []string{one, two, one, two}; !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestHistory(t *testing.T) {
	d := scribe(t)
	for _, v := range []core.Value{core.ResUp, core.ResDown} {
		d.noteModule("web", "resource", "info", "tcp.web is something", map[string]any{"resource": "tcp.web", "value": v, "reason": "seen so"}, 0)
	}
	list, err := d.ResourceHistory(t.Context(), control.HistoryQuery{Module: "web", Resource: "tcp.web", Limit: 1})
	if err != nil || len(list) != 1 || list[0].Value != core.ResDown || list[0].Reason != "seen so" || list[0].Resource != "tcp.web" || list[0].Time.IsZero() || list[0].Entry != 2 {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := d.ResourceHistory(context.Background(), control.HistoryQuery{Module: "mail"}); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("the history of no module: %v", err)
	}
}

// Each run of a hook has a file of its own; the log shows it, and says so when it is
// gone.
func TestOutputOfEachRun(t *testing.T) {
	d := scribe(t)
	mod := &module{m: &member{d: d, log: d.log}, conf: documented(t, checkedConfig)}
	name := mod.conf.Name
	own := d.path("output", name, "0.pid") // of a script, for which the folder is SAFEUSERVAR
	if err := errors.Join(os.MkdirAll(filepath.Dir(own), 0o700), os.WriteFile(own, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for i := range keptOutputs + 3 {
		path, out, err := mod.outputFile(core.HookCall{Name: "stop_both", Force: i%2 == 1})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "run %d\n", i)
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		d.noteModule(name, "output", "info", fmt.Sprintf("Hook %d.", i), map[string]any{"file": filepath.Base(path)}, 0)
	}
	files, err := os.ReadDir(d.path("output", name))
	if _, gone := os.Stat(own); gone != nil {
		t.Errorf("a script's own file was taken for output: %v", gone)
	}
	if err != nil || len(files) != keptOutputs+1 {
		t.Errorf("%d files are kept, want %d: %v", len(files), keptOutputs, err)
	}
	if forced := slices.IndexFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), "_stop_both_force.log") }); forced < 0 {
		t.Error("no file tells that the call was one with force")
	}
	i := 0
	err = d.Log(t.Context(), control.LogQuery{Types: []string{"output"}}, func(e control.LogEntry) error {
		want := fmt.Sprintf("run %d\n", i)
		if i < 3 {
			want = "(the output is no longer kept)"
		}
		if e.Output != want {
			t.Errorf("run %d: %q, want %q", i, e.Output, want)
		}
		i++
		return nil
	})
	if err != nil || i != keptOutputs+3 {
		t.Errorf("%d runs are told: %v", i, err)
	}
}

// A text is looked for in what hooks printed, too.
func TestLogGrep(t *testing.T) {
	d := scribe(t)
	for i, output := range []string{"Connection refused", "all is well", "connection REFUSED again", "fine"} {
		file := fmt.Sprintf("%d.log", i)
		if err := errors.Join(os.MkdirAll(d.path("output", "web"), 0o700), os.WriteFile(d.path("output", "web", file), []byte(output), 0o600)); err != nil {
			t.Fatal(err)
		}
		d.noteModule("web", "output", "info", fmt.Sprintf("Hook %d.", i), map[string]any{"file": file}, 0)
	}
	d.noteModule("web", "resource", "warn", "tcp.web is down: refused.", nil, 0)
	d.noteModule("web", "resource", "info", "tcp.web is up.", nil, 0)
	for _, c := range []struct {
		q    control.LogQuery
		want string
	}{
		{control.LogQuery{Grep: "refused"}, "Hook 0. Hook 2. tcp.web is down: refused."},
		{control.LogQuery{Grep: "refused", Limit: 2}, "Hook 2. tcp.web is down: refused."},
		{control.LogQuery{Grep: "refused", Limit: 1, After: 1}, "Hook 2."},
		{control.LogQuery{Grep: "refused", Types: []string{"output"}}, "Hook 0. Hook 2."},
		{control.LogQuery{Grep: "refused", Types: []string{"resource"}}, "tcp.web is down: refused."},
		{control.LogQuery{Grep: "hook 3"}, "Hook 3."},
		{control.LogQuery{Grep: "nowhere"}, ""},
	} {
		var got []string
		if err := d.Log(t.Context(), c.q, func(e control.LogEntry) error { got = append(got, e.Text); return nil }); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, %v; want %q", c.q, got, err, c.want)
		}
	}
}
