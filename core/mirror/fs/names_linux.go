package fs

import (
	"errors"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

var errNameless = errors.New("a file without a name was given one, and the peer does not have it")

// Link gives a file another name.
func (f *fileSystem) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	n, dir := f.table.get(in.Oldnodeid), f.table.get(in.NodeId)
	return f.renameOf(n, func() (Receipt, error) {
		defer dir.version.Add(1)
		known, err := f.bind(n)
		if err != nil {
			return nil, err
		}
		in, err := f.bind(dir)
		if err != nil {
			return nil, err
		}
		local := f.local(dir, name, false)
		if local != n.local.Load() && !f.withoutName(n) {
			return nil, unix.EXDEV
		}
		if err := unix.Linkat(n.fd, "", dir.fd, name, unix.AT_EMPTY_PATH); err != nil {
			return nil, err
		}
		if err := f.find(dir, name, out); err != nil {
			f.diverged(dir, err)
			return nil, err
		}
		switch {
		case local:
			f.detach(n)
			return nothing{}, nil
		case n.local.Load():
			return f.arrive(n, dir, name, false)
		case !in:
			return nothing{}, nil
		case !known:
			f.rec.Diverged(dir.inode, errNameless)
			return nothing{}, nil
		}
		return f.rec.Record(stream.Op{Kind: stream.Link, File: n.file(), Parent: dir.file(), Name: name}, dir.inode, n.inode)
	})
}

// withoutName says that nothing leads to n but those who have it open.
func (f *fileSystem) withoutName(n *node) bool {
	st, err := n.stat()
	return err == nil && st.Nlink == 0
}

// Unlink removes a name that is not a directory's.
func (f *fileSystem) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.remove(f.table.get(in.NodeId), name, stream.Unlink, 0)
}

// Rmdir removes an empty directory.
func (f *fileSystem) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.remove(f.table.get(in.NodeId), name, stream.Rmdir, unix.AT_REMOVEDIR)
}

func (f *fileSystem) remove(dir *node, name string, kind stream.Kind, flag int) fuse.Status {
	return f.renameOf(nil, func() (Receipt, error) {
		defer dir.version.Add(1)
		known, err := f.bind(dir)
		if err != nil {
			return nil, err
		}
		victim, err := f.victim(dir, name)
		if err != nil {
			return nil, err
		}
		if err := unix.Unlinkat(dir.fd, name, flag); err != nil {
			return nil, err
		}
		if victim != nil {
			f.table.unnamed(victim, dir, name)
		}
		if !known || f.local(dir, name, kind == stream.Rmdir) {
			return nothing{}, nil
		}
		return f.rec.Record(stream.Op{Kind: kind, Parent: dir.file(), Name: name}, dir.inode)
	})
}

// Rename changes a name, or exchanges two.
func (f *fileSystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, name, newName string) fuse.Status {
	if in.Flags&^(unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE) != 0 {
		return fuse.Status(unix.EINVAL)
	}
	m := move{f.table.get(in.NodeId), name, f.table.get(in.Newdir), newName, in.Flags}
	f.sendGathered(m.dir, m.name)
	for {
		f.names.RLock()
		_, crossing, err := f.course(m)
		f.names.RUnlock()
		if err != nil {
			return status(err)
		}
		again := false
		s := f.renameOf(crossing, func() (Receipt, error) {
			c, still, err := f.course(m)
			if again = still != crossing; err != nil || again {
				return nothing{}, err
			}
			return f.move(m, c, crossing)
		})
		if !again {
			return s
		}
	}
}

// move carries out and records m, with names held, and the lock of the file that crosses
// the border.
func (f *fileSystem) move(m move, c course, crossing *node) (Receipt, error) {
	defer m.dir.version.Add(1)
	defer m.to.version.Add(1)
	known, err := f.bind(m.dir)
	if err != nil {
		return nil, err
	}
	toKnown, err := f.bind(m.to)
	if err != nil {
		return nil, err
	}
	victim, missing := f.victim(m.to, m.newName)
	if missing != nil && missing != unix.ENOENT {
		return nil, missing
	}
	if err := unix.Renameat2(m.dir.fd, m.name, m.to.fd, m.newName, uint(m.flags)); err != nil {
		return nil, err
	}
	if victim != nil {
		f.table.unnamed(victim, m.to, m.newName)
	}
	inodes := []uint64{m.dir.inode, m.to.inode, f.renamed(m.dir, m.name, m.to, m.newName)}
	if m.flags&unix.RENAME_EXCHANGE != 0 {
		inodes = append(inodes, f.renamed(m.to, m.newName, m.dir, m.name))
	}
	switch c {
	case localOnly:
		return nothing{}, nil
	case outward:
		return f.leave(crossing, m.dir, m.name)
	case inward:
		return f.arrive(crossing, m.to, m.newName, missing == nil)
	}
	if !known || !toKnown { // one of them was removed, so nothing can be in it
		return nothing{}, nil
	}
	return f.rec.Record(stream.Op{
		Kind: stream.Rename, Parent: m.dir.file(), Name: m.name, NewParent: m.to.file(), NewName: m.newName, Flags: m.flags,
	}, inodes...)
}

// renameOf runs change, which changes names, and waits for what it recorded. The lock of
// n is held, unless it is nil.
func (f *fileSystem) renameOf(n *node, change func() (Receipt, error)) fuse.Status {
	f.gate.RLock()
	if n != nil {
		n.mu.Lock()
	}
	f.names.Lock()
	receipt, err := change()
	f.names.Unlock()
	if n != nil {
		n.mu.Unlock()
	}
	f.flushGone()
	f.gate.RUnlock()
	if err == nil {
		err = receipt.Wait()
	}
	return status(err)
}

// victim is the node, if the kernel knows one, that is about to lose this name. If it
// can still be reached after that, it is introduced while the name is there.
func (f *fileSystem) victim(dir *node, name string) (*node, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	n := f.table.byInode(st.Ino)
	if n == nil || !f.table.lasting(n, uint64(st.Nlink)) {
		return n, nil
	}
	_, err := f.bind(n)
	return n, err
}

// renamed notes that what was called old in from is called name in dir now, and answers its
// number.
func (f *fileSystem) renamed(from *node, old string, dir *node, name string) uint64 {
	var st unix.Stat_t
	if unix.Fstatat(dir.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		f.table.named(st.Ino, dir, name)
		var still unix.Stat_t // of two names of one file none goes away
		same := unix.Fstatat(from.fd, old, &still, unix.AT_SYMLINK_NOFOLLOW) == nil && still.Ino == st.Ino
		if n := f.table.byInode(st.Ino); n != nil && !same {
			f.table.unnamed(n, from, old)
		}
	}
	return st.Ino
}
