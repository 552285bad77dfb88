package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orchestrator-ha/orchestrator/core"
)

func open(t testing.TB, dir string, self core.NodeID) *Catalog {
	t.Helper()
	c, err := Open(dir, self)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t testing.TB, c *Catalog, name, content string) Item {
	t.Helper()
	it, err := c.Put(name, []byte(content), json.RawMessage(`{ "who": "<me>" }`), "root")
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func get(t testing.TB, c *Catalog, name string) Item {
	t.Helper()
	it, err := c.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func TestPutGet(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 3)
	if _, err := c.Get("cluster"); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent item: %v", err)
	}
	one := put(t, c, "cluster", "one")
	if one.Version != (Version{1, 3}) {
		t.Errorf("first version %s", one.Version)
	}
	two := put(t, c, "cluster", "two")
	if two.Version != (Version{2, 3}) {
		t.Errorf("second version %s", two.Version)
	}
	if same := put(t, c, "cluster", "two"); same.Version != two.Version {
		t.Errorf("the same content again made version %s", same.Version)
	}
	put(t, c, "module/web_farm", "zip")
	for range 2 {
		got := get(t, c, "cluster")
		if string(got.Content) != "two" || string(got.Meta) != `{"who":"\u003cme\u003e"}` || got.By != "root" {
			t.Errorf("got %+v", got)
		}
		if l := c.List(); len(l) != 2 || l[0].Name != "cluster" || l[1].Name != "module/web_farm" || l[0].Content != nil {
			t.Errorf("list %+v", l)
		}
		c = open(t, dir, 3) // and the same after a restart
	}
}

func TestRefusals(t *testing.T) {
	c := open(t, t.TempDir(), 1)
	for _, name := range []string{"", "/", "a//b", "../x", "a/..", ".a", "a+b", "a.", "a/b/", "ä", "a\x00"} {
		if _, err := c.Put(name, nil, nil, ""); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	if _, err := c.Put("a", nil, json.RawMessage("{"), ""); err == nil {
		t.Error("settings that are not JSON were accepted")
	}
	if err := c.Delete("a", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete of nothing: %v", err)
	}
	good := put(t, open(t, t.TempDir(), 2), "a", "x")
	good.Content = []byte("x")
	for what, spoil := range map[string]func(*Item){
		"content":     func(it *Item) { it.Content = []byte("y") },
		"size":        func(it *Item) { it.Size = 2 },
		"meta":        func(it *Item) { it.Meta = json.RawMessage(`{}`) },
		"meta form":   func(it *Item) { it.Meta = append(json.RawMessage(" "), it.Meta...) },
		"name":        func(it *Item) { it.Name = "../a" },
		"node":        func(it *Item) { it.Version.Node = 65 },
		"no node":     func(it *Item) { it.Version.Node = 0 },
		"counter":     func(it *Item) { it.Version.Counter = 1 << 63 },
		"no counter":  func(it *Item) { it.Version.Counter = 0 },
		"false death": func(it *Item) { it.Deleted = true },
	} {
		it := good
		spoil(&it)
		if ok, err := c.Merge(it); ok || err == nil {
			t.Errorf("a wrong %s was merged", what)
		}
	}
	if ok, err := c.Merge(good); !ok || err != nil {
		t.Errorf("the good item: %v %v", ok, err)
	}
	if ok, err := c.Merge(good); ok || err != nil {
		t.Errorf("the good item again: %v %v", ok, err)
	}
}

func TestHistoryAndRollback(t *testing.T) {
	c := open(t, t.TempDir(), 1)
	for i := range Kept + 3 {
		put(t, c, "m", fmt.Sprint(i))
	}
	h, err := c.History("m")
	if err != nil || len(h) != Kept {
		t.Fatalf("%d versions kept, %v", len(h), err)
	}
	if h[0].Version.Counter != Kept+3 || h[Kept-1].Version.Counter != 4 {
		t.Errorf("kept %s to %s", h[Kept-1].Version, h[0].Version)
	}
	old, err := c.GetVersion("m", h[1].Version)
	if err != nil || string(old.Content) != fmt.Sprint(Kept+1) {
		t.Fatalf("%q, %v", old.Content, err)
	}
	if _, err := c.GetVersion("m", Version{1, 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a version no longer kept: %v", err)
	}
	again, err := c.Put("m", old.Content, old.Meta, "rollback")
	if err != nil || again.Version.Counter != Kept+4 || again.Signature != old.Signature {
		t.Errorf("rolled back to %+v, %v", again, err)
	}
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 1)
	before := put(t, c, "m", "x")
	before.Content = []byte("x")
	if err := c.Delete("m", "root"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Get("m"); !errors.Is(err, ErrNotFound) {
			t.Errorf("get of a deleted item: %v", err)
		}
		if len(c.List()) != 0 || len(c.Heads()) != 1 {
			t.Errorf("list %v, heads %v", c.List(), c.Heads())
		}
		if ok, err := c.Merge(before); ok || err != nil {
			t.Errorf("the deleted version came back: %v %v", ok, err)
		}
		c = open(t, dir, 1)
	}
	if it := put(t, c, "m", "x"); it.Version.Counter != 3 {
		t.Errorf("put again as %s", it.Version)
	}
}

func TestCrashLeftOvers(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 1)
	put(t, c, "m", "good")
	left := filepath.Join(dir, "m", ".new-123")
	os.Mkdir(left, 0o700)
	os.WriteFile(filepath.Join(left, fileContent), []byte("ha"), 0o600)
	os.Mkdir(filepath.Join(dir, "n"), 0o700) // crash before the first version of n
	c = open(t, dir, 1)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the left-over is still there: %v", err)
	}
	if got := get(t, c, "m"); string(got.Content) != "good" {
		t.Errorf("got %q", got.Content)
	}
	if len(c.Damaged()) != 0 {
		t.Errorf("damaged: %v", c.Damaged())
	}
}

func TestDamage(t *testing.T) {
	for what, spoil := range map[string]func(dir string) error{
		"content changed": func(d string) error { return os.WriteFile(filepath.Join(d, fileContent), []byte("goof"), 0o600) },
		"content cut":     func(d string) error { return os.Truncate(filepath.Join(d, fileContent), 1) },
		"content missing": func(d string) error { return os.Remove(filepath.Join(d, fileContent)) },
		"item cut":        func(d string) error { return os.Truncate(filepath.Join(d, fileItem), 9) },
		"item missing":    func(d string) error { return os.Remove(filepath.Join(d, fileItem)) },
		"item empty":      func(d string) error { return os.WriteFile(filepath.Join(d, fileItem), []byte("{}"), 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			dir, other := t.TempDir(), open(t, t.TempDir(), 2)
			c := open(t, dir, 1)
			put(t, c, "m", "old")
			put(t, c, "n", "fine")
			last := put(t, c, "m", "good")
			last.Content = []byte("good")
			if ok, err := other.Merge(last); !ok || err != nil {
				t.Fatal(ok, err)
			}
			path := c.path("m", last.Version)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			c = open(t, dir, 1)
			var d *DamagedError
			if _, err := c.Get("m"); !errors.As(err, &d) || d.Path != path {
				t.Fatalf("get: %v", err)
			}
			if len(c.Damaged()) != 1 || string(get(t, c, "n").Content) != "fine" {
				t.Errorf("damaged: %v", c.Damaged())
			}
			if newer, _ := c.Diff(other.Heads()); !cmp.Equal(newer, []string{"m"}) {
				t.Errorf("to fetch: %v", newer)
			}
			if ok, err := c.Merge(get(t, other, "m")); !ok || err != nil {
				t.Fatal(ok, err)
			}
			c = open(t, dir, 1)
			if got := get(t, c, "m"); string(got.Content) != "good" || len(c.Damaged()) != 0 {
				t.Errorf("after the repair: %q, %v", got.Content, c.Damaged())
			}
		})
	}
}

// When the cluster has only an older version of a damaged item, that one counts.
func TestDamageWithOlderElsewhere(t *testing.T) {
	dir, other := t.TempDir(), open(t, t.TempDir(), 2)
	put(t, other, "m", "theirs")
	c := open(t, dir, 1)
	put(t, c, "m", "one")
	put(t, c, "m", "two")
	last := put(t, c, "m", "three")
	os.Remove(filepath.Join(c.path("m", last.Version), fileItem))
	c = open(t, dir, 1)
	if ok, err := c.Merge(get(t, other, "m")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if next := put(t, c, "m", "four"); next.Version.Counter != 4 {
		t.Errorf("the counter fell back to %s", next.Version)
	}
	c = open(t, dir, 1)
	if got := get(t, c, "m"); string(got.Content) != "four" {
		t.Errorf("after a restart: %q, %v", got.Content, c.Damaged())
	}
}

func TestSubscribe(t *testing.T) {
	c := open(t, t.TempDir(), 1)
	var seen []string
	note := func(it Item) { seen = append(seen, fmt.Sprintf("%s %s %v", it.Name, it.Version, it.Deleted)) }
	cancel := c.Subscribe(func(it Item) {
		note(it)
		if it.Name == "a" && !it.Deleted { // a subscriber may change the catalog
			put(t, c, "b", "echo")
		}
	})
	put(t, c, "a", "x")
	put(t, c, "a", "x")
	c.Delete("a", "root")
	cancel()
	put(t, c, "a", "y")
	if want := []string{"a 1.1 false", "b 1.1 false", "a 2.1 true"}; !cmp.Equal(seen, want) {
		t.Errorf("seen %v", seen)
	}
}

func TestDigest(t *testing.T) {
	c := open(t, t.TempDir(), 1)
	put(t, c, "a", "x")
	put(t, c, "module/b", "y")
	c.Delete("a", "root")
	d := c.Digest()
	heads, err := ParseDigest(d)
	if err != nil || !cmp.Equal(heads, c.Heads()) {
		t.Fatalf("%v, %v", heads, err)
	}
	for i := range d {
		if _, err := ParseDigest(d[:i]); err == nil {
			t.Errorf("a digest cut at %d was accepted", i)
		}
	}
	if _, err := ParseDigest(append(bytes.Clone(d), 0)); err == nil {
		t.Error("a digest with more behind it was accepted")
	}
}

// writeOver spoils the content in the folder of a version.
func writeOver(folder, content string) error {
	return os.WriteFile(filepath.Join(folder, fileContent), []byte(content), 0o600)
}
