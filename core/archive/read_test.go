package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// entry is one zip entry of a test; header may be changed before it is written.
type entry struct {
	name string
	data string
	edit func(*zip.FileHeader)
	raw  bool // the header's sizes are written as they are
}

func zipOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.edit != nil {
			e.edit(h)
		}
		create := z.CreateHeader
		if e.raw {
			create = z.CreateRaw
		}
		w, err := create(h)
		if err != nil {
			t.Fatal(err)
		}
		if e.data != "" {
			if _, err := w.Write([]byte(e.data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte, l Limits) (*FS, error) {
	return Read(bytes.NewReader(b), int64(len(b)), "x.safe", l)
}

func mode(m fs.FileMode) func(*zip.FileHeader) {
	return func(h *zip.FileHeader) { h.SetMode(m) }
}

// told makes a header that claims sizes which its content does not have.
func told(packed, unpacked uint64) func(*zip.FileHeader) {
	return func(h *zip.FileHeader) { h.CompressedSize64, h.UncompressedSize64 = packed, unpacked }
}

func TestReadRefuses(t *testing.T) {
	small := Limits{Total: 4096, File: 2048, Files: 4, Ratio: 200}
	whole := zipOf(t, entry{name: "conf/userconfig.xml", data: strings.Repeat("<safe/>", 100)})
	for _, tc := range []struct {
		name, id, says string
		archive        []byte
		limits         Limits
	}{
		{"truncated", idNotZip, "x.safe:", whole[:len(whole)-30], small},
		{"empty", idNotZip, "x.safe:", nil, small},
		{"text", idNotZip, "x.safe:", []byte("<safe/>"), small},
		{"dot dot", idBadName, "x.safe:../../etc/cron.d/x", zipOf(t, entry{name: "../../etc/cron.d/x", data: "x"}), small},
		{"dot dot inside", idBadName, "conf/../../x", zipOf(t, entry{name: "conf/../../x", data: "x"}), small},
		{"absolute", idBadName, "/etc/passwd", zipOf(t, entry{name: "/etc/passwd", data: "x"}), small},
		{"backslash", idBadName, "backslash", zipOf(t, entry{name: `bin\..\..\x`, data: "x"}, entry{name: "a/b", data: "x"}), small},
		{"backslashes alone", idBadName, "leaves its folder", zipOf(t, entry{name: `bin\..\..\x`, data: "x"}), small},
		{"backslash first", idBadName, "absolute", zipOf(t, entry{name: `\x`, data: "x"}), small},
		{"backslash clash", idDuplicate, "", zipOf(t, entry{name: `a\b`, data: "x"}, entry{name: `A\B`, data: "x"}), small},
		{"drive", idBadName, "C:/x", zipOf(t, entry{name: "C:/x", data: "x"}), small},
		{"stream", idBadName, "bin/a.lua:x", zipOf(t, entry{name: "bin/a.lua:x", data: "x"}), small},
		{"device", idBadName, "device", zipOf(t, entry{name: "bin/nul.lua", data: "x"}), small},
		{"port device", idBadName, "device", zipOf(t, entry{name: "bin/COM1", data: "x"}), small},
		{"trailing dot", idBadName, "bin/a.", zipOf(t, entry{name: "bin/a.", data: "x"}), small},
		{"empty part", idBadName, "bin//a", zipOf(t, entry{name: "bin//a", data: "x"}), small},
		{"not utf-8", idBadName, "UTF-8", zipOf(t, entry{name: "bin/\xff", data: "x"}), small},
		{"control", idBadName, "control", zipOf(t, entry{name: "bin/a\x1b", data: "x"}), small},
		{"long", idBadName, "201 bytes", zipOf(t, entry{name: strings.Repeat("a", 201), data: "x"}), small},
		{"symlink", idLink, "bin/l", zipOf(t, entry{name: "bin/l", data: "/etc/passwd", edit: mode(fs.ModeSymlink | 0o777)}), small},
		{"device file", idLink, "bin/d", zipOf(t, entry{name: "bin/d", edit: mode(fs.ModeDevice | 0o666)}), small},
		{"twice", idDuplicate, "bin/a", zipOf(t, entry{name: "bin/a", data: "1"}, entry{name: "bin/a", data: "2"}), small},
		{"case", idDuplicate, "Windows", zipOf(t, entry{name: "bin/a", data: "1"}, entry{name: "bin/A", data: "2"}), small},
		{"folder case", idDuplicate, "Windows", zipOf(t, entry{name: "bin/a", data: "1"}, entry{name: "BIN/b", data: "2"}), small},
		{"file and folder", idDuplicate, "both a file", zipOf(t, entry{name: "bin", data: "1"}, entry{name: "bin/a", data: "2"}), small},
		{"folder and file", idDuplicate, "both a file", zipOf(t, entry{name: "bin/a", data: "1"}, entry{name: "bin", data: "2"}), small},
		{"many", idTooMany, "limit is 4", zipOf(t, entry{name: "a"}, entry{name: "b"}, entry{name: "c"}, entry{name: "d"}, entry{name: "e"}), small},
		{"big file", idTooBig, "x.safe:a", zipOf(t, entry{name: "a", data: strings.Repeat("a", 3000)}), small},
		{"big sum", idTooBig, "4096", zipOf(t, entry{name: "a", data: strings.Repeat("a", 2000)},
			entry{name: "b", data: strings.Repeat("a", 2000)}, entry{name: "c", data: strings.Repeat("a", 2000)}), small},
		{"ratio", idBomb, "x.safe:zeros", zipOf(t, entry{name: "zeros", data: strings.Repeat("\x00", 2<<20)}), DefaultLimits()},
		{"encrypted", idEncrypted, "x.safe:a", zipOf(t, entry{name: "a", data: "x", raw: true, edit: func(h *zip.FileHeader) {
			h.Flags |= 1
			h.CompressedSize64, h.UncompressedSize64 = 1, 1
		}}), small},
		{"method", idMethod, "method 12", zipOf(t, entry{name: "a", data: "x", raw: true, edit: func(h *zip.FileHeader) {
			h.Method = 12
			told(1, 1)(h)
		}}), small},
		{"longer than told", idCorrupt, "x.safe:a", lying(t, 100, 10), small},
		{"shorter than told", idCorrupt, "x.safe:a", lying(t, 100, 1000), small},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := read(tc.archive, tc.limits)
			var ps diag.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("got %v, want problems", err)
			}
			if ps[0].ID != tc.id || !strings.Contains(ps.Error(), tc.says) {
				t.Errorf("got %v\nwant %s, %q", err, tc.id, tc.says)
			}
		})
	}
}

// lying is an archive whose entry unpacks to size bytes but tells another size,
// in both of its headers.
func lying(t *testing.T, size int, says uint32) []byte {
	b := zipOf(t, entry{name: "a", data: strings.Repeat("a", size)})
	central := bytes.Index(b, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(b[central+24:], says)
	return b
}

// Every bad entry is told, not only the first.
func TestReadTellsAll(t *testing.T) {
	_, err := read(zipOf(t, entry{name: "../a", data: "x"}, entry{name: `b\c`, data: "x"}, entry{name: "ok", data: "x"}), DefaultLimits())
	var ps diag.Problems
	if !errors.As(err, &ps) || len(ps) != 2 {
		t.Fatalf("got %v, want two problems", err)
	}
}

// counting tells how much of an archive was read.
type counting struct {
	*bytes.Reader
	n int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

// Ten gigabytes in one entry, and in fifty: refused from the headers alone.
func TestReadRefusesBombUnread(t *testing.T) {
	packed := strings.Repeat("x", 10<<20)
	one := zipOf(t, entry{name: "bomb", data: packed, raw: true, edit: func(h *zip.FileHeader) { told(10<<20, 10<<30)(h) }})
	var many []entry
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX" {
		many = append(many, entry{name: string(c) + string(c) + "1", data: packed[:2<<20], raw: true,
			edit: func(h *zip.FileHeader) { told(2<<20, 200<<20)(h) }})
	}
	for i := 26; i < len(many); i++ {
		many[i].name += "2"
	}
	for name, b := range map[string][]byte{"one": one, "many": zipOf(t, many...)} {
		c := &counting{Reader: bytes.NewReader(b)}
		_, err := Read(c, int64(len(b)), "bomb.safe", DefaultLimits())
		if err == nil || !strings.Contains(err.Error(), idTooBig) {
			t.Errorf("%s: got %v", name, err)
		}
		if c.n > 200<<10 {
			t.Errorf("%s: %d bytes were read to refuse a bomb", name, c.n)
		}
	}
}

// A directory of very many entries is refused before it is held in memory.
func TestReadBoundsDirectory(t *testing.T) {
	var entries []entry
	for i := range 3000 {
		entries = append(entries, entry{name: strings.Repeat("d", 100) + "/" + string(rune('a'+i%26)) + strings.Repeat("e", i%90)})
	}
	b := zipOf(t, entries...)
	c := &counting{Reader: bytes.NewReader(b)}
	_, err := Read(c, int64(len(b)), "x.safe", Limits{Total: 1 << 30, File: 1 << 30, Files: 10, Ratio: 200})
	if err == nil || !strings.Contains(err.Error(), idTooMany) {
		t.Fatalf("got %v", err)
	}
	if c.n > 200<<10 {
		t.Errorf("%d bytes read", c.n)
	}
}

func TestReadIsAFileSystem(t *testing.T) {
	m, err := read(zipOf(t,
		entry{name: "conf/", edit: mode(fs.ModeDir | 0o755)},
		entry{name: "conf/userconfig.xml", data: "<safe/>"},
		entry{name: "bin/start_both.lua", data: "-- start"},
		entry{name: "web/a/b/c.html", data: "c"},
		entry{name: "test/empty.lua"}), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(m, "conf/userconfig.xml", "bin/start_both.lua", "web/a/b/c.html", "test/empty.lua"); err != nil {
		t.Error(err)
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none.safe"), DefaultLimits()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.TempDir(), DefaultLimits()); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "mine.safe")
	if err := os.WriteFile(file, []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, DefaultLimits()); err == nil || !strings.HasPrefix(err.Error(), "mine.safe: error:") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead: whatever comes in, nothing but clean names comes out.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, fstest.MapFS{"conf/userconfig.xml": {Data: []byte("<safe/>")}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := read(b, Limits{Total: 1 << 20, File: 1 << 20, Files: 100, Ratio: 100})
		if err != nil {
			return
		}
		for name := range m.files {
			if !fs.ValidPath(name) || checkName(name) != nil {
				t.Errorf("accepted %q", name)
			}
		}
	})
}

// Archives of old Windows programs have backslashes between folders.
func TestBackslashes(t *testing.T) {
	raw := zipOf(t, entry{name: `conf\userconfig.xml`, data: "<safe/>"}, entry{name: `bin\lib\a.lua`, data: "a"}, entry{name: "README.md", data: "r"})
	f, err := Read(bytes.NewReader(raw), int64(len(raw)), "old.safe", DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"conf/userconfig.xml": "<safe/>", "bin/lib/a.lua": "a", "README.md": "r"} {
		if got, err := fs.ReadFile(f, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
