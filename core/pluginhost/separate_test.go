package pluginhost

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// separateProgram makes the test binary a program of its own that serves the checker
// file. It is there whole or not at all: a host looks for it all the time.
func separateProgram(t *testing.T, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s plugin serve\n", self)
	written := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(written, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(written, filepath.Join(dir, "orchestrator-checker-file")); err != nil {
		t.Fatal(err)
	}
}

// A plugin that is missing says where it belongs; once it is there, the watch that
// waited for it goes on. It is told of once.
func TestSeparatePluginComes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a script of the shell")
	}
	beside, plugins := t.TempDir(), t.TempDir()
	dead := make(chan Event, 100)
	h, err := New(Options{Plugins: []Plugin{Separate(sdk.KindChecker, "file")}, Dirs: []string{beside, plugins}, Events: func(e Event) {
		if e.State == Dead {
			dead <- e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	file := filepath.Join(t.TempDir(), "f")
	results := make(chan string, 100)
	go func() {
		_ = h.Follow(t.Context(), "file", []byte(fmt.Sprintf(`{"path":%q}`, file)), 10*time.Millisecond, time.Second, 1, func(v core.Value, why string) { results <- string(v) + " " + why })
	}()
	want := fmt.Sprintf("unknown plugin checker/file does not start: there is no orchestrator-checker-file in %s or %s: copy it there, from the release that this program is of; restarting in ", beside, plugins)
	for range 3 {
		if got := next(t, results); !strings.HasPrefix(got, want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
	separateProgram(t, plugins)
	for got := next(t, results); got != "down no file"; got = next(t, results) {
		if !strings.HasPrefix(got, "unknown ") {
			t.Fatal(got)
		}
	}
	if n := len(dead); n != 1 {
		t.Errorf("that it is missing was told %d times", n)
	}
}

// One whose name nobody knew yet is found without a restart, too.
func TestUnknownPluginComes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a script of the shell")
	}
	dir := t.TempDir()
	h, err := New(Options{Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	results := make(chan string, 100)
	go func() {
		_ = h.Follow(t.Context(), "file", []byte(fmt.Sprintf(`{"path":%q}`, filepath.Join(dir, "f"))), 10*time.Millisecond, time.Second, 1, func(v core.Value, why string) { results <- string(v) + " " + why })
	}()
	want := fmt.Sprintf(`unknown no checker plugin is called "file"; known are: ; another one belongs in %s as orchestrator-checker-file`, dir)
	if got := next(t, results); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	if list := h.List(); len(list) != 0 {
		t.Errorf("found %+v", list)
	}
	separateProgram(t, dir)
	if list := h.List(); len(list) != 1 || list[0].Name != "file" {
		t.Errorf("found %+v", list)
	}
	for got := next(t, results); got != "down no file"; got = next(t, results) {
		if !strings.HasPrefix(got, "unknown ") {
			t.Fatal(got)
		}
	}
}

func next(t *testing.T, results <-chan string) string {
	t.Helper()
	select {
	case r := <-results:
		return r
	case <-time.After(60 * time.Second):
		t.Fatal("no result")
		return ""
	}
}

// Whose file others can change is not trusted.
func TestSeparateIsTrusted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("rights are another matter there")
	}
	dir := t.TempDir()
	separateProgram(t, dir)
	path := filepath.Join(dir, "orchestrator-checker-file")
	for _, c := range []struct {
		mode os.FileMode
		says string // empty: trusted
	}{
		{0o755, ""}, {0o775, "may be written by others"}, {0o644, "is not executable"}, {0o700, ""},
	} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := find("orchestrator-checker-file", []string{filepath.Join(dir, "none"), dir})
		if c.says == "" && (err != nil || got != path) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("with %v: %q, %v; want %q", c.mode, got, err, c.says)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 1, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := find("orchestrator-checker-file", []string{dir}); err == nil || !strings.Contains(err.Error(), "belongs to user 1") {
			t.Errorf("a file of another user: %v", err)
		}
	}
}

// What lies in the directories is known by its name, unless the table has it.
func TestDiscover(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"orchestrator", "orchestrator-checker-file", "orchestrator-checker-disk", "orchestrator-checker-web-shop.exe", "orchestrator-filter-x", "orchestrator-checker-", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, p := range discover([]string{dir, filepath.Join(dir, "none"), dir}, []Plugin{{Kind: sdk.KindChecker, Name: "file"}}) {
		got = append(got, p.Name+" in "+p.Program.Separate)
	}
	if s := fmt.Sprint(got); s != "[disk in orchestrator-checker-disk web-shop in orchestrator-checker-web-shop]" {
		t.Errorf("found %s", s)
	}
}

// What is in the program itself is never missing, whether it has an element of its own in
// the language of modules or not.
func TestMissing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a script of the shell")
	}
	dir := t.TempDir()
	known := []Plugin{{Kind: sdk.KindChecker, Name: "tcp"}, Separate(sdk.KindChecker, "sql"), {Kind: sdk.KindApplication, Name: "disk"}}
	separateProgram(t, dir)
	for name, there := range map[string]bool{"tcp": true, "file": true, "sql": false, "disk": false} {
		if err := Missing(known, sdk.KindChecker, name, []string{dir}); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
}
