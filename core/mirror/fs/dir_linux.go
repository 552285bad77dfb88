package fs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// listing is where an open directory is being read. Positions are the backing file
// system's own, so that seeking works.
type listing struct {
	mu   sync.Mutex
	buf  []byte
	rest []byte // of buf, not handed out
	next uint64 // position of rest
}

// OpenDir opens a directory.
func (f *fileSystem) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := f.table.get(in.NodeId)
	fd, err := unix.Open(n.path(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return status(err)
	}
	out.Fh = f.handles.add(&handle{fd: fd, node: n})
	return fuse.OK
}

// ReadDir lists a directory from a position on.
func (f *fileSystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.handles.get(in.Fh).each(in.Offset, func(e fuse.DirEntry) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus lists a directory, and looks up what is in it. The kernel asks for that when
// somebody looks up what he has listed.
func (f *fileSystem) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h := f.handles.get(in.Fh)
	f.names.RLock()
	defer f.names.RUnlock()
	return h.each(in.Offset, func(e fuse.DirEntry) bool {
		found := out.AddDirLookupEntry(e)
		if found != nil && e.Name != "." && e.Name != ".." && f.find(h.node, e.Name, found) != nil {
			found.NodeId = 0 // it went away, or cannot be looked at: whoever looks it up is told
		}
		return found != nil
	})
}

// each gives the entries from a position on to add, until that says no.
func (h *handle) each(from uint64, add func(fuse.DirEntry) bool) fuse.Status {
	l := &h.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != from || from == 0 {
		if _, err := unix.Seek(h.fd, int64(from), unix.SEEK_SET); err != nil {
			return status(err)
		}
		l.rest, l.next = nil, from
	}
	for {
		if len(l.rest) == 0 {
			if l.buf == nil {
				l.buf = make([]byte, 32<<10)
			}
			n, err := unix.Getdents(h.fd, l.buf)
			if err != nil || n == 0 {
				return status(err)
			}
			l.rest = l.buf[:n]
		}
		var e fuse.DirEntry
		size := e.Parse(l.rest)
		if !add(e) {
			return fuse.OK
		}
		l.rest, l.next = l.rest[size:], e.Off
	}
}

// ReleaseDir closes a directory.
func (f *fileSystem) ReleaseDir(in *fuse.ReleaseIn) { unix.Close(f.handles.remove(in.Fh).fd) }
