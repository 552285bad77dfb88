package modules_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/modules"
)

func TestNames(t *testing.T) {
	want := []string{"apache_farm", "farm", "iis_farm", "nginx_farm", "web_farm"}
	if got := modules.Names(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"", ".", "..", "embed.go", "none.safe", "farm/conf", "farm.safe.safe"} {
		if _, ok := modules.Builtin(name); ok {
			t.Errorf("%q is built in", name)
		}
	}
}

func builtin(t *testing.T, name string) fs.FS {
	t.Helper()
	m, ok := modules.Builtin(name)
	if !ok {
		t.Fatalf("%s is not built in", name)
	}
	return m
}

// Every shipped module is without any problem once it has its address, also
// after it went through an archive.
func TestModulesAreClean(t *testing.T) {
	for _, name := range modules.Names() {
		var b bytes.Buffer
		if err := archive.Write(&b, builtin(t, name+".safe")); err != nil {
			t.Fatal(err)
		}
		packed, err := archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), name, archive.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		m, problems := config.Parse(packed, name, config.Options{
			Set: map[string]string{"VIRTUAL_IP": "192.0.2.10", "PORT": "8080", "FILTER": "on_addr"}, CheckHook: hook.CheckSyntax})
		if len(problems) > 0 {
			t.Errorf("%s:\n%v", name, problems)
			continue
		}
		c := m.Core()
		if c.Mode != core.Farm || !c.Shared || !c.Hooks["start_both"] || !c.Hooks["stop_both"] {
			t.Errorf("%s: got %+v", name, c)
		}
		if r := m.Groups[0].Rules[0]; r.Port != 8080 || r.Filter != "on_addr" {
			t.Errorf("%s: macros are not used in the rule: %+v", name, r)
		}
		if _, err := fs.Stat(packed, "README.md"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without its address, each tells what to type.
func TestModulesAskForTheirAddress(t *testing.T) {
	for _, name := range modules.Names() {
		_, problems := config.Parse(builtin(t, name), name, config.Options{CheckHook: hook.CheckSyntax})
		if len(problems) != 1 || problems[0].ID != "config/missing-macro" || !strings.Contains(problems[0].Hint, "--set VIRTUAL_IP=") {
			t.Errorf("%s: got\n%v", name, problems)
		}
	}
}

// What the check of a module takes for a hook is what the runner of hooks finds.
func TestHooksAreThoseThatRun(t *testing.T) {
	for _, end := range []string{".lua", "", ".sh", ".exe", ".cmd", ".bat", ".ps1", ".vbs", ".py"} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"conf/userconfig.xml":  `<safe><service mode="farm"><user/></service></safe>`,
			"bin/start_both" + end: "#!/bin/sh\n", "bin/stop_both" + end: "#!/bin/sh\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		m, problems := config.Parse(os.DirFS(dir), "m", config.Options{})
		checked := m != nil && m.Core().Hooks["start_both"]
		if runs := hook.New(hook.Options{}).Find(dir)["start_both"]; runs != checked {
			t.Errorf("start_both%s: it runs: %t, the check says %t:\n%v", end, runs, checked, problems)
		}
	}
}
