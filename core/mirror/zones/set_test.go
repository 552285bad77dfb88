package zones

import (
	"testing"
	"time"
)

// A hundred thousand new files are recorded, and then again when the peer is lost, without a
// look through all zones for each: that would take minutes.
func TestManyNewFiles(t *testing.T) {
	const files = 100_000
	s := newSet()
	limit := time.Now().Add(30 * time.Second)
	each := func(do func(inode uint64)) {
		t.Helper()
		for inode := range uint64(files) {
			if do(inode + 1); inode%100 == 0 && time.Now().After(limit) {
				t.Fatalf("%d of %d files in 30 s", inode, files)
			}
		}
	}
	each(func(inode uint64) {
		s.apply(record{op: opDirty, zone: Zone{inode, Names}}, 1)
		s.apply(record{op: opDirty, zone: Zone{inode, Whole}}, 1)
	})
	each(func(inode uint64) {
		for _, index := range []uint32{Names, Whole, 0, 1} {
			s.apply(record{op: opActive, zone: Zone{files + inode, index}}, 2)
		}
	})
	merged := make(chan struct{})
	go func() { s.apply(record{op: opMerge}, 3); close(merged) }()
	select {
	case <-merged:
	case <-time.After(time.Until(limit)):
		t.Fatal("the merge takes longer than the rest of 30 s")
	}
	if n := len(s.dirty); n != 2*2*files {
		t.Errorf("%d zones are dirty, not the names and the whole of %d files", n, 2*files)
	}
}

// A file that is dirty as a whole has no zones of its own, but its names.
func TestWholeFileDropsItsZones(t *testing.T) {
	s := newSet()
	for _, index := range []uint32{0, Names, 5, Whole} {
		s.apply(record{op: opDirty, zone: Zone{7, index}}, 1)
	}
	s.apply(record{op: opActive, zone: Zone{8, 3}}, 1)
	s.apply(record{op: opActive, zone: Zone{8, Whole}}, 1)
	s.apply(record{op: opDirty, zone: Zone{8, 9}}, 1)
	s.apply(record{op: opMerge}, 1)
	want := map[Zone]bool{{7, Names}: true, {7, Whole}: true, {8, Whole}: true}
	for z := range s.dirty {
		if !want[z] {
			t.Errorf("%v is dirty, too", z)
		}
	}
	if len(s.dirty) != len(want) || s.perFile[7] != 2 || s.perFile[8] != 1 {
		t.Errorf("dirty: %v; by file: %v", s.dirty, s.perFile)
	}
}
