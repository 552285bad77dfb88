package zones

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
)

// model is what must be recorded, as far as it was answered.
type model struct {
	dirty  map[Zone]bool
	active map[Zone]uint32
	epoch  uint32
}

// lacks names a zone that r should hold and does not.
func (m *model) lacks(r Recorded) string {
	if r.Everything {
		return ""
	}
	holds := func(list []Zone, z Zone) bool {
		return slices.Contains(list, z) || z.Index != Names && slices.Contains(list, Zone{z.Inode, Whole})
	}
	for z := range m.dirty {
		if !holds(r.Dirty, z) {
			return fmt.Sprintf("dirty zone %v", z)
		}
	}
	for z := range m.active {
		if !holds(r.Active, z) && !holds(r.Dirty, z) {
			return fmt.Sprintf("active zone %v", z)
		}
	}
	return ""
}

// adopt takes over what a Merge that was not answered may have done.
func (m *model) adopt(l *Log) {
	m.epoch = l.set.epoch
	for z := range m.active {
		_, active := l.set.active[z]
		if _, dirty := l.set.dirtySince(z); dirty && !active && l.set.allActive == nil {
			delete(m.active, z)
			m.dirty[z] = true
		}
	}
}

// life uses a log until the power goes or n steps are done.
func (m *model) life(rng *rand.Rand, l *Log, n int) {
	for range n {
		z := Zone{uint64(rng.IntN(5)), uint32(rng.IntN(8))}
		var err error
		switch r := rng.IntN(40); {
		case r < 14:
			if err = l.MarkZonesDirty(z); err == nil {
				m.dirty[z] = true
			}
		case r < 28:
			if err = l.MarkActive(z.Inode, int64(z.Index)<<20+5, 10); err == nil {
				m.active[z] = m.epoch
			}
		case r < 34:
			delete(m.dirty, z) // it may be recorded as clean from now on
			l.Clean(z)
		case r < 36:
			m.epoch = l.Begin()
		case r < 38:
			maps.DeleteFunc(m.active, func(_ Zone, e uint32) bool { return e < m.epoch })
			l.End(m.epoch)
		case r < 39:
			if err = l.Merge(); err == nil {
				for z := range m.active {
					m.dirty[z] = true
				}
				clear(m.active)
			}
		default:
			clear(m.dirty)
			err = l.Clear()
		}
		if err != nil {
			return
		}
	}
}

// Whenever the power goes: what was answered as recorded is, and nothing is called
// damaged.
func TestPowerCuts(t *testing.T) {
	runs := uint64(1000)
	if testing.Short() {
		runs = 200
	}
	cuts, checkpoints := 0, 0
	for seed := range runs {
		rng := rand.New(rand.NewPCG(seed, 4))
		disk, m := newMemory(seed), &model{dirty: map[Zone]bool{}, active: map[Zone]uint32{}}
		opts := Options{MaxLog: int64(1+rng.IntN(8)) * sector, MaxPerFile: 4 + rng.IntN(8), MaxZones: 10 + rng.IntN(40)}
		for life := range uint64(5) {
			disk.left = rng.IntN(400)
			l, err := Open(disk, opts)
			if err != nil && !errors.Is(err, errCrash) {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			if err == nil {
				if lacks := m.lacks(l.Recorded()); lacks != "" {
					t.Fatalf("seed %d, life %d: %s is not recorded any more", seed, life, lacks)
				}
				m.adopt(l)
				m.life(rng, l, 200)
				if lacks := m.lacks(l.Recorded()); lacks != "" {
					t.Fatalf("seed %d, life %d: %s is not recorded", seed, life, lacks)
				}
				checkpoints += int(l.logs)
			}
			if disk.left < 0 {
				cuts++
			}
			disk = disk.restart(seed<<8 + life)
		}
	}
	t.Logf("seeds 0 to %d: %d power cuts, %d checkpoints", runs-1, cuts, checkpoints)
	if cuts < int(runs) || checkpoints < int(runs) {
		t.Error("the simulation hardly does anything")
	}
}

// Marks that come together share a sync; a mark of what is recorded needs none.
func TestSyncsAreShared(t *testing.T) {
	disk := newMemory(1)
	l, err := Open(disk, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := disk.syncs
	for range 1000 {
		if err := l.MarkActive(7, 3<<20, 100); err != nil {
			t.Fatal(err)
		}
	}
	if got := disk.syncs - before; got != 1 {
		t.Errorf("%d syncs for one zone", got)
	}
	var list []Zone
	for i := range uint32(100) {
		list = append(list, Zone{8, i})
	}
	if err := l.MarkZonesDirty(list...); err != nil {
		t.Fatal(err)
	}
	if got := disk.syncs - before; got != 2 {
		t.Errorf("%d syncs for two batches", got)
	}
	l.Begin()
	if err := l.MarkActive(7, 3<<20, 100); err != nil {
		t.Fatal(err)
	}
	if got := disk.syncs - before; got != 3 {
		t.Errorf("%d syncs: a new epoch records anew", got)
	}
}

// A mark waits for the sync of another that records the same zone.
func TestMarksWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newMemory(1)
		l, err := Open(disk, Options{})
		if err != nil {
			t.Fatal(err)
		}
		disk.hold = make(chan struct{})
		var answered atomic.Int32
		for range 3 {
			go func() {
				if err := l.MarkDirty(1, 0, 1); err != nil {
					t.Error(err)
				}
				answered.Add(1)
			}()
			synctest.Wait()
		}
		if n := answered.Load(); n > 0 {
			t.Errorf("%d marks were answered before the sync", n)
		}
		disk.hold <- struct{}{}
		synctest.Wait()
		if n := answered.Load(); n != 3 {
			t.Errorf("%d marks were answered by one sync", n)
		}
	})
}

func TestTooManyZones(t *testing.T) {
	l, err := Open(newMemory(1), Options{MaxPerFile: 3, MaxZones: 6})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		if err := l.MarkDirty(1, i<<20, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if r := l.Recorded(); r.Everything || !slices.Equal(r.Dirty, []Zone{{1, Whole}}) {
		t.Errorf("%+v", r)
	}
	for i := range uint64(9) {
		if err := errors.Join(l.MarkZonesDirty(Zone{i, Names}), l.MarkActive(i, 0, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if r := l.Recorded(); !r.Everything {
		t.Errorf("%+v", r)
	}
	if err := l.Clear(); err != nil || !l.Recorded().Everything {
		t.Errorf("too many active zones were forgotten with the dirty ones: %v", err)
	}
	l.End(l.Begin())
	if err := l.MarkDirty(3, 0, 1); err != nil || l.Recorded().Everything || len(l.Recorded().Dirty) != 1 {
		t.Errorf("%+v, %v", l.Recorded(), err)
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(Directory(dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		if err := l.MarkDirty(1, i<<20, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.MarkDirty(1, 99<<20, 1); err == nil {
		t.Error("a closed log took a mark")
	}
	name := dir + "/" + logName(l.logs)
	whole, err := os.ReadFile(name)
	if err != nil || len(whole) < 5*sector || len(bytes.Trim(whole[5*sector:], "\x00")) > 0 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	whole = whole[:5*sector]
	checkpoint, err := os.ReadFile(dir + "/" + checkpointName)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		change func(log, checkpoint []byte) ([]byte, []byte)
		want   string
		zones  int
	}{
		"nothing":         {func(a, b []byte) ([]byte, []byte) { return a, b }, "", 5},
		"a torn end":      {func(a, b []byte) ([]byte, []byte) { a[4*sector+30]++; return a, b }, "", 4},
		"a short end":     {func(a, b []byte) ([]byte, []byte) { return a[:4*sector+7], b }, "", 4},
		"the middle":      {func(a, b []byte) ([]byte, []byte) { a[2*sector+30]++; return a, b }, "batch 3", 0},
		"a missing batch": {func(a, b []byte) ([]byte, []byte) { return append(a[:sector:sector], a[2*sector:]...), b }, "batch 2", 0},
		"the checkpoint":  {func(a, b []byte) ([]byte, []byte) { b[21]++; return a, b }, "checkpoint", 0},
		"the log is gone": {func(_, b []byte) ([]byte, []byte) { return nil, b }, "missing", 0},
		"all is gone":     {func(_, _ []byte) ([]byte, []byte) { return nil, nil }, "", 0},
	} {
		dir := t.TempDir()
		a, b := c.change(slices.Clone(whole), slices.Clone(checkpoint))
		if a != nil {
			_ = os.WriteFile(dir+"/"+logName(l.logs), a, 0o600)
		}
		if b != nil {
			_ = os.WriteFile(dir+"/"+checkpointName, b, 0o600)
		}
		l, err := Open(Directory(dir), Options{})
		if l == nil {
			t.Fatalf("%s: %v", what, err)
		}
		r := l.Recorded()
		switch damaged := (*DamagedError)(nil); {
		case c.want == "" && (err != nil || r.Everything || len(r.Dirty) != c.zones):
			t.Errorf("%s: %+v, %v", what, r, err)
		case c.want != "" && (!errors.As(err, &damaged) || !strings.Contains(err.Error(), c.want) || !r.Everything):
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		again, err := Open(Directory(dir), Options{})
		if err != nil || again.Recorded().Everything != r.Everything {
			t.Errorf("%s, opened again: %v", what, err)
		}
		_ = l.Close()
		_ = again.Close()
	}
}

// One that was made before, and is not there, is not an empty one.
func TestMissing(t *testing.T) {
	l, err := Open(newMemory(1), Options{There: true})
	if !errors.As(err, new(*DamagedError)) || !l.Recorded().Everything {
		t.Errorf("%v", err)
	}
}

// ill is a disk on which something fails.
type ill struct {
	*memory
	fails string // a file that cannot be read
	syncs int    // of names, until one fails
	err   error
}

func (d *ill) ReadFile(name string) ([]byte, error) {
	if name == d.fails {
		return nil, d.err
	}
	return d.memory.ReadFile(name)
}

func (d *ill) Sync() error {
	if d.syncs--; d.syncs == 0 {
		return d.err
	}
	return d.memory.Sync()
}

// What cannot be read is not taken for empty, nor for damaged for good.
func TestUnreadable(t *testing.T) {
	disk := newMemory(1)
	l, err := Open(disk, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.MarkDirty(1, 0, 1); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{checkpointName, logName(l.logs)} {
		bad, err := Open(&ill{memory: disk, fails: name, err: errCrash}, Options{})
		if bad != nil || !errors.Is(err, errCrash) {
			t.Errorf("%s cannot be read: %v", name, err)
		}
	}
	again, err := Open(disk, Options{})
	if err != nil || len(again.Recorded().Dirty) != 1 {
		t.Errorf("later: %v", err)
	}
}

// A full disk is no reason to end the record, unless it is not certain which one it is: the
// names were changed, and could not be made durable.
func TestNoRoomForNames(t *testing.T) {
	for _, which := range []int{1, 2} {
		disk := &ill{memory: newMemory(1), err: syscall.ENOSPC}
		l, err := Open(disk, Options{MaxLog: 4 * sector})
		if err != nil {
			t.Fatal(err)
		}
		disk.syncs = which
		var failed error
		for i := range uint64(20) {
			if failed = l.MarkDirty(100+i, 0, 1); failed != nil {
				break
			}
		}
		if uncertain := which == 2; (failed != nil) != uncertain {
			t.Errorf("sync %d of names fails: %v", which, failed)
		}
		again, err := Open(disk.memory, Options{})
		if r := again.Recorded(); err != nil || failed == nil && len(r.Dirty) != 20 || len(r.Dirty) < 4 {
			t.Errorf("sync %d of names fails; then %d zones are recorded, %v", which, len(r.Dirty), err)
		}
	}
}

// Whatever is left of a batch, it is none or the whole.
func TestBatchCutShort(t *testing.T) {
	var records []record
	for i := range uint64(40) { // more than a sector
		records = append(records, record{op: opDirty, zone: Zone{Inode: i + 1}})
	}
	whole := encode(7, records)
	for n := range len(whole) + 1 {
		number, got, rest, err := decode(whole[:n:n])
		switch {
		case err == nil && number == 7 && len(got) == 40 && len(rest) == 0 && n >= headSize+40*recordSize:
		case errors.Is(err, errNoBatch) && n < headSize+40*recordSize:
		default:
			t.Fatalf("%d of %d bytes: batch %d of %d, %v", n, len(whole), number, len(got), err)
		}
	}
	other := slices.Clone(whole)
	other[5]++ // the magic, with a checksum that is right
	binary.BigEndian.PutUint32(other, crc32.Checksum(other[4:headSize+40*recordSize], castagnoli))
	if _, _, _, err := decode(other); !errors.Is(err, errNoBatch) {
		t.Errorf("of another format: %v", err)
	}
}

func TestAFailedDiskIsNotTriedAgain(t *testing.T) {
	disk := newMemory(1)
	l, err := Open(disk, Options{})
	if err != nil {
		t.Fatal(err)
	}
	disk.left = 0
	if err := l.MarkDirty(1, 0, 1); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	disk.left = 1 << 30
	for range 2 {
		if err := l.MarkDirty(1, 0, 1); !errors.Is(err, errCrash) {
			t.Errorf("after the failure: %v", err)
		}
	}
}

func TestConcurrentMarks(t *testing.T) {
	l, err := Open(Directory(t.TempDir()), Options{MaxLog: 20 * sector})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			for i := range int64(50) {
				if err := errors.Join(l.MarkActive(w, i<<20, 1), l.MarkDirty(100, (int64(w)*50+i)<<20, 1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r := l.Recorded(); len(r.Active) != 400 || len(r.Dirty) != 400 {
		t.Errorf("%d active, %d dirty", len(r.Active), len(r.Dirty))
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// broken is a disk that fails when names are to be made durable, and counts open files.
type broken struct {
	*memory
	open int
}

type brokenFile struct {
	File
	d *broken
}

func (d *broken) Create(name string) (File, error) {
	f, err := d.memory.Create(name)
	d.open++
	return &brokenFile{f, d}, err
}

func (f *brokenFile) Close() error {
	f.d.open--
	return f.File.Close()
}

func (*broken) Sync() error { return syscall.EIO }

// A record that cannot be begun leaves no file open: it is tried again and again.
func TestFailedOpenLeavesNothingOpen(t *testing.T) {
	d := &broken{memory: newMemory(1)}
	if _, err := Open(d, Options{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("the error is %v", err)
	}
	if d.open != 0 {
		t.Errorf("%d files are open", d.open)
	}
}
