package replication

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
)

// What is known of a copy is refused when it was damaged, edited, or is about another copy,
// and used again only when an operator says so.
func TestRecordsThatAreNoUse(t *testing.T) {
	edit := func(old, new string) func(t *testing.T, p Place) {
		return func(t *testing.T, p Place) {
			b, err := os.ReadFile(p.state())
			must(t, err)
			changed := bytes.Replace(b, []byte(old), []byte(new), 1)
			if bytes.Equal(b, changed) {
				t.Fatalf("no %q in %s", old, b)
			}
			must(t, os.WriteFile(p.state(), changed, 0o600))
		}
	}
	for name, test := range map[string]struct {
		harm func(t *testing.T, p Place)
		want string
	}{
		"by hand":   {edit(`"serial": 3`, `"serial": 4`), "by hand"},
		"cut short": {func(t *testing.T, p Place) { must(t, os.Truncate(p.state(), 100)) }, "damaged"},
		"restored": {func(t *testing.T, p Place) {
			must(t, os.Rename(p.Data(), p.Data()+".old"))
			must(t, os.CopyFS(p.Data(), os.DirFS(p.Data()+".old")))
		}, "restored from a backup"},
		"an older folder": {func(t *testing.T, p Place) {
			r, err := readRecord(p.state())
			must(t, err)
			r.Serial = 1
			must(t, writeRecord(p.state(), r))
		}, "is older than"},
	} {
		t.Run(name, func(t *testing.T) {
			top, err := filepath.EvalSymlinks(t.TempDir())
			must(t, err)
			places := []Place{{top + "/a", "_behind"}, {top + "/b", "_behind"}}
			for _, p := range places {
				must(t, os.Mkdir(p.Dir, 0o755))
				must(t, os.WriteFile(p.Dir+"/file", []byte("x"), 0o644))
			}
			c, err := openCopies(options(top, places), false)
			must(t, err)
			for n := range mirror.Generation(3) {
				must(t, c.store(mirror.Generations{Current: 10 + n}))
			}
			c.close()
			if c, err = openCopies(options(top, places), false); err != nil || c.generations().Current != 12 {
				t.Fatalf("%v, %v", c, err)
			}
			c.close()
			for which, ids := range map[string][2]string{"another cluster": {"d", "m"}, "module n": {"c", "n"}} {
				o := options(top, places)
				o.Cluster, o.Module = ids[0], ids[1]
				if _, err := openCopies(o, false); err == nil {
					t.Errorf("taken for %s", which)
				}
			}
			test.harm(t, places[1])
			_, err = openCopies(options(top, places), false)
			if bad := (*RecordError)(nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v", err)
			}
			again, err := openCopies(options(top, places), true)
			must(t, err)
			defer again.close()
			if g := again.generations(); g.Current != 0 {
				t.Errorf("by force nothing is known of the data, and not %s", g)
			}
		})
	}
}

func options(top string, places []Place) Options {
	o := Options{Cluster: "c", Module: "m", Memory: top + "/memory"}
	for _, p := range places {
		o.Folders = append(o.Folders, Folder{Place: p})
	}
	return o
}

// A folder that is replicated from now on is compared as a whole; one that was is not new.
func TestAddedFolder(t *testing.T) {
	top := t.TempDir()
	places := []Place{{top + "/a", "_behind"}, {top + "/b", "_behind"}}
	for _, p := range places {
		must(t, os.Mkdir(p.Dir, 0o755))
	}
	c, err := openCopies(options(top, places[:1]), false)
	must(t, err)
	must(t, c.store(mirror.Generations{Current: 5}))
	must(t, c.store(mirror.Generations{Current: 6}))
	c.close()
	c, err = openCopies(options(top, places), false)
	must(t, err)
	if c.logs[0].Recorded().Everything || !c.logs[1].Recorded().Everything || c.generations().Current != 6 {
		t.Errorf("%+v, %+v, %s", c.logs[0].Recorded(), c.logs[1].Recorded(), c.generations())
	}
	must(t, c.store(mirror.Generations{Current: 7}))
	c.close()
	must(t, os.RemoveAll(places[1].behind()))
	if _, err := openCopies(options(top, places), false); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("an exchanged disk of two: %v", err)
	}
	must(t, os.RemoveAll(places[0].behind()))
	if _, err := openCopies(options(top, places[:1]), false); err == nil || !strings.Contains(err.Error(), "exchanged") {
		t.Errorf("the only disk: %v", err)
	}
}

// A crash between the records of two folders leaves a pair that is used.
func TestACrashBetweenTwoRecords(t *testing.T) {
	top := t.TempDir()
	places := []Place{{top + "/a", "_behind"}, {top + "/b", "_behind"}}
	for _, p := range places {
		must(t, os.Mkdir(p.Dir, 0o755))
	}
	c, err := openCopies(options(top, places), false)
	must(t, err)
	must(t, c.store(mirror.Generations{Current: 5}))
	before, err := os.ReadFile(places[1].state())
	must(t, err)
	must(t, c.store(mirror.Generations{Current: 6}))
	c.close()
	must(t, os.WriteFile(places[1].state(), before, 0o600))
	c, err = openCopies(options(top, places), false)
	must(t, err)
	defer c.close()
	if g := c.generations(); g.Current != 6 {
		t.Errorf("%s", g)
	}
}

// The files move behind the mount and back, whatever is interrupted.
func TestPlaces(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	p := Place{top + "/my data", "_behind"}
	must(t, os.Mkdir(p.Dir, 0o750))
	must(t, os.WriteFile(p.Dir+"/f", []byte("x"), 0o644))
	for range 2 {
		must(t, p.Prepare())
	}
	if b, err := os.ReadFile(p.Data() + "/f"); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if st, err := os.Stat(p.Dir); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", st, err)
	}
	must(t, os.Remove(p.Dir)) // a crash came between
	must(t, p.Prepare())
	must(t, os.WriteFile(p.Dir+"/written while stopped", nil, 0o644))
	if err := p.Release(); err == nil || !strings.Contains(err.Error(), p.Data()) {
		t.Errorf("files in the way: %v", err)
	}
	must(t, os.Remove(p.Dir+"/written while stopped"))
	for range 2 {
		must(t, p.Release())
	}
	if b, err := os.ReadFile(p.Dir + "/f"); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if left, _ := filepath.Glob(top + "/*"); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	link := Place{top + "/link", "_behind"}
	must(t, os.Symlink(p.Dir, link.Dir))
	if err := link.Prepare(); err == nil {
		t.Error("a link was taken for a directory")
	}
	disk := Place{top + "/disk", "_behind"} // a file system was mounted behind
	must(t, os.MkdirAll(disk.behind()+"/lost+found", 0o755))
	must(t, os.WriteFile(disk.behind()+"/f", []byte("y"), 0o644))
	must(t, disk.Prepare())
	if b, err := os.ReadFile(disk.Data() + "/f"); err != nil || string(b) != "y" {
		t.Errorf("%q, %v", b, err)
	}
}

// A primary is not made of a mixture, unless by force; its secondary then gets all.
func TestForce(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, os.WriteFile(a.dirs[0]+"/f", []byte("half"), 0o644))
	c, err := openCopies(a.r.opts, false)
	must(t, err)
	must(t, c.store(mirror.Generations{Current: 5}.Filled(9)))
	c.close()
	if err := a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}); err == nil || !strings.Contains(err.Error(), "primforce") {
		t.Errorf("%v", err)
	}
	must(t, a.order(Order{Replica: core.ReplicatePrim, Force: true, Data: generation(1)}))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	b.isCopied(generation(1))
	same(t, a, b)
}

// A peer that cannot be replicated with is refused with a sentence on both sides.
func TestRefusedPeer(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	b.r.Close()
	b.start(func(o *Options) { o.Folders[0].Except = []string{"tmp"} })
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	f := b.r.follows()
	refused := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return strings.Contains(f.why, "leaves out")
	}
	b.eventually("refusal", refused)
}

// A folder that cannot be replicated is refused before anything of it is moved, with what
// is to be done.
func TestFoldersThatAreRefused(t *testing.T) {
	a, _ := newPair(t, 1)
	top := filepath.Dir(a.dirs[0])
	mkdir := func(name string) string {
		must(t, os.MkdirAll(top+"/"+name, 0o755))
		return top + "/" + name
	}
	mount := func(at string) string {
		must(t, unix.Mount("x", at, "tmpfs", 0, ""))
		t.Cleanup(func() { must(t, unix.Unmount(at, unix.MNT_DETACH)) })
		return at
	}
	must(t, os.WriteFile(top+"/file", []byte("kept"), 0o644))
	must(t, os.Symlink(mkdir("good"), top+"/link"))
	must(t, os.MkdirAll(mount(mkdir("memory"))+"/dir", 0o755))
	mount(mkdir("mixed/in side"))
	point := mkdir("point")
	must(t, unix.Mount(point, point, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(point, unix.MNT_DETACH)) })
	must(t, os.WriteFile(mkdir("busy")+"/f", nil, 0o644))
	open, err := os.Open(top + "/busy/f")
	must(t, err)
	defer open.Close()
	served := a.dirs[0]
	must(t, os.Mkdir(served+"/inner", 0o755))
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	for _, c := range []struct{ dir, want, way string }{
		{top + "/missing", "does not exist", "create it"},
		{top + "/file", "not a directory", "only directories"},
		{top + "/link", "is a symbolic link", "name the directory"},
		{"/", "cannot be replicated", "name a directory"},
		{top + "/memory/dir", "a tmpfs, which is empty after a restart", "use a directory of a local disk"},
		{top + "/memory", "a tmpfs", "use a directory of a local disk"},
		{top + "/mixed", "is mounted on", "unmount it"},
		{point, "is a mount point", "mount its file system on " + point + "_behind"},
		{top + "/busy", "is in use by", "stop them first"},
		{served + "/inner", "it is replicated already", "use a directory of a local disk"},
		{top + "/good", "must be there before replication starts", "mount what it lies on"},
	} {
		o := options(top, []Place{{c.dir, "_behind"}})
		if c.dir == top+"/good" {
			o.Folders[0].MustHave = []string{"disk is mounted"}
		}
		o.Memory = ""
		r := &Replicator{opts: o.orDefaults()}
		r.changed.Store(&r.opts)
		_, err := r.serve(Order{Replica: core.ReplicatePrim})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.way) {
			t.Errorf("%s: %v; want …%s…%s…", c.dir, err, c.want, c.way)
		}
		if _, err := os.Lstat(c.dir + "_behind"); err == nil {
			t.Errorf("%s: something was made beside it", c.dir)
		}
	}
	if b, err := os.ReadFile(top + "/file"); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(top + "/busy/f"); err != nil {
		t.Error(err)
	}
}

// What was changed behind the folder while it was not mounted is told of, and copied.
func TestEditedWhileStopped(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, `echo old >f; echo same >g`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	must(t, a.order(Order{Replica: core.ReplicateStop}))
	a.forget()
	b.forget()
	must(t, os.WriteFile(a.dirs[0]+"_behind/data/f", []byte("by hand"), 0o644))
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.mu.Lock()
	told := strings.Join(a.notes, "\n")
	a.mu.Unlock()
	if !strings.Contains(told, "f was changed, while it was not mounted, past the mount") || strings.Contains(told, "g was") {
		t.Errorf("told: %s", told)
	}
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	settled(t, a)
	same(t, a, b)
}

// A record of zones that is damaged, or was removed, is told of; then everything is compared,
// and both are the same.
func TestDamagedZones(t *testing.T) {
	for what, damage := range map[string]func(zones string) error{
		"damaged": func(zones string) error { return os.WriteFile(zones+"/zones", []byte("no checkpoint"), 0o600) },
		"missing": os.RemoveAll,
	} {
		t.Run(what, func(t *testing.T) {
			a, b := newPair(t, 1)
			join(t, a, b)
			must(t, b.order(Order{Replica: core.ReplicateStop}))
			a.goesAlone(2)
			a.run(0, `echo while alone >f; sync f`)
			must(t, a.order(Order{Replica: core.ReplicateStop}))
			zones := Place{a.dirs[0], "_behind"}.Zones()
			must(t, damage(zones))
			must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(2)}))
			a.mu.Lock()
			told := strings.Join(a.notes, "\n")
			a.mu.Unlock()
			if !strings.Contains(told, what) || !strings.Contains(told, zones) || !strings.Contains(told, "all files have to be compared") {
				t.Errorf("told: %s", told)
			}
			must(t, b.order(Order{Replica: core.ReplicateSecond}))
			a.isCopied(generation(2))
			b.isCopied(generation(2))
			settled(t, a)
			same(t, a, b)
		})
	}
}

// A node of another cluster does not get in, and both sides know why.
func TestPeerOfAnotherCluster(t *testing.T) {
	a, b := newPair(t, 1)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	b.id = identities(t)[1]
	must(t, os.WriteFile(b.dirs[0]+"/mine", nil, 0o644))
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	b.eventually("refusal", func() bool {
		why := b.r.Status().Why
		return strings.Contains(why, "n1 did not prove to be a node of this cluster") && strings.Contains(why, "remove it from its cluster and join it to this one")
	})
	if !b.has("mine") {
		t.Error("something was overwritten")
	}
}

// A primary that cannot mount one folder leaves no other mounted, nor covered, when it says so.
func TestSecondFolderIsRefused(t *testing.T) {
	a, _ := newPair(t, 2)
	a.end()
	a.start(func(o *Options) { o.Folders[1].MustHave = []string{"PG_VERSION"} })
	if err := a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}); err == nil || !strings.Contains(err.Error(), "PG_VERSION") {
		t.Errorf("the order is answered with %v", err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	escaped := strings.ReplaceAll(filepath.Dir(a.dirs[0]), " ", `\040`)
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, escaped) {
			t.Errorf("still mounted: %s", line)
		}
	}
	if a.broken != nil {
		t.Errorf("it is told that nothing can be written: %v", a.broken)
	}
}

// Files that cannot be given back, as they are on another file system, leave the folder as it
// is.
func TestReleaseOfAnotherFileSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	p := Place{t.TempDir() + "/data", "_behind"}
	must(t, errors.Join(os.Mkdir(p.Dir, 0o755), os.Mkdir(p.behind(), 0o700), unix.Mount("none", p.behind(), "tmpfs", 0, "")))
	defer func() { must(t, unix.Unmount(p.behind(), 0)) }()
	must(t, os.Mkdir(p.Data(), 0o755))
	if err := p.Release(); !errors.Is(err, unix.EXDEV) || !strings.Contains(err.Error(), p.Data()) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(p.Dir); err != nil {
		t.Errorf("the folder is gone: %v", err)
	}
}
