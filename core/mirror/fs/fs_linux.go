package fs

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// fileSystem answers the kernel. Methods that are not here answer ENOSYS, which the
// kernel has its own way for.
type fileSystem struct {
	fuse.RawFileSystem
	server    *fuse.Server
	rec       Recorder
	table     *table
	handles   handles
	closing   closer
	writeBack bool           // the kernel gathers writes
	rules     *exclude.Rules // changed with gate and names held

	// Locks, in the order in which they are taken: gate, a node's, names, binding, the
	// table's.

	// gate is held for reading while operations are recorded, for writing between
	// sessions.
	gate sync.RWMutex
	// names is held to change names, and by those who must see none change.
	names sync.RWMutex
	// binding serializes those who introduce files with names held for reading.
	binding sync.Mutex
}

// valid is how long the kernel may keep names and attributes: for good, as nobody
// else changes them.
const valid = 24 * time.Hour

func newFileSystem(root int, rules *exclude.Rules, rec Recorder) (*fileSystem, error) {
	t, err := newTable(root)
	if err != nil {
		return nil, err
	}
	first, err := newCanary(root)
	if err != nil {
		return nil, err
	}
	return &fileSystem{RawFileSystem: fuse.NewDefaultRawFileSystem(), rec: rec, rules: rules, table: t, handles: handles{open: map[uint64]*handle{}}, closing: closer{canary: first}}, nil
}

// String is the name of the file system.
func (f *fileSystem) String() string { return "orchestrator-mirror" }

// status is the kernel's form of an error.
func status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if e := syscall.Errno(0); errors.As(err, &e) {
		return fuse.Status(e)
	}
	return fuse.EIO
}

// record records an operation on n; one on a file that the peer cannot know is
// skipped.
func (f *fileSystem) record(n *node, op stream.Op) (Receipt, error) {
	known, err := f.known(n)
	if err != nil {
		return nothing{}, err
	}
	if !known {
		f.missed(n)
		return nothing{}, nil
	}
	return f.rec.Record(op, n.inode)
}

// missed makes sure of what known says: a name that is there and not known here leads to
// what the peer was not told.
func (f *fileSystem) missed(n *node) {
	if st, err := n.stat(); err != nil || st.Nlink > 0 && !n.local.Load() {
		f.rec.Diverged(n.inode, errUnknownName)
	}
}

var errUnknownName = errors.New("it was changed, and none of its names is known here")

type nothing struct{}

func (nothing) Wait() error { return nil }

// known introduces n to the peer if it has to be, with n's lock held and names not. It is
// false for a local file, and for one that has no name the peer could know it by: whatever
// happens to it, no name leads to it.
func (f *fileSystem) known(n *node) (bool, error) {
	if f.table.introduced(n, f.rec.Session()) {
		return true, nil
	}
	f.names.RLock()
	defer f.names.RUnlock()
	return f.bind(n)
}

// bind introduces n and the directories that lead to it, with names held.
func (f *fileSystem) bind(n *node) (bool, error) {
	f.binding.Lock()
	defer f.binding.Unlock()
	return f.introduce(n, f.rec.Session())
}

func (f *fileSystem) introduce(n *node, session uint64) (bool, error) {
	if f.table.introduced(n, session) {
		return true, nil
	}
	parent, name := f.table.nameOf(n)
	if parent == nil || n.local.Load() {
		return false, nil
	}
	if known, err := f.introduce(parent, session); err != nil || !known {
		return false, err
	}
	_, err := f.rec.Record(stream.Op{Kind: stream.Bind, File: n.file(), Parent: parent.file(), Name: name}, n.inode)
	if err == nil {
		f.table.introduce(n, session)
	}
	return err == nil, err
}

// part lets the peer forget a file that nobody has open any more, so that it holds few
// open; it is introduced again when it changes.
func (f *fileSystem) part(n *node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f.names.RLock()
	defer f.names.RUnlock()
	f.binding.Lock()
	defer f.binding.Unlock()
	if f.table.part(n) == f.rec.Session() {
		_, _ = f.rec.Record(stream.Op{Kind: stream.Forget, File: n.file()}, n.inode)
	}
}

// flushGone lets the peer forget the nodes that are gone.
func (f *fileSystem) flushGone() {
	for _, n := range f.table.takeGone() {
		if n.session == f.rec.Session() {
			_, _ = f.rec.Record(stream.Op{Kind: stream.Forget, File: n.file()}, n.inode)
		}
	}
}

// entry answers the kernel with a node.
func entry(n *node, st *unix.Stat_t, out *fuse.EntryOut) {
	out.NodeId, out.Generation = n.id, 1
	out.SetEntryTimeout(valid)
	out.SetAttrTimeout(valid)
	out.Attr.FromStat(native(st))
}

func native(st *unix.Stat_t) *syscall.Stat_t {
	return &syscall.Stat_t{
		Dev: st.Dev, Ino: st.Ino, Nlink: st.Nlink, Mode: st.Mode, Uid: st.Uid, Gid: st.Gid, Rdev: st.Rdev, Size: st.Size,
		Blksize: st.Blksize, Blocks: st.Blocks, Atim: syscall.Timespec(st.Atim), Mtim: syscall.Timespec(st.Mtim), Ctim: syscall.Timespec(st.Ctim),
	}
}

// Lookup finds a name. Renames wait meanwhile, so that the name is right when it is
// noted.
func (f *fileSystem) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	f.names.RLock()
	defer f.names.RUnlock()
	err := f.find(f.table.get(in.NodeId), name, out)
	if err == unix.ENOENT {
		out.NodeId = 0 // the kernel remembers that, too
		out.SetEntryTimeout(valid)
		return fuse.OK
	}
	return status(err)
}

// find enters the node called name in parent, with names held.
func (f *fileSystem) find(parent *node, name string, out *fuse.EntryOut) error {
	fd, err := unix.Openat(parent.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		unix.Close(fd)
		return err
	}
	n, err := f.table.enter(fd, &st, parent, name, f.local(parent, name, isDir(&st)))
	if err != nil {
		return err
	}
	entry(n, &st, out)
	return nil
}

// Forget takes back look-ups of a node.
func (f *fileSystem) Forget(id, lookups uint64) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	f.table.forget(id, lookups)
	f.flushGone()
}

// GetAttr answers the attributes of a node.
func (f *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return f.attributes(f.table.get(in.NodeId), out)
}

func (f *fileSystem) attributes(n *node, out *fuse.AttrOut) fuse.Status {
	st, err := n.stat()
	if err != nil {
		return status(err)
	}
	out.SetTimeout(valid)
	out.Attr.FromStat(native(&st))
	return fuse.OK
}

// Readlink answers where a symbolic link points.
func (f *fileSystem) Readlink(_ <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	target := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(f.table.get(in.NodeId).fd, "", target)
	return target[:max(size, 0)], status(err)
}

// StatFs answers for the backing directory's file system.
func (f *fileSystem) StatFs(_ <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	var st syscall.Statfs_t
	if err := syscall.Statfs(f.table.get(in.NodeId).path(), &st); err != nil {
		return status(err)
	}
	out.FromStatfsT(&st)
	return fuse.OK
}
