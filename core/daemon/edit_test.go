package daemon

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// TestEdit: what the console does with the copy of a module that may be edited.
func TestEdit(t *testing.T) {
	d, _ := alone(t)
	ctx := t.Context()
	files := appliedModule()
	files["web/logo.png"] = "\x89PNG\x00"
	if _, err := d.Install(ctx, "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, "/dev/null")}); err != nil {
		t.Fatal(err)
	}
	list, err := d.Files(ctx, "app")
	at := func(path string) control.CopyFile {
		i := slices.IndexFunc(list, func(f control.CopyFile) bool { return f.Path == path })
		if i < 0 {
			t.Fatalf("%s is not in %+v", path, list)
		}
		return list[i]
	}
	if err != nil || len(list) != len(files) || !at("conf/userconfig.xml").Text || at("web/logo.png").Text || at("web/logo.png").Size != 5 {
		t.Fatalf("%+v %v", list, err)
	}
	raw, err := d.ReadFile(ctx, "app", "conf/userconfig.xml")
	if err != nil || string(raw) != appliedConfig {
		t.Fatalf("%q %v", raw, err)
	}
	for path, text := range map[string]string{"conf/userconfig.xml": strings.Replace(appliedConfig, "red", "blue", 1), "bin/new/deep.lua": "-- new"} {
		if err := d.WriteFile(ctx, "app", path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if raw, err := d.ReadFile(ctx, "app", path); err != nil || string(raw) != text {
			t.Errorf("%s is %q: %v", path, raw, err)
		}
	}
	if diff, err := d.Diff(ctx, "app", control.DiffRequest{}); err != nil || len(diff.Changes) != 2 {
		t.Errorf("%+v %v", diff, err)
	}
	if err := os.Symlink(d.path("state"), d.path("modules", "app", "out")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", ".", "../app.json", "/etc/passwd", "conf/../../x", "conf", "out/x", "bin/"} {
		if err := d.WriteFile(ctx, "app", path, []byte("x")); err == nil {
			t.Errorf("%q was written", path)
		}
	}
	if left, err := os.ReadDir(d.path("state")); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "x") }) {
		t.Errorf("written outside: %v %v", left, err)
	}
	for _, path := range []string{"conf/nothing.xml", "../../journal.db", "out/app.json"} {
		if raw, err := d.ReadFile(ctx, "app", path); err == nil {
			t.Errorf("%s was read: %q", path, raw)
		}
	}
	if _, err := d.Files(ctx, "other"); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("files of no module: %v", err)
	}
}
