package resync

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// memo remembers the directories that were walked, so that a further walk of the same tree
// reads only those whose names have changed since: of one that was not, what is below is
// enough. It costs 8 bytes a file.
type memo map[uint64]memory // by inode

type memory struct {
	changed int64    // ctime of the directory, which changes with its names
	files   []uint64 // inodes of what is in it, sorted
	dirs    []dirent
}

// settled is the age of a ctime from which on a later change has another one: clocks of file
// systems tick every few milliseconds.
const settled = 100 * time.Millisecond

// each gives the names in a directory to do, or only the directories among them if it holds
// nothing else that is wanted.
func (m memo) each(dir int, wanted map[uint64][]uint32, do func(dirent) error) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	known, ok := m[st.Ino]
	if ok && known.changed == st.Ctim.Nano() && !known.holds(wanted) {
		for _, d := range known.dirs {
			if err := do(d); err != nil {
				return err
			}
		}
		return nil
	}
	delete(m, st.Ino)
	fresh := memory{changed: st.Ctim.Nano()}
	keep := time.Since(time.Unix(0, fresh.changed)) > settled
	err := each(dir, func(d dirent) error {
		if keep {
			fresh.add(d)
		}
		return do(d)
	})
	if err == nil && keep {
		slices.Sort(fresh.files)
		m[st.Ino] = fresh
	}
	return err
}

func (k *memory) add(d dirent) {
	if d.kind == unix.DT_DIR {
		k.dirs = append(k.dirs, d)
	} else {
		k.files = append(k.files, d.inode)
	}
}

// holds says that one of the files is wanted.
func (k memory) holds(wanted map[uint64][]uint32) bool {
	if len(wanted) < len(k.files) {
		for inode := range wanted {
			if _, ok := slices.BinarySearch(k.files, inode); ok {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(k.files, func(inode uint64) bool { return wanted[inode] != nil })
}
