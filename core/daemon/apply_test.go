package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/check"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/core/journal"
	"github.com/orchestrator-ha/orchestrator/core/pki"
)

// followed is checkers that say up at once and note with what they were started.
type followed struct{ begun chan string }

func (f *followed) Follow(ctx context.Context, checker string, settings json.RawMessage, _, _ time.Duration, _ int, report func(core.Value, string)) error {
	f.begun <- fmt.Sprintf("%s %s", checker, settings)
	report(core.ResUp, "as told")
	<-ctx.Done()
	return nil
}

// took waits until so many were started, and answers all that were.
func (f *followed) took(t *testing.T, n int) []string {
	t.Helper()
	var begun []string
	limit := time.After(time.Minute)
	for len(begun) < n || len(f.begun) > 0 {
		select {
		case one := <-f.begun:
			begun = append(begun, one)
		case <-limit:
			t.Fatalf("started were only %q", begun)
		}
	}
	slices.Sort(begun)
	return begun
}

// alone is a cluster of this node, without a network.
func alone(t *testing.T) (*Daemon, *followed) {
	t.Helper()
	home := t.TempDir()
	d := &Daemon{opt: Options{Home: home, Log: quiet()}, log: quiet()}
	ctx, cancel := context.WithCancel(t.Context())
	d.ctx = ctx
	for _, dir := range []string{"modules", "active", "output", "state"} {
		if err := os.MkdirAll(d.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if d.journal, err = journal.Open(d.path("journal.db"), journal.Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	plugins := &followed{make(chan string, 100)}
	d.checks = check.New(plugins, d.resource)
	d.hooks = hook.New(hook.Options{Log: quiet(), Home: home})
	m := &member{
		d: d, log: quiet(), ctx: ctx, id: &pki.Identity{Node: pki.Node{Number: 1, Name: "n1"}}, modules: map[string]*module{},
		ready: make(chan struct{}), loaded: make(chan struct{}), digests: newDigests(),
	}
	close(m.ready)
	m.config = cluster.NewConfig("c", "c", "default")
	m.config.Nodes = []cluster.Node{{Number: 1, Name: "n1"}}
	if m.catalog, err = catalog.Open(d.path("catalog"), 1); err != nil {
		t.Fatal(err)
	}
	d.member = m
	t.Cleanup(func() {
		m.stopModules(10 * time.Second)
		cancel()
		d.checks.Close()
		if err := d.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, plugins
}

const appliedConfig = `<safe><service mode="light" maxloop="3">
  <user><var name="COLOUR" value="red"/></user>
  <check>
    <tcp ident="a" when="both"><to addr="127.0.0.1" port="1"/></tcp>
    <tcp ident="b" when="both"><to addr="127.0.0.1" port="2"/></tcp>
    <custom ident="own" when="both" exec="look"/>
  </check>
  <failover handle_time="0s"><![CDATA[ side: if (custom.side == down) then noaction(); ]]></failover>
</service></safe>`

func appliedModule() map[string]string {
	says := `file.write("` + "%s" + `", ctx.hook .. " " .. ctx.vars.COLOUR)`
	return map[string]string{
		"conf/userconfig.xml": appliedConfig, "bin/start_both.lua": says, "bin/stop_both.lua": says, "bin/update.lua": says, "bin/look": "#!/bin/sh\n",
	}
}

func packModule(t *testing.T, files map[string]string, said string) []byte {
	t.Helper()
	all := fstest.MapFS{}
	for name, text := range files {
		if strings.HasSuffix(name, ".lua") {
			text = fmt.Sprintf(text, said)
		}
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	var b bytes.Buffer
	if err := archive.Write(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestApplyWhileItRuns: a module that runs gets another configuration, one of before,
// and one that it has to be stopped for.
func TestApplyWhileItRuns(t *testing.T) {
	d, plugins := alone(t)
	said := filepath.Join(t.TempDir(), "said")
	ctx, by := t.Context(), "root"
	must := func(out control.Outcome, err error) control.Outcome {
		t.Helper()
		if err == nil && len(failedNodes(out.Nodes)) > 0 {
			err = fmt.Errorf("%+v", out.Nodes)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	hooked := func(want string) {
		t.Helper()
		text, err := os.ReadFile(said)
		if err != nil || string(text) != want {
			t.Errorf("the last hook said %q, want %q (%v)", text, want, err)
		}
	}
	edit := func(file, old, next string) {
		t.Helper()
		path := d.path("modules", "app", file)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("no %q in %s: %v", old, file, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, next, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(d.Install(ctx, by, control.InstallRequest{Name: "app", Archive: packModule(t, appliedModule(), said)}))
	must(d.Do(ctx, by, "app", core.VerbStart, control.VerbRequest{Wait: control.Duration(time.Minute)}))
	hooked("start_both red")
	if begun := plugins.took(t, 3); len(begun) != 3 {
		t.Fatalf("checks %q", begun)
	}
	mod, err := d.module("app")
	if err != nil {
		t.Fatal(err)
	}
	since := mod.runner.Snapshot().Since

	// What changes without a stop.
	edit("conf/userconfig.xml", `value="red"`, `value="blue"`)
	edit("conf/userconfig.xml", `maxloop="3"`, `maxloop="7"`)
	edit("conf/userconfig.xml", `port="2"`, `port="3"`)
	edit("conf/userconfig.xml", `side: if`, `other: if`)
	edit("bin/look", "#!/bin/sh", "#!/bin/sh -e")
	diff, err := d.Diff(ctx, "app", control.DiffRequest{})
	if err != nil || diff.Stops || diff.Effect != "check" || len(diff.Changes) != 5 || !slices.Equal(diff.Running, []control.Running{{Node: "n1", State: "UP Ready"}}) {
		t.Fatalf("%+v %v", diff, err)
	}
	must(d.Apply(ctx, by, "app", control.ApplyRequest{}))
	hooked("update blue")
	in := mod.runner.Snapshot()
	if in.Status() != "UP Ready" || in.Since != since || in.Module.MaxLoop != 7 || in.Module.Version != "2.1" {
		t.Errorf("%s since %s, %+v", in.Status(), in.Since, in.Module)
	}
	begun := plugins.took(t, 2)
	if len(begun) != 2 || !strings.HasPrefix(begun[0], "custom ") || !strings.Contains(begun[1], `"port":3`) {
		t.Errorf("checks that began anew: %q", begun)
	}
	if _, old := in.Resources["rule.side"]; old {
		t.Error("the rule that went is still there")
	}
	if again, err := d.module("app"); err != nil || again != mod {
		t.Errorf("the module was made anew: %v", err)
	}

	// What was before.
	history, err := d.History(ctx, "app")
	if err != nil || len(history) != 2 || history[0].Version != "2.1" || history[1].Back != 1 {
		t.Errorf("%+v %v", history, err)
	}
	must(d.Rollback(ctx, by, "app", control.RollbackRequest{Version: "1"}))
	hooked("update red")
	if text, err := os.ReadFile(d.path("active", "app", "bin", "look")); err != nil || string(text) != "#!/bin/sh\n" {
		t.Errorf("the program is %q: %v", text, err)
	}
	var refused *control.Refusal
	for _, version := range []string{"0", "7", "x"} {
		if _, err := d.Rollback(ctx, by, "app", control.RollbackRequest{Version: version}); !errors.As(err, &refused) {
			t.Errorf("set back to %s: %v", version, err)
		}
	}

	// What needs a stop is refused, unless it is allowed.
	if err := os.WriteFile(d.path("modules", "app", "bin", "start_prim.lua"), fmt.Appendf(nil, `file.write("%s", "start_prim")`, said), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apply(ctx, by, "app", control.ApplyRequest{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "hook start_prim; add --stopstart") {
		t.Errorf("applied: %v", err)
	}
	if mod.config().User.Vars["COLOUR"] != "red" || len(mod.config().Hooks) != 3 {
		t.Errorf("something changed: %+v", mod.config())
	}
	out := must(d.Apply(ctx, by, "app", control.ApplyRequest{StopStart: true}))
	hooked("start_prim")
	if next, err := d.module("app"); err != nil || next == mod || next.runner.Snapshot().Status() != "UP Ready" || out.Nodes[0].State != "UP Ready" {
		t.Errorf("afterwards: %v %+v", err, out.Nodes)
	}
	if w := d.member.wanted("app"); w != core.Up {
		t.Errorf("after a crash it would be %s", w)
	}
}

// TestHooksAroundAConfiguration: postconfig is called once for each configuration that
// comes, whether the module runs or not, and not for a start of the daemon; deconfig
// when the module goes.
func TestHooksAroundAConfiguration(t *testing.T) {
	d, _ := alone(t)
	said := filepath.Join(t.TempDir(), "said")
	files := appliedModule()
	tells := `local old = file.exists("%[1]s") and file.read("%[1]s") or "" file.write("%[1]s", old .. ctx.hook .. " " .. ctx.vars.COLOUR .. ";")`
	for name := range files {
		if strings.HasSuffix(name, ".lua") {
			files[name] = tells
		}
	}
	files["bin/postconfig.lua"] = tells + ` if ctx.vars.COLOUR == "bad" then fail("no such colour") end`
	files["bin/deconfig.lua"] = tells
	ctx := t.Context()
	expect := func(what, want string) { // on a busy machine hooks may go on after an install has answered
		t.Helper()
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for limit := time.After(time.Minute); ; {
			text, err := os.ReadFile(said)
			if err == nil && string(text) == want {
				return
			}
			select {
			case <-again.C:
			case <-limit:
				t.Errorf("%s: %q, want %q (%v)", what, text, want, err)
				return
			}
		}
	}
	install := func(colour string) control.Outcome {
		t.Helper()
		files["conf/userconfig.xml"] = strings.Replace(appliedConfig, "red", colour, 1)
		out, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, said)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := install("red"); out.Next != "Start it with: orchestrator start app" {
		t.Errorf("what to do next: %q", out.Next)
	}
	expect("installed", "postconfig red;")
	readme := d.path("modules", "app", "README.md")
	if err := os.WriteFile(readme, []byte("not applied yet"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.member.stopModules(time.Minute) // as the daemon does at its end
	d.member.closing = false
	d.member.loadAll()
	expect("the daemon is started anew", "postconfig red;")
	if text, err := os.ReadFile(readme); err != nil || string(text) != "not applied yet" {
		t.Errorf("what was edited is %q after a restart of the daemon: %v", text, err)
	}
	if _, err := d.Do(ctx, "root", "app", core.VerbStart, control.VerbRequest{Wait: control.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if out := install("blue"); out.Next != "" {
		t.Errorf("it runs, and yet: %q", out.Next)
	}
	expect("changed while it runs", "postconfig red;stop_both red;stop_both red;start_both red;postconfig blue;update blue;")
	if _, err := d.Do(ctx, "root", "app", core.VerbStop, control.VerbRequest{Wait: control.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if out := install("bad"); len(failedNodes(out.Nodes)) != 1 || !strings.Contains(out.Nodes[0].Text, "hook postconfig failed: bin/postconfig.lua") {
		t.Errorf("a postconfig that fails: %+v", out)
	}
	if err := os.Remove(said); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Uninstall(ctx, "root", "app"); err != nil {
		t.Fatal(err)
	}
	expect("uninstalled", "deconfig bad;")
}

// TestApplyInTheMiddle: a transition that is under way ends first.
func TestApplyInTheMiddle(t *testing.T) {
	d, _ := alone(t)
	said := filepath.Join(t.TempDir(), "said")
	files := appliedModule()
	files["bin/start_both.lua"] = `for i = 1, 3000 do if file.exists("%[1]s.go") then break end sleep("20ms") end file.write("%[1]s", "started " .. ctx.vars.COLOUR)`
	ctx := t.Context()
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, said)}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(ctx, "root", "app", core.VerbStart, control.VerbRequest{}); err != nil {
		t.Fatal(err)
	}
	mod, err := d.module("app")
	if err != nil {
		t.Fatal(err)
	}
	updates, stop := mod.runner.Subscribe()
	defer stop()
	for in := range updates {
		if in.Asked.Hook == "start_both" {
			break
		}
	}
	path := d.path("modules", "app", "conf", "userconfig.xml")
	if err := os.WriteFile(path, []byte(strings.Replace(appliedConfig, "red", "blue", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := d.Apply(ctx, "root", "app", control.ApplyRequest{})
	if err != nil || len(out.Nodes) != 1 || out.Nodes[0].OK || !strings.Contains(out.Nodes[0].Text, "takes the configuration over when that has ended") {
		t.Fatalf("%+v %v", out, err)
	}
	if err := os.WriteFile(said+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for in := range updates {
		if in.Module.Version == "2.1" && in.Settled() {
			break
		}
	}
	if text, err := os.ReadFile(said); err != nil || string(text) != "update blue" {
		t.Errorf("the last hook said %q: %v", text, err)
	}
	if v := mod.config().User.Vars["COLOUR"]; v != "blue" {
		t.Errorf("the colour is %s", v)
	}
}
