package fs

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// node is an inode of the backing directory that the kernel knows.
type node struct {
	id    uint64 // FUSE's node id and the stream's file id; never used again
	fd    int    // O_PATH: while it is held, the inode number is not used again
	inode uint64
	dir   bool
	local atomic.Bool // not replicated; changed with names held

	// mu orders what changes data and attributes.
	mu      sync.Mutex
	written bool // since the last Stamp
	synced  syncPoint

	// version counts changes. It is raised with mu held, or, for the names in a
	// directory, after the change was recorded.
	version atomic.Uint64

	// Under table.mu.
	lookups  uint64 // the kernel's references
	children int    // nodes whose parent this is
	opens    int
	more     []called // further names that lead here: the kernel may use any that it knows
	parent   *node    // a directory and a name in it that lead here; nil if none is known
	name     string
	session  uint64 // in which it was introduced to the peer
}

// syncPoint is what was made durable on both sides.
type syncPoint struct {
	version, session uint64
	dataOnly         bool
}

// path names the node to calls that take no descriptor. It leads to the inode itself,
// symbolic links included.
func (n *node) path() string { return fmt.Sprintf("/proc/self/fd/%d", n.fd) }

func (n *node) stat() (st unix.Stat_t, err error) {
	err = unix.Fstatat(n.fd, "", &st, unix.AT_EMPTY_PATH)
	return st, err
}

func (n *node) file() stream.FileID { return stream.FileID(n.id) }

// table holds the nodes.
type table struct {
	mu     sync.Mutex
	dev    uint64
	last   uint64
	ids    map[uint64]*node
	inodes map[uint64]*node
	gone   []*node       // dropped, and the peer may know them
	age    []uint64      // ids, the oldest first; some are gone
	limit  int           // more nodes than that are too many
	full   chan struct{} // signalled when there are
}

func newTable(root int) (*table, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(root, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return nil, err
	}
	n := &node{id: uint64(stream.Root), fd: root, inode: st.Ino, dir: true, lookups: 1}
	return &table{dev: st.Dev, last: n.id, ids: map[uint64]*node{n.id: n}, inodes: map[uint64]*node{n.inode: n}}, nil
}

// get answers the node with an id that the kernel uses.
func (t *table) get(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ids[id]
}

// byInode answers the node of an inode, nil if the kernel knows none.
func (t *table) byInode(inode uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inodes[inode]
}

// enter answers the node of an inode that was found as name in parent (nil for one
// without a name), counts a look-up of it, and takes over fd. A new node is local or not.
func (t *table) enter(fd int, st *unix.Stat_t, parent *node, name string, local bool) (*node, error) {
	if st.Dev != t.dev {
		unix.Close(fd)
		return nil, unix.EXDEV // another file system is mounted there
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.inodes[st.Ino]
	if n != nil {
		unix.Close(fd)
	} else {
		t.last++
		n = &node{id: t.last, fd: fd, inode: st.Ino, dir: isDir(st)}
		n.local.Store(local)
		t.ids[n.id], t.inodes[n.inode] = n, n
		t.aged(n)
	}
	n.lookups++
	t.call(n, parent, name)
	return n, nil
}

// called is a name in a directory.
type called struct {
	parent *node
	name   string
}

// call notes that n is called name in parent, with mu held.
func (t *table) call(n, parent *node, name string) {
	one := called{parent, name}
	if parent == nil || n.id == uint64(stream.Root) || one == (called{n.parent, n.name}) || slices.Contains(n.more, one) {
		return
	}
	parent.children++
	if n.parent == nil {
		n.parent, n.name = parent, name
	} else {
		n.more = append(n.more, one)
	}
}

// named says that inode is now called name in parent.
func (t *table) named(inode uint64, parent *node, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.inodes[inode]; n != nil {
		t.call(n, parent, name)
	}
}

// unnamed says that n is not called name in parent any more.
func (t *table) unnamed(n, parent *node, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := called{parent, name}
	i := slices.Index(n.more, one)
	switch {
	case one != called{n.parent, n.name} && i < 0:
		return
	case i >= 0:
		n.more = slices.Delete(n.more, i, i+1)
	case len(n.more) > 0:
		n.parent, n.name, n.more = n.more[0].parent, n.more[0].name, n.more[1:]
	default:
		n.parent, n.name = nil, ""
	}
	t.leave(parent)
}

// leave takes a child from n, with mu held.
func (t *table) leave(n *node) {
	if n != nil {
		n.children--
		t.drop(n)
	}
}

// drop removes n if nobody refers to it, with mu held.
func (t *table) drop(n *node) {
	if n.lookups > 0 || n.children > 0 || t.ids[n.id] == nil {
		return
	}
	delete(t.ids, n.id)
	delete(t.inodes, n.inode)
	unix.Close(n.fd)
	if n.session != 0 {
		t.gone = append(t.gone, n)
	}
	t.leave(n.parent)
	for _, c := range n.more {
		t.leave(c.parent)
	}
}

// takeGone answers the nodes that were dropped since the last call.
func (t *table) takeGone() []*node {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := t.gone
	t.gone = nil
	return gone
}

// forget takes back count look-ups.
func (t *table) forget(id, count uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.ids[id]; n != nil && id != uint64(stream.Root) {
		n.lookups -= min(count, n.lookups)
		t.drop(n)
	}
}

// introduced says that the peer knows n in this session.
func (t *table) introduced(n *node, session uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.session == session || n.id == uint64(stream.Root)
}

func (t *table) introduce(n *node, session uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.session = session
}

// nameOf is a name that leads to n.
func (t *table) nameOf(n *node) (*node, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.parent, n.name
}

// root is the replicated directory.
func (t *table) root() *node { return t.get(uint64(stream.Root)) }

// relative is where a directory is in the replicated one; ok is false if it was removed.
func (t *table) relative(n *node) (at string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n.id != uint64(stream.Root) {
		if n.parent == nil {
			return "", false
		}
		n, at = n.parent, path.Join(n.name, at)
	}
	return at, true
}

// all are the nodes.
func (t *table) all() []*node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.ids))
}

// withdraw takes back that n was introduced, and answers the session it was in.
func (t *table) withdraw(n *node) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	session := n.session
	n.session = 0
	return session
}

// part takes back that n was introduced, if it is a file that is not open and could be
// introduced again, and answers the session it was in.
func (t *table) part(n *node) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.dir || n.opens > 0 || n.parent == nil {
		return 0
	}
	session := n.session
	n.session = 0
	return session
}

// lasting says that n, of which a name goes away, can still be reached: by another
// name or an open file.
func (t *table) lasting(n *node, links uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.opens > 0 || links > 1
}

// opened counts open files of n, and answers how many there are.
func (t *table) opened(n *node, by int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.opens += by
	return n.opens
}

// close lets go of all nodes.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.ids {
		unix.Close(n.fd)
	}
	t.ids, t.inodes = nil, nil
}
