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

// list answers the names in a directory, or only the directories among them if it holds
// nothing else that is wanted.
func (m memo) list(dir int, wanted map[uint64][]uint32) ([]dirent, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return nil, err
	}
	known, ok := m[st.Ino]
	if ok && known.changed == st.Ctim.Nano() && !known.holds(wanted) {
		return known.dirs, nil
	}
	list, err := names(dir)
	if err != nil {
		return nil, err
	}
	delete(m, st.Ino)
	if time.Since(time.Unix(0, st.Ctim.Nano())) > settled {
		m[st.Ino] = remember(st.Ctim.Nano(), list)
	}
	return list, nil
}

func remember(changed int64, list []dirent) memory {
	known := memory{changed: changed}
	for _, d := range list {
		if d.kind == unix.DT_DIR {
			known.dirs = append(known.dirs, d)
		} else {
			known.files = append(known.files, d.inode)
		}
	}
	slices.Sort(known.files)
	return known
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
