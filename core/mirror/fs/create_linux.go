package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

const permissions = 0o7777

// newborn is a file to be made in a directory.
type newborn struct {
	kind   stream.Kind // Create, Symlink or Tmpfile
	parent *node
	name   string
	mode   uint32 // with type bits
	umask  uint32
	rdev   uint32
	target string // of a symbolic link
	caller fuse.Caller
	known  bool // the peer can be told, since it knows the directory
}

// make makes the file with make, enters and records it.
func (f *fileSystem) make(b newborn, out *fuse.EntryOut, make func(at int) error) fuse.Status {
	f.gate.RLock()
	receipt, err := f.born(b, out, make)
	f.gate.RUnlock()
	if err == nil {
		err = receipt.Wait()
	}
	return status(err)
}

func (f *fileSystem) born(b newborn, out *fuse.EntryOut, make func(at int) error) (Receipt, error) {
	f.names.Lock()
	defer f.names.Unlock()
	defer b.parent.version.Add(1)
	var err error
	if b.known, err = f.bind(b.parent); err != nil {
		return nil, err
	}
	if err := make(b.parent.fd); err != nil {
		return nil, err
	}
	n, st, err := f.enterNamed(b)
	if err != nil {
		if f.unmake(b) != nil && b.known {
			f.diverged(b.parent, err)
		}
		return nil, err
	}
	return f.announce(n, st, b, out)
}

func (f *fileSystem) enterNamed(b newborn) (*node, *unix.Stat_t, error) {
	fd, err := unix.Openat(b.parent.fd, b.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return f.enterNew(fd, b, b.parent, f.local(b.parent, b.name, b.isDir()))
}

// enterNew enters a file that was just made, of which fd is, as b.name in parent.
func (f *fileSystem) enterNew(fd int, b newborn, parent *node, local bool) (*node, *unix.Stat_t, error) {
	st, err := settle(fd, b)
	if err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	n, err := f.table.enter(fd, st, parent, b.name, local)
	return n, st, err
}

func (b newborn) isDir() bool { return b.mode&unix.S_IFMT == unix.S_IFDIR }

// unmake removes a file that was just made.
func (f *fileSystem) unmake(b newborn) error {
	flag := 0
	if b.isDir() {
		flag = unix.AT_REMOVEDIR
	}
	return unix.Unlinkat(b.parent.fd, b.name, flag)
}

// announce tells of a file that was made: the kernel, and the peer unless it is this
// node's own.
func (f *fileSystem) announce(n *node, st *unix.Stat_t, b newborn, out *fuse.EntryOut) (Receipt, error) {
	entry(n, st, out)
	if !b.known || n.local.Load() {
		return nothing{}, nil
	}
	inodes := []uint64{b.parent.inode, n.inode}
	if b.kind == stream.Tmpfile {
		inodes = inodes[:1]
	}
	receipt, err := f.rec.Record(stream.Op{
		Kind: b.kind, File: n.file(), Parent: b.parent.file(), Name: b.name,
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Rdev: b.rdev, Mtime: st.Mtim.Nano(), Data: []byte(b.target),
	}, inodes...)
	if err == nil {
		f.table.introduce(n, f.rec.Session())
	}
	return receipt, err
}

// settle gives a new file, which root made, the owner and mode that it would have
// if the caller had made it here.
func settle(fd int, b newborn) (*unix.Stat_t, error) {
	n := node{fd: fd}
	made, err := n.stat()
	if err != nil {
		return nil, err
	}
	dir, err := b.parent.stat()
	if err != nil {
		return nil, err
	}
	gid := b.caller.Gid
	if dir.Mode&unix.S_ISGID != 0 {
		gid = dir.Gid
	}
	want := made.Mode & permissions
	if b.kind != stream.Symlink {
		if want = b.mode & permissions &^ b.umask; dir.Mode&unix.S_ISGID != 0 && made.Mode&unix.S_IFMT == unix.S_IFDIR {
			want |= unix.S_ISGID
		}
		if want != made.Mode&permissions && inheritsACL(b.parent) {
			want = made.Mode & permissions // the list's mask counts, not the umask
		}
	}
	if made.Uid != b.caller.Uid || made.Gid != gid {
		if err := unix.Fchownat(fd, "", int(b.caller.Uid), int(gid), unix.AT_EMPTY_PATH); err != nil {
			return nil, err
		}
		if made, err = n.stat(); err != nil { // changing the owner clears mode bits
			return nil, err
		}
	}
	if want != made.Mode&permissions {
		if err := unix.Chmod(n.path(), want); err != nil {
			return nil, err
		}
		made, err = n.stat()
	}
	return &made, err
}

// inheritsACL says that files made in dir get an access list from it.
func inheritsACL(dir *node) bool {
	size, err := unix.Getxattr(dir.path(), "system.posix_acl_default", nil)
	return err == nil && size > 0
}

// Mknod makes a file, fifo, socket or device.
func (f *fileSystem) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	b := newborn{kind: stream.Create, parent: f.table.get(in.NodeId), name: name, mode: in.Mode, umask: in.Umask, rdev: in.Rdev, caller: in.Caller}
	return f.make(b, out, func(at int) error { return unix.Mknodat(at, name, in.Mode, int(in.Rdev)) })
}

// Mkdir makes a directory.
func (f *fileSystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	b := newborn{kind: stream.Create, parent: f.table.get(in.NodeId), name: name, mode: unix.S_IFDIR | in.Mode, umask: in.Umask, caller: in.Caller}
	return f.make(b, out, func(at int) error { return unix.Mkdirat(at, name, in.Mode) })
}

// Symlink makes a symbolic link.
func (f *fileSystem) Symlink(_ <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	b := newborn{kind: stream.Symlink, parent: f.table.get(in.NodeId), name: name, target: target, caller: in.Caller}
	return f.make(b, out, func(at int) error { return unix.Symlinkat(target, at, name) })
}

// Create makes a file and opens it. If another name look-up was faster, it is opened.
func (f *fileSystem) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	b := newborn{kind: stream.Create, parent: f.table.get(in.NodeId), name: name, mode: unix.S_IFREG | in.Mode&permissions, umask: in.Umask, caller: in.Caller}
	s := f.make(b, &out.EntryOut, func(at int) error { return unix.Mknodat(at, name, unix.S_IFREG|in.Mode&permissions, 0) })
	if s == fuse.Status(syscall.EEXIST) && in.Flags&unix.O_EXCL == 0 {
		f.names.RLock()
		s = status(f.find(b.parent, name, &out.EntryOut))
		f.names.RUnlock()
		if s.Ok() && in.Flags&unix.O_TRUNC != 0 {
			s = f.SetAttr(nil, &fuse.SetAttrIn{SetAttrInCommon: fuse.SetAttrInCommon{InHeader: fuse.InHeader{NodeId: out.NodeId}, Valid: fuse.FATTR_SIZE}}, &fuse.AttrOut{})
		}
	}
	if !s.Ok() {
		return s
	}
	return f.open(f.table.get(out.NodeId), in.Flags&^uint32(unix.O_CREAT|unix.O_EXCL), &out.OpenOut)
}

// Tmpfile makes a file without a name and opens it.
func (f *fileSystem) Tmpfile(_ <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	f.gate.RLock()
	n, receipt, err := f.nameless(in, &out.EntryOut)
	f.gate.RUnlock()
	if err == nil {
		err = receipt.Wait()
	}
	if err != nil {
		return status(err)
	}
	return f.open(n, in.Flags&^uint32(unix.O_TMPFILE|unix.O_EXCL), &out.OpenOut)
}

func (f *fileSystem) nameless(in *fuse.CreateIn, out *fuse.EntryOut) (*node, Receipt, error) {
	b := newborn{kind: stream.Tmpfile, parent: f.table.get(in.NodeId), mode: unix.S_IFREG | in.Mode&permissions, umask: in.Umask, caller: in.Caller}
	f.names.Lock()
	defer f.names.Unlock()
	var err error
	if b.known, err = f.bind(b.parent); err != nil {
		return nil, nil, err
	}
	// O_EXCL would forbid to give it a name later; the kernel sees to that.
	data, err := unix.Openat(b.parent.fd, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, in.Mode&permissions)
	if err != nil {
		return nil, nil, err
	}
	defer f.closing.close(data)
	fd, err := unix.Open((&node{fd: data}).path(), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	n, st, err := f.enterNew(fd, b, nil, b.parent.local.Load())
	if err != nil {
		return nil, nil, err
	}
	receipt, err := f.announce(n, st, b, out)
	return n, receipt, err
}
