package resync

import (
	"time"

	"golang.org/x/sys/unix"
)

// place is a name in a folder.
type place struct {
	parent *place // nil: this is the folder itself
	name   string
	inode  uint64
	depth  int
}

func (p *place) path() string {
	switch {
	case p.parent == nil:
		return ""
	case p.parent.parent == nil:
		return p.name
	}
	return p.parent.path() + "/" + p.name
}

// index walks all names below root and answers where those inodes are that are wanted.
// What is renamed meanwhile may be missed or found twice. skip leaves out paths.
func index(root int, wanted func(inode uint64) bool, skip Skip) (map[uint64][]*place, error) {
	return walkWith(root, each, wanted, skip)
}

// index is that for a tree that may have been walked before.
func (m memo) index(root int, wanted map[uint64][]uint32, skip Skip) (map[uint64][]*place, error) {
	each := func(dir int, do func(dirent) error) error { return m.each(dir, wanted, do) }
	return walkWith(root, each, func(inode uint64) bool { return wanted[inode] != nil }, skip)
}

func walkWith(root int, each func(dir int, do func(dirent) error) error, wanted func(inode uint64) bool, skip Skip) (map[uint64][]*place, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(root, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return nil, err
	}
	found := map[uint64][]*place{}
	top := &place{inode: st.Ino}
	if wanted(st.Ino) {
		found[st.Ino] = []*place{top}
	}
	var walk func(dir int, at *place) error
	walk = func(dir int, at *place) error {
		err := each(dir, func(d dirent) error {
			if !wanted(d.inode) && d.kind != unix.DT_DIR {
				return nil
			}
			p := &place{parent: at, name: d.name, inode: d.inode, depth: at.depth + 1}
			if skip != nil && skip(p.path(), d.kind == unix.DT_DIR) {
				return nil
			}
			if wanted(d.inode) {
				found[d.inode] = append(found[d.inode], p)
			}
			if d.kind != unix.DT_DIR {
				return nil
			}
			return into(dir, d, func(fd int) error { return walk(fd, p) })
		})
		if gone(err) {
			return nil
		}
		return err
	}
	return found, walk(root, top)
}

// severals answers where the files are that have several names.
func severals(root int, skip Skip) (map[uint64][]*place, error) {
	several := map[uint64]bool{}
	if err := Walk(root, func(st *unix.Stat_t) {
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			several[st.Ino] = true
		}
	}); err != nil || len(several) == 0 {
		return map[uint64][]*place{}, err
	}
	return index(root, func(inode uint64) bool { return several[inode] }, skip)
}

// into opens a directory and does something with it, if it is still there.
func into(dir int, d dirent, do func(fd int) error) error {
	fd, err := reach(dir, d.name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

// gone says that a name went away, or leads to something else, since it was listed.
func gone(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ESTALE }

// Walk looks at all files below an O_PATH descriptor, and at its own. What goes away
// meanwhile is left out.
func Walk(top int, look func(*unix.Stat_t)) error {
	var st unix.Stat_t
	if err := unix.Fstatat(top, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	look(&st)
	var walk func(fd int) error
	walk = func(fd int) error {
		err := each(fd, func(d dirent) error {
			if unix.Fstatat(fd, d.name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				return nil
			}
			look(&st)
			if d.kind == unix.DT_DIR {
				return into(fd, d, walk)
			}
			return nil
		})
		if gone(err) {
			return nil
		}
		return err
	}
	return walk(top)
}

// ChangedSince reports the inodes below dir whose data, attributes or names were changed at
// a time or later (their ctime, which only the kernel sets).
func ChangedSince(dir string, since time.Time, report func(inode uint64)) error {
	top, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	return Walk(top, func(st *unix.Stat_t) {
		if st.Ctim.Nano() >= since.UnixNano() {
			report(st.Ino)
		}
	})
}
