package modules_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/modules"
)

func TestNames(t *testing.T) {
	want := []string{"apache_farm", "dns_farm", "farm", "iis_farm", "light", "mariadb", "mirror", "nginx_farm", "postgresql", "web_farm"}
	if got := modules.Names(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"", ".", "..", "embed.go", "none.safe", "farm/conf", "farm.safe.safe"} {
		if _, ok := modules.Builtin(name); ok {
			t.Errorf("%q is built in", name)
		}
	}
}

// addressed are the modules that have a virtual address.
func addressed() []string {
	return slices.DeleteFunc(modules.Names(), func(name string) bool { return name == "light" })
}

// The light module needs nothing to be set, and asks for no address.
func TestLight(t *testing.T) {
	for _, set := range []map[string]string{nil, {"PORT": "8080", "SERVICES": "app, db"}} {
		m, problems := config.Parse(builtin(t, "light"), "light", config.Options{Set: set, CheckHook: hook.CheckSyntax})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		c := m.Core()
		if c.Mode != core.Light || c.Shared || !c.Hooks["start_both"] || !c.Hooks["stop_both"] || m.User.Vars["SERVICES"] != set["SERVICES"] {
			t.Errorf("got %+v with %v", c, m.User.Vars)
		}
	}
}

// A macro that a module declares is used in it, and told in its README.
func TestMacrosAreUsed(t *testing.T) {
	for _, name := range modules.Names() {
		text := func(file string) string {
			raw, err := fs.ReadFile(builtin(t, name), file)
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}
		xml, readme := text("conf/userconfig.xml"), text("README.md")
		for _, m := range regexp.MustCompile(`<macro name="([^"]*)"`).FindAllStringSubmatch(xml, -1) {
			if !strings.Contains(xml, "%"+m[1]+"%") || !strings.Contains(readme, "| "+m[1]+" |") {
				t.Errorf("%s: macro %s is not used, or not in the README", name, m[1])
			}
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
	for _, name := range addressed() {
		var b bytes.Buffer
		if err := archive.Write(&b, builtin(t, name+".safe")); err != nil {
			t.Fatal(err)
		}
		packed, err := archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), name, archive.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		set := map[string]string{"VIRTUAL_IP": "192.0.2.10", "PORT": "8080", "FILTER": "on_addr"}
		mirror := slices.Contains([]string{"mariadb", "mirror", "postgresql"}, name)
		if mirror {
			set = map[string]string{"VIRTUAL_IP": "192.0.2.10", "HEART_TIMEOUT": "30s"}
		}
		m, problems := config.Parse(packed, name, config.Options{Set: set, CheckHook: hook.CheckSyntax})
		if len(problems) > 0 {
			t.Errorf("%s:\n%v", name, problems)
			continue
		}
		if _, err := fs.Stat(packed, "README.md"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c := m.Core()
		if mirror {
			if c.Mode != core.Mirror || !c.Shared || !c.Hooks["start_prim"] || !c.Hooks["stop_prim"] || m.Heart.Timeout != 30*time.Second {
				t.Errorf("%s: got %+v", name, c)
			}
			continue
		}
		if c.Mode != core.Farm || !c.Shared || !c.Hooks["start_both"] || !c.Hooks["stop_both"] {
			t.Errorf("%s: got %+v", name, c)
		}
		if r := m.Groups[0].Rules[0]; r.Port != 8080 || r.Filter != "on_addr" {
			t.Errorf("%s: macros are not used in the rule: %+v", name, r)
		}
	}
}

// Without its address, each tells what to type.
func TestModulesAskForTheirAddress(t *testing.T) {
	for _, name := range addressed() {
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

// An archive as SafeKit makes them, with entries for folders, without the modes
// of Unix, and with old things beside, is read and extracted; its hooks can be
// run.
func TestArchiveOfSafeKit(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range []struct{ name, text string }{
		{"conf/", ""}, {"conf/userconfig.xml", `<!DOCTYPE safe><safe><service mode="farm"><farm><lan name="default"/></farm><user/></service></safe>`},
		{"conf/userconfig.xml.template", "old"}, {"conf/modulekey.p12", "\x30\x82"}, {"conf/modulekey.dat", "key"},
		{"bin/", ""}, {"bin/prestart", "#!/bin/sh\n"}, {"bin/start_both", "#!/bin/sh\n"}, {"bin/stop_both", "#!/bin/sh\n"},
		{"web/", ""}, {"web/index.html", "old"}, {"web/index.html.ja", "old"}, {"manifest.xml", "<application_module/>"},
	} {
		e, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, CreatorVersion: 0, Modified: time.Now()})
		if err == nil {
			_, err = e.Write([]byte(f.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "old.safe", archive.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	m, problems := config.Parse(files, "old", config.Options{System: "linux", Path: "old.safe:"})
	if m == nil || len(m.Hooks) != 3 {
		t.Fatalf("got %+v, %v", m, problems)
	}
	var beside []string
	for _, p := range problems {
		if p.Severity != diag.Note || p.ID != "config/ignored" {
			t.Errorf("unexpected: %v", p)
		}
		beside = append(beside, strings.TrimPrefix(p.Pos.File, "old.safe:"))
	}
	slices.Sort(beside)
	if want := []string{"conf/modulekey.dat", "conf/modulekey.p12", "conf/userconfig.xml.template", "manifest.xml", "web"}; !slices.Equal(beside, want) {
		t.Errorf("listed as ignored: %v, want %v", beside, want)
	}
	dir := filepath.Join(t.TempDir(), "old")
	if err := archive.Extract(files, dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "bin", "start_both")); err != nil || runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
		t.Errorf("bin/start_both cannot be run: %v %v", info, err)
	}
}
