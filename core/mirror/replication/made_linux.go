package replication

import (
	"encoding/binary"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What a copy was given while it was filled need not be set aside when that was interrupted
// and begins again: it is the primary's, and may be large. So the inodes that were made are
// noted beside what is set aside. A note that is lost costs room, and nothing else.

// inodes are files of file systems, in sets of 64: numbers that are given out one after the other lie
// together, and a million of them need little.
type inodes map[inodeSet]uint64

type inodeSet struct{ dev, number uint64 }

func (s inodes) add(dev, inode uint64) { s[inodeSet{dev, inode / 64}] |= 1 << (inode % 64) }

func (s inodes) has(st *unix.Stat_t) bool {
	return s[inodeSet{st.Dev, st.Ino / 64}]&(1<<(st.Ino%64)) != 0
}

// notes is the file of them on one folder's file system.
func (s *saver) notes(p Place) string { return filepath.Join(p.Saved(), s.name+".made") }

// recall reads what was noted before an interruption.
func (s *saver) recall() {
	for _, p := range s.places {
		var st unix.Stat_t
		b, err := os.ReadFile(s.notes(p))
		if err != nil || unix.Stat(p.Data(), &st) != nil {
			continue
		}
		for ; len(b) >= 8; b = b[8:] {
			s.seen.add(st.Dev, binary.LittleEndian.Uint64(b))
		}
	}
}

// remember notes a file that was made.
func (s *saver) remember(made *unix.Stat_t) {
	f, open := s.made[made.Dev]
	if !open {
		for _, p := range s.places {
			var st unix.Stat_t
			if unix.Stat(p.Data(), &st) == nil && st.Dev == made.Dev {
				f, _ = os.OpenFile(s.notes(p), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
				break
			}
		}
		s.made[made.Dev] = f
	}
	if f != nil {
		_, _ = f.Write(binary.LittleEndian.AppendUint64(nil, made.Ino))
	}
}

// close lets go of the notes; nil has none.
func (s *saver) close() {
	if s == nil {
		return
	}
	for dev, f := range s.made {
		if f != nil {
			_ = f.Close()
		}
		delete(s.made, dev)
	}
}

// end forgets the notes: the copy is complete.
func (s *saver) end() {
	if s == nil {
		return
	}
	s.close()
	for _, p := range s.places {
		_ = os.Remove(s.notes(p))
		_ = os.Remove(filepath.Join(p.Saved(), s.name+"."+partName)) // of a crash
	}
}

// forgetSaving ends what was begun to be set aside: the copy goes on as a primary's, and what is
// made in it from now on is its own.
func (c *copies) forgetSaving() {
	if c.saving != "" {
		(&saver{places: c.places, name: c.saving}).end()
		c.saving = ""
	}
}
