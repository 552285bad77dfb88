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
	h := f.handles.get(in.Fh)
	l := &h.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != in.Offset || in.Offset == 0 {
		if _, err := unix.Seek(h.fd, int64(in.Offset), unix.SEEK_SET); err != nil {
			return status(err)
		}
		l.rest, l.next = nil, in.Offset
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
		if !out.AddDirEntry(e) {
			return fuse.OK
		}
		l.rest, l.next = l.rest[size:], e.Off
	}
}

// ReleaseDir closes a directory.
func (f *fileSystem) ReleaseDir(in *fuse.ReleaseIn) { unix.Close(f.handles.remove(in.Fh).fd) }
