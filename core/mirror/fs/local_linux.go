package fs

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// A file that the rules leave out is local: what happens to it is carried out and not
// recorded. All names of a file are on the same side of that border: links across it are
// refused (EXDEV), and those that were there before, too.

// local says that name in dir is on the local side, with names held.
func (f *fileSystem) local(dir *node, name string, isDir bool) bool {
	if f.rules.None() {
		return false
	}
	if dir.local.Load() {
		return true
	}
	at, ok := f.table.relative(dir)
	return ok && f.rules.Matches(path.Join(at, name), isDir)
}

// diverged tells the recorder that a replicated file cannot be told to the peer.
func (f *fileSystem) diverged(n *node, why error) {
	if !n.local.Load() {
		f.rec.Diverged(n.inode, why)
	}
}

// course is the way of a rename over the border.
type course int

const (
	replicated course = iota // on the one side
	localOnly                // on the other
	inward
	outward
)

// move is a rename.
type move struct {
	dir     *node
	name    string
	to      *node
	newName string
	flags   uint32
}

// course of m, and the file that crosses, with names held. A directory that would cross,
// or in which something would, and a file with further names get EXDEV, as on
// overlayfs: mv(1) then copies.
func (f *fileSystem) course(m move) (course, *node, error) {
	if f.rules.None() {
		return replicated, nil, nil
	}
	from, to, st, err := f.sides(m.dir, m.name, m.to, m.newName)
	if err != nil {
		return 0, nil, err
	}
	if m.flags&unix.RENAME_EXCHANGE != 0 {
		back, forth, _, err := f.sides(m.to, m.newName, m.dir, m.name)
		if err != nil {
			return 0, nil, err
		}
		if from != to || back != forth || from != back {
			return 0, nil, unix.EXDEV
		}
	}
	switch {
	case from && to:
		return localOnly, nil, nil
	case !from && !to:
		return replicated, nil, nil
	case isDir(st) || st.Nlink > 1:
		return 0, nil, unix.EXDEV
	}
	n := f.table.byInode(st.Ino)
	if n == nil {
		return 0, nil, unix.EXDEV // the kernel always looks it up before
	}
	if from {
		return inward, n, nil
	}
	return outward, n, nil
}

// sides says whether what is called name in dir is local, and whether it would be as
// newName in other. If that differs for something in a directory, the error is EXDEV.
func (f *fileSystem) sides(dir *node, name string, other *node, newName string) (from, to bool, _ *unix.Stat_t, _ error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, false, nil, err
	}
	from, to = f.local(dir, name, isDir(&st)), f.local(other, newName, isDir(&st))
	if !isDir(&st) || from != to || from {
		return from, to, &st, nil
	}
	here, ok := f.table.relative(dir)
	there, also := f.table.relative(other)
	here, there = path.Join(here, name), path.Join(there, newName)
	if !ok || !also || f.rules.Uniform(here, there) {
		return from, to, &st, nil
	}
	fd, err := unix.Openat(dir.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, false, nil, err
	}
	defer unix.Close(fd)
	return from, to, &st, walk(fd, "", func(p string, st *unix.Stat_t) (bool, error) {
		out := f.rules.Matches(path.Join(here, p), isDir(st))
		if out != f.rules.Matches(path.Join(there, p), isDir(st)) {
			return false, unix.EXDEV
		}
		return !out, nil
	})
}

// leave makes n, which was called name in dir, local. Its lock and names are held.
func (f *fileSystem) leave(n, dir *node, name string) (Receipt, error) {
	receipt, err := f.rec.Record(stream.Op{Kind: stream.Unlink, Parent: dir.file(), Name: name}, dir.inode)
	n.version.Add(1)
	f.detach(n)
	return receipt, err
}

// arrive makes n, which is called name in to now, replicated. What the peer cannot be told
// of is copied later.
func (f *fileSystem) arrive(n, to *node, name string, replace bool) (Receipt, error) {
	n.local.Store(false)
	n.version.Add(1)
	receipt, err := f.send(n, to, name, replace)
	if err == nil {
		return receipt, nil
	}
	f.rec.Diverged(to.inode, err)
	f.rec.Diverged(n.inode, err)
	return nothing{}, nil
}

// detach makes n local: the peer does not hear of it any more.
func (f *fileSystem) detach(n *node) {
	n.local.Store(true)
	if f.table.withdraw(n) == f.rec.Session() {
		_, _ = f.rec.Record(stream.Op{Kind: stream.Forget, File: n.file()}, n.inode)
	}
}

// SetRules changes what is local. It waits until no operation is being recorded, and holds
// all up while it looks through the directory. What becomes replicated is
// reported as diverged, so that it is copied; what becomes local stays as it is on both
// sides. With an error nothing has changed.
func (m *Mount) SetRules(rules *exclude.Rules) error {
	f := m.fs
	f.gate.Lock()
	defer f.gate.Unlock()
	f.names.Lock()
	defer f.names.Unlock()
	root := f.table.root()
	if err := checkLinks(root.fd, rules); err != nil {
		return err
	}
	// First, since it may fail: the rules are then as they were, and what was reported is
	// only compared.
	if err := widened(root.fd, f.rules, rules, func(inode uint64) { f.rec.Diverged(inode, errAdded) }); err != nil {
		return err
	}
	f.rules = rules
	for _, n := range f.table.all() {
		at, ok := f.table.relative(n)
		switch is := rules.Local(at, n.dir); {
		case !ok || is == n.local.Load():
		case is:
			f.detach(n)
		default:
			n.local.Store(false)
		}
	}
	return nil
}

// Widened reports the inodes below dir that were local by the old rules and are not by the
// next, and those of the directories that they are in.
func Widened(dir string, old, next *exclude.Rules, report func(inode uint64)) error {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(root)
	return widened(root, old, next, report)
}

func widened(root int, old, next *exclude.Rules, report func(inode uint64)) error {
	if old.None() {
		return nil
	}
	return walkLocal(root, old, func(name string, st *unix.Stat_t) (bool, error) {
		if next.Local(name, isDir(st)) {
			return false, nil
		}
		if parent, err := parentOf(root, name); err == nil {
			report(parent)
		}
		report(st.Ino)
		return true, nil
	})
}

var errAdded = errors.New("it was not replicated before")

func parentOf(root int, name string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstatat(root, path.Dir(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Ino, err
}

// checkLinks refuses a file with names on both sides of the border: what is written by the
// one would have to be replicated, and not by the other.
func checkLinks(root int, rules *exclude.Rules) error {
	if rules.None() {
		return nil
	}
	type file struct {
		name  string
		names uint64
	}
	files := map[uint64]*file{}
	err := walkLocal(root, rules, func(name string, st *unix.Stat_t) (bool, error) {
		if st.Nlink > 1 && !isDir(st) {
			if files[st.Ino] == nil {
				files[st.Ino] = &file{name: name}
			}
			if files[st.Ino].names++; files[st.Ino].names == uint64(st.Nlink) {
				delete(files, st.Ino) // all are local
			}
		}
		return true, nil
	})
	if err != nil || len(files) == 0 {
		return err
	}
	return walk(root, "", func(name string, st *unix.Stat_t) (bool, error) {
		if rules.Local(name, isDir(st)) {
			return false, nil
		}
		if f := files[st.Ino]; f != nil {
			return false, fmt.Errorf("%s and %s are one file, and only the second is not to be replicated: remove one of them, or make it a copy", name, f.name)
		}
		return true, nil
	})
}

// walkLocal visits what is local.
func walkLocal(root int, rules *exclude.Rules, v visit) error {
	if areas, ok := rules.Areas(); ok {
		for _, a := range areas {
			if err := walkArea(root, a, v); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(root, "", func(name string, st *unix.Stat_t) (bool, error) {
		if rules.Local(name, isDir(st)) {
			if _, err := v(name, st); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

func walkArea(root int, area string, v visit) error {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(root, area, how)
	if err != nil {
		return nil // it is not there, and so nothing in it
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if into, err := v(area, &st); err != nil || !into || !isDir(&st) {
		return err
	}
	return walk(fd, area, v)
}
