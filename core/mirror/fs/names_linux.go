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
	return f.rename(func() (Receipt, error) {
		defer dir.version.Add(1)
		known, err := f.bind(n)
		if err != nil {
			return nil, err
		}
		in, err := f.bind(dir)
		if err != nil {
			return nil, err
		}
		if err := unix.Linkat(n.fd, "", dir.fd, name, unix.AT_EMPTY_PATH); err != nil {
			return nil, err
		}
		if err := f.find(dir, name, out); err != nil {
			return nil, err
		}
		switch {
		case !in:
			return nothing{}, nil
		case !known:
			f.rec.Diverged(dir.inode, errNameless)
			return nothing{}, nil
		}
		return f.rec.Record(stream.Op{Kind: stream.Link, File: n.file(), Parent: dir.file(), Name: name}, dir.inode, n.inode)
	})
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
	return f.rename(func() (Receipt, error) {
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
		if !known {
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
	dir, to := f.table.get(in.NodeId), f.table.get(in.Newdir)
	return f.rename(func() (Receipt, error) {
		defer dir.version.Add(1)
		defer to.version.Add(1)
		known, err := f.bind(dir)
		if err != nil {
			return nil, err
		}
		toKnown, err := f.bind(to)
		if err != nil {
			return nil, err
		}
		victim, err := f.victim(to, newName)
		if err != nil && err != unix.ENOENT {
			return nil, err
		}
		if err := unix.Renameat2(dir.fd, name, to.fd, newName, uint(in.Flags)); err != nil {
			return nil, err
		}
		if victim != nil {
			f.table.unnamed(victim, to, newName)
		}
		inodes := []uint64{dir.inode, to.inode, f.renamed(to, newName)}
		if in.Flags&unix.RENAME_EXCHANGE != 0 {
			inodes = append(inodes, f.renamed(dir, name))
		}
		if !known || !toKnown { // one of them was removed, so nothing can be in it
			return nothing{}, nil
		}
		return f.rec.Record(stream.Op{
			Kind: stream.Rename, Parent: dir.file(), Name: name, NewParent: to.file(), NewName: newName, Flags: in.Flags,
		}, inodes...)
	})
}

// rename runs change, which changes names, and waits for what it recorded.
func (f *fileSystem) rename(change func() (Receipt, error)) fuse.Status {
	f.gate.RLock()
	f.names.Lock()
	receipt, err := change()
	f.names.Unlock()
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

// renamed notes what name in dir leads to now, and answers its number.
func (f *fileSystem) renamed(dir *node, name string) uint64 {
	var st unix.Stat_t
	if unix.Fstatat(dir.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		f.table.named(st.Ino, dir, name)
	}
	return st.Ino
}
