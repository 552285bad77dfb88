package archive

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func sample() fstest.MapFS {
	return fstest.MapFS{
		"conf/userconfig.xml": {Data: []byte("<safe/>"), ModTime: time.Now()},
		"bin/start_both.lua":  {Data: []byte("-- start")},
		"bin/empty.lua":       {Data: nil},
		".git/config":         {Data: []byte("secret")},
		"web/.DS_Store":       {Data: []byte("junk")},
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	var a, b bytes.Buffer
	if err := Write(&a, sample()); err != nil {
		t.Fatal(err)
	}
	other := sample()
	other["conf/userconfig.xml"].ModTime = time.Unix(1, 0)
	other["bin/empty.lua"].Mode = 0o600
	if err := Write(&b, other); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same files differ")
	}
	m, err := read(a.Bytes(), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, m); got != "bin/empty.lua bin/start_both.lua conf/userconfig.xml" {
		t.Errorf("got %s", got)
	}
}

func names(t *testing.T, fsys fs.FS) string {
	t.Helper()
	var out []string
	if err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestWriteRefusesWhatReadWould(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"symbolic link": {"bin/l": {Data: []byte("x"), Mode: fs.ModeSymlink}},
		"letter case":   {"bin/a": {}, "bin/A": {}},
		"device":        {"bin/aux": {}},
	} {
		if err := Write(&bytes.Buffer{}, fsys); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestSignature(t *testing.T) {
	sign := func(fsys fs.FS) string {
		s, err := Signature(fsys)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := sign(sample())
	if len(want) != 64 {
		t.Fatalf("got %q", want)
	}
	// Another zip program: stored instead of deflated, other order and times.
	stored := zipOf(t, entry{name: "conf/userconfig.xml", data: "<safe/>"}, entry{name: "bin/", edit: mode(fs.ModeDir)},
		entry{name: "bin/start_both.lua", data: "-- start"}, entry{name: "bin/empty.lua"})
	m, err := read(stored, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if got := sign(m); got != want {
		t.Errorf("the archive signs as %s, the folder as %s", got, want)
	}
	dir := filepath.Join(t.TempDir(), "m")
	if err := Extract(m, dir); err != nil {
		t.Fatal(err)
	}
	if got := sign(os.DirFS(dir)); got != want {
		t.Errorf("unpacked it signs as %s, before as %s", got, want)
	}
	// Where one file ends and the next begins counts.
	if sign(fstest.MapFS{"a": {Data: []byte("bc")}}) == sign(fstest.MapFS{"ab": {Data: []byte("c")}}) {
		t.Error("names and contents run together")
	}
}

func TestExtractReplacesAsAWhole(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "web_farm")
	for _, content := range []fstest.MapFS{
		{"conf/userconfig.xml": {Data: []byte("one")}, "bin/old.lua": {}},
		{"conf/userconfig.xml": {Data: []byte("two")}},
	} {
		if err := Extract(content, dir); err != nil {
			t.Fatal(err)
		}
		if got, want := names(t, os.DirFS(dir)), names(t, content); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "conf/userconfig.xml"))
	if err != nil || info.Mode().Perm()&0o111 != 0 {
		t.Errorf("got %v %v", info.Mode(), err)
	}
	onlyEntry(t, parent, "web_farm")
}

func TestExtractLeavesOldContentOnError(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "m")
	if err := Extract(fstest.MapFS{"conf/a": {Data: []byte("old")}}, dir); err != nil {
		t.Fatal(err)
	}
	bad := fstest.MapFS{"conf/a": {Data: []byte("new")}, "conf/link": {Mode: fs.ModeSymlink, Data: []byte("/etc")}}
	if err := Extract(bad, dir); err == nil || !strings.Contains(err.Error(), "conf/link") {
		t.Fatalf("got %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "conf/a")); err != nil || string(b) != "old" {
		t.Errorf("got %q, %v", b, err)
	}
	onlyEntry(t, parent, "m")
}

// onlyEntry checks that nothing was left beside the module.
func onlyEntry(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("got %v, %v", entries, err)
	}
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web.safe")
	if err := Pack(file, sample()); err != nil {
		t.Fatal(err)
	}
	if m, err := Open(file, DefaultLimits()); err != nil || names(t, m) != "bin/empty.lua bin/start_both.lua conf/userconfig.xml" {
		t.Errorf("got %v, %v", m, err)
	}
	if err := Pack(file, fstest.MapFS{"bin/aux": {}}); err == nil {
		t.Error("a bad name was packed")
	}
	if _, err := Open(file, DefaultLimits()); err != nil {
		t.Errorf("the old archive is damaged: %v", err)
	}
	onlyEntry(t, dir, "web.safe")
}
