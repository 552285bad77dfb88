package replication

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/loopdisk"
	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// powered is a file system of a node's own behind its folder, whose power can go: ext4 on a
// loop device.
type powered struct {
	n             *node
	image, behind string
}

// onItsOwnDisk gives a node that has not served yet a disk for its first folder.
func onItsOwnDisk(t testing.TB, n *node, megabytes int64) *powered {
	t.Helper()
	p := &powered{n, t.TempDir() + "/image", n.dirs[0] + "_behind"}
	must(t, os.Mkdir(p.behind, 0o755))
	loopdisk.Make(t, p.image, megabytes<<20)
	if err := p.mount(); err != nil {
		t.Skipf("no loop device: %v", err)
	}
	must(t, os.Remove(n.dirs[0]))
	t.Cleanup(func() {
		n.end()
		n.eventually("a disk that nobody uses", func() bool { return unix.Unmount(p.behind, 0) == nil })
		n.start(nil) // for the clean-up that follows
	})
	return p
}

// mount mounts what the disk holds. Without the option, ext4 syncs what is renamed over
// another file, which others do not.
func (p *powered) mount() error { return loopdisk.Mount(p.image, p.behind, "noauto_da_alloc") }

// Of linux/fs.h and ext4: FS_IOC_SHUTDOWN, with EXT4_GOING_FLAGS_NOLOGFLUSH.
const (
	shutdown   = 0x8004587d
	noLogFlush = 2
)

// cut ends the file system as a power cut does: what was not synced, and has not been
// written by chance, is gone, names and data alike.
func (p *powered) cut() {
	p.n.t.Helper()
	fd, err := unix.Open(p.behind, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(p.n.t, err)
	defer unix.Close(fd)
	must(p.n.t, unix.IoctlSetPointerInt(fd, shutdown, noLogFlush))
}

// restore mounts what the disk holds then. It is a copy: a mount namespace that somebody made
// meanwhile may still have the file system whose power went, and so its loop device.
func (p *powered) restore() {
	p.n.t.Helper()
	must(p.n.t, unix.Unmount(p.behind, 0))
	next := p.image + "'"
	must(p.n.t, copySparse(p.image, next))
	must(p.n.t, os.Remove(p.image))
	p.image = next
	must(p.n.t, p.mount())
}

// copySparse copies what is written of a file to a new one.
func copySparse(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	return copyData(dst, src, info.Size())
}

// What is stored of a copy is on its disk when that is answered.
func TestRecordIsDurable(t *testing.T) {
	a, _ := newPair(t, 1)
	disk := onItsOwnDisk(t, a, 48)
	o := options(t.TempDir(), []Place{{a.dirs[0], "_behind"}})
	c, err := openCopies(o, false)
	must(t, err)
	for n := mirror.Generation(5); n < 9; n++ { // a new file, and one that replaces another
		want := mirror.Generations{Current: n}.Promoted(n + 100)
		must(t, c.store(want))
		disk.cut()
		c.close()
		disk.restore()
		if c, err = openCopies(o, false); err != nil {
			t.Fatalf("after a power cut: %v", err)
		}
		if got := c.generations(); !reflect.DeepEqual(got, want) {
			t.Errorf("after a power cut the copy is %s, and %s was stored", got, want)
		}
	}
	c.close()
}

// What is set aside is on the disk before what it was is overwritten.
func TestSetAsideIsDurable(t *testing.T) {
	a, _ := newPair(t, 1)
	disk := onItsOwnDisk(t, a, 48)
	place := Place{a.dirs[0], "_behind"}
	must(t, place.Prepare())
	file, old := place.Data()+"/f", bytes.Repeat([]byte("mine"), 100_000)
	must(t, os.WriteFile(file, old, 0o600))
	must(t, syncFileSystem(place.Data()))
	files, err := replica.Open(place.Data())
	must(t, err)
	must(t, files.Apply(stream.Op{Kind: stream.Bind, File: 9, Parent: stream.Root, Name: "f"}))
	s := newSaver(files, []Place{place}, "once")
	overwrite := stream.Op{Kind: stream.Write, File: 9, Data: []byte("theirs")}
	must(t, s.before(overwrite))
	must(t, files.Apply(overwrite))
	commit, err := files.Commit(stream.Op{Kind: stream.Fsync, File: 9})
	must(t, err)
	must(t, commit())
	s.close()
	files.Close()
	disk.cut()
	disk.restore()
	if saved, err := os.ReadFile(place.Saved() + "/once/f"); err != nil || !bytes.Equal(saved, old) {
		t.Errorf("after a power cut %d bytes are set aside, and they are not the file's: %v", len(saved), err)
	}
}

// What an epoch forgets is durable on both sides: whoever loses its power then has it, though
// nobody synced it.
func TestEpochsMakeDurable(t *testing.T) {
	a, b := newPair(t, 1)
	disks := map[*node]*powered{a: onItsOwnDisk(t, a, 64), b: onItsOwnDisk(t, b, 64)}
	join(t, a, b)
	for _, n := range []*node{b, a} { // the secondary, then the primary
		p, s := a, b
		// Not by O_TRUNC, as ext4 then writes when the file is closed.
		p.run(0, `for i in 1 2 3; do dd if=/dev/urandom of=`+n.name+`.$i bs=700000 count=1 conv=notrunc status=none; done`)
		pause(1200 * time.Millisecond) // what was changed last is looked for in any case
		settled(t, p)                  // an epoch
		must(t, n.r.writable())        // syncs names and times: also when it was that the zones were recorded last
		disks[n].cut()
		n.crash()
		disks[n].restore()
		n.start(nil)
		for _, x := range []*node{p, s} {
			x.forget()
		}
		if n == s {
			p.r.Alone(generation(2))
			must(t, s.order(Order{Replica: core.ReplicateSecond}))
		} else {
			must(t, s.order(Order{Replica: core.ReplicatePrim, Data: generation(3)}))
			must(t, p.order(Order{Replica: core.ReplicateSecond}))
			p, s = s, p
		}
		s.until("complete copy", func() bool { return s.copied != (core.Generation{}) })
		settled(t, p)
		same(t, p, s)
	}
}

// When two join and forget what they have recorded, both have it on their disks: the secondary
// what was copied to it, and the primary what it was sent when it was secondary itself, which
// the record of the other tells of.
func TestJoiningMakesDurable(t *testing.T) {
	a, b := newPair(t, 1)
	disks := map[*node]*powered{a: onItsOwnDisk(t, a, 64), b: onItsOwnDisk(t, b, 64)}
	for _, n := range []*node{a, b} {
		n.end()
		n.start(func(o *Options) { o.Epoch = time.Hour })
	}
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	const written = `dd if=/dev/urandom of=%s bs=700000 count=1 conv=notrunc status=none`
	a.run(0, fmt.Sprintf(written, "alone"))
	follows := func(n *node) {
		must(t, n.order(Order{Replica: core.ReplicateSecond}))
		n.until("complete copy", func() bool { return n.copied != (core.Generation{}) })
		n.peer.until("complete copy", func() bool { return n.peer.copied != (core.Generation{}) })
		same(t, a, b)
		must(t, errors.Join(n.r.writable(), n.peer.r.writable())) // as above
	}
	loses := func(n *node) {
		disks[n].cut()
		n.crash()
		disks[n].restore()
		n.start(nil)
		a.forget()
		b.forget()
	}
	follows(b)
	loses(b)
	a.r.Alone(generation(2))
	follows(b)
	a.run(0, fmt.Sprintf(written, "together"))
	pause(1200 * time.Millisecond) // what was changed last is looked for in any case
	for g, n := range []*node{a, b} {
		loses(n)
		must(t, n.peer.order(Order{Replica: core.ReplicatePrim, Data: generation(uint64(g) + 3)}))
		follows(n)
	}
}

// Names and attributes are recorded just after they were changed: what changed as the power
// went is found when the copy is opened again.
func TestWhatChangedLast(t *testing.T) {
	top := t.TempDir()
	places := []Place{{top + "/a", "_behind"}}
	must(t, os.Mkdir(places[0].Dir, 0o755))
	c, err := openCopies(options(top, places), false)
	must(t, err)
	must(t, os.WriteFile(places[0].Data()+"/f", nil, 0o644))
	must(t, c.store(mirror.Generations{Current: 5}.Promoted(6)))
	must(t, c.logs[0].MarkDirty(1, 0, 1)) // the last record
	c.close()
	must(t, os.Chmod(places[0].Data()+"/f", 0o600))
	if c, err = openCopies(options(top, places), false); err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var st unix.Stat_t
	must(t, unix.Stat(places[0].Data()+"/f", &st))
	if r := c.logs[0].Recorded(); !slices.Contains(r.Dirty, zones.Zone{Inode: st.Ino, Index: zones.Names}) {
		t.Errorf("recorded is %+v, and file %d was changed last", r, st.Ino)
	}
}
