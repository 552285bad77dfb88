package fs

import (
	"errors"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/writebehind"
)

// handle is an open file or directory.
type handle struct {
	fd     int
	node   *node
	writes bool // opened for writing
	list   listing
	run    writebehind.Run // with node.mu held
	behind sync.WaitGroup  // who uses fd besides requests
}

// writeBehind has the disk begin with what a write completes, with node.mu held.
func (h *handle) writeBehind(at int64, size int) {
	if begin, length := h.run.Wrote(at, size); length > 0 {
		h.behind.Go(func() { writebehind.Begin(h.fd, begin, length) })
	}
}

// handles are the open ones by the number that the kernel uses.
type handles struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]*handle
}

func (h *handles) add(x *handle) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	h.open[h.last] = x
	return h.last
}

func (h *handles) get(id uint64) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[id]
}

func (h *handles) remove(id uint64) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.open[id]
	delete(h.open, id)
	return x
}

// notHere are flags that the kernel or this package acts upon: it computes where an
// append goes, truncates by SetAttr, and the buffers here are not aligned for direct
// input and output.
const notHere = unix.O_APPEND | unix.O_TRUNC | unix.O_DIRECT | unix.O_SYNC | unix.O_DSYNC | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_NOCTTY

// Open opens a file.
func (f *fileSystem) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return f.open(f.table.get(in.NodeId), in.Flags, out)
}

func (f *fileSystem) open(n *node, flags uint32, out *fuse.OpenOut) fuse.Status {
	if f.writeBack && flags&unix.O_ACCMODE == unix.O_WRONLY {
		flags = flags&^unix.O_ACCMODE | unix.O_RDWR // to write part of a page, the kernel reads it
	}
	fd, err := unix.Open(n.path(), int(flags&^notHere)|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return status(err)
	}
	writes := flags&unix.O_ACCMODE != unix.O_RDONLY
	f.table.opened(n, 1)
	out.Fh = f.handles.add(&handle{fd: fd, node: n, writes: writes})
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	if !writes {
		out.OpenFlags |= fuse.FOPEN_NOFLUSH
	}
	return fuse.OK
}

// Read reads from a file.
func (f *fileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	return fuse.ReadResultFd(uintptr(f.handles.get(in.Fh).fd), int64(in.Offset), len(buf)), fuse.OK
}

// part is how much of a write is recorded and written at once: what the processor's cache still
// holds when it is read again, and what the backing file system takes as one piece of its own
// cache. It would take all of a large write as one, in which later small ones are slow (ext4 on
// Linux 6.18 looks at each block of the piece). The peer begins with one while the next is written.
const part = 256 << 10

// Write writes to a file: the peer's copy goes on its way first.
func (f *fileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (written uint32, _ fuse.Status) {
	h := f.handles.get(in.Fh)
	err := f.change(h.node, func() (Receipt, error) {
		var receipt Receipt = nothing{}
		for p := range slices.Chunk(data, part) {
			at := int64(in.Offset) + int64(written)
			next, err := f.record(h.node, stream.Op{Kind: stream.Write, File: h.node.file(), Offset: at, Data: p})
			if err != nil {
				return nil, err
			}
			receipt = next
			n, err := f.put(h, p, at)
			if written += uint32(n); written == 0 {
				return nil, err
			}
			if err != nil {
				break // a short count tells the application
			}
		}
		if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
			if changed, failed := clearSUID(h.node); failed != nil {
				return nil, failed
			} else if changed != 0 {
				return f.recordAttr(h.node, changed)
			}
		}
		return receipt, nil
	})
	if err == nil && in.Flags&unix.O_DSYNC != 0 {
		err = f.sync(h.node, h.fd, boolBit(in.Flags&unix.O_SYNC != unix.O_SYNC))
	}
	if err != nil {
		return 0, status(err)
	}
	return written, fuse.OK
}

// put writes what was recorded.
func (f *fileSystem) put(h *handle, data []byte, at int64) (int, error) {
	h.node.written = true
	n, err := writeAll(h.fd, data, at)
	h.writeBehind(at, n)
	if err != nil {
		f.repair(h.node, at, len(data))
	}
	return n, err
}

func writeAll(fd int, data []byte, at int64) (int, error) {
	done := 0
	for done < len(data) {
		n, err := unix.Pwrite(fd, data[done:], at+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// repair tells the peer what this file holds where a write failed that it was told of.
func (f *fileSystem) repair(n *node, at int64, size int) {
	fail := func(err error) { f.diverged(n, err) }
	st, err := n.stat()
	if err != nil {
		fail(err)
		return
	}
	fd, err := unix.Open(n.path(), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		fail(err)
		return
	}
	defer unix.Close(fd)
	data := make([]byte, max(0, min(int64(size), st.Size-at)))
	for got := 0; got < len(data); {
		k, err := unix.Pread(fd, data[got:], at+int64(got))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			fail(err)
			return
		}
		got += k
	}
	if len(data) > 0 {
		if _, err := f.record(n, stream.Op{Kind: stream.Write, File: n.file(), Offset: at, Data: data}); err != nil {
			fail(err)
		}
	}
	if len(data) < size {
		if _, err := f.recordAttr(n, stream.AttrSize); err != nil {
			fail(err)
		}
	}
}

// stamp records n's times, if it was written to, and says whether somebody waits for that. The receipt is
// nothing's otherwise.
func (f *fileSystem) stamp(n *node, waited bool) (Receipt, error) {
	if !n.written {
		return nothing{}, nil
	}
	st, err := n.stat()
	if err != nil {
		return nil, err
	}
	n.written = false
	return f.record(n, stream.Op{Kind: stream.Stamp, File: n.file(), Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(), Unwaited: !waited})
}

// Flush ends a close(2), which waits until the peer has what was written.
func (f *fileSystem) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	n := f.handles.get(in.Fh).node
	return status(f.change(n, func() (Receipt, error) { return f.stamp(n, true) }))
}

// Release closes a file that nobody uses any more.
func (f *fileSystem) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	h := f.handles.remove(in.Fh)
	f.gate.RLock()
	defer f.gate.RUnlock()
	if h.writes { // pages of a mapping may have come after Flush
		h.node.mu.Lock()
		_, _ = f.stamp(h.node, false)
		h.node.mu.Unlock()
	}
	h.behind.Wait()
	if h.writes {
		f.closing.close(h.fd)
	} else {
		unix.Close(h.fd)
	}
	if f.table.opened(h.node, -1) == 0 {
		f.part(h.node)
	}
}

// Fsync makes a file durable here and, as the mode asks, at the peer.
func (f *fileSystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	h := f.handles.get(in.Fh)
	return status(f.sync(h.node, h.fd, in.FsyncFlags&1))
}

// FsyncDir makes the names in a directory durable.
func (f *fileSystem) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	h := f.handles.get(in.Fh)
	return status(f.sync(h.node, h.fd, in.FsyncFlags&1))
}

// sync syncs on both sides at the same time. What is durable already is not synced
// again: newer kernels ask for a sync after each synchronous write, which Write has done.
func (f *fileSystem) sync(n *node, fd int, dataOnly uint32) error {
	f.gate.RLock()
	n.mu.Lock()
	point := syncPoint{n.version.Load(), f.rec.Session(), dataOnly != 0}
	durable := n.synced == point || n.synced == syncPoint{point.version, point.session, false}
	var receipt Receipt
	_, err := f.stamp(n, false) // the sync is waited for
	if err == nil && !durable {
		receipt, err = f.record(n, stream.Op{Kind: stream.Fsync, File: n.file(), Flags: dataOnly})
	}
	n.mu.Unlock()
	f.gate.RUnlock()
	if err != nil || durable {
		return err
	}
	if p, ok := receipt.(interface{ Push() }); ok {
		p.Push()
	}
	local := syncFile(fd, dataOnly)
	if local != nil {
		f.diverged(n, local)
	}
	if err := receipt.Wait(); err != nil || local != nil {
		return errors.Join(err, local)
	}
	n.mu.Lock()
	n.synced = point
	n.mu.Unlock()
	return nil
}

func boolBit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func syncFile(fd int, dataOnly uint32) error {
	if dataOnly != 0 {
		return unix.Fdatasync(fd)
	}
	return unix.Fsync(fd)
}

// Fallocate reserves or frees space.
func (f *fileSystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	h := f.handles.get(in.Fh)
	return status(f.change(h.node, func() (Receipt, error) {
		switch err := unix.Fallocate(h.fd, in.Mode, int64(in.Offset), int64(in.Length)); err {
		case nil:
		case unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EINTR: // a part of it may be done
			h.node.written = true
			if in.Mode&^unix.FALLOC_FL_KEEP_SIZE != 0 {
				f.diverged(h.node, err)
			} else if _, failed := f.recordAttr(h.node, stream.AttrSize); failed != nil {
				return nil, failed
			}
			return nil, err
		default:
			return nil, err
		}
		h.node.written = true
		return f.record(h.node, stream.Op{Kind: stream.Fallocate, File: h.node.file(), Flags: in.Mode, Offset: int64(in.Offset), Size: int64(in.Length)})
	}))
}

// Lseek finds data and holes.
func (f *fileSystem) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	if f.writeBack {
		return fuse.ENOSYS // only the kernel knows where data is; all is, then
	}
	at, err := syscall.Seek(f.handles.get(in.Fh).fd, int64(in.Offset), int(in.Whence))
	out.Offset = uint64(at)
	return status(err)
}
