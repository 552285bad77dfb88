package replica

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/writebehind"
)

// Replica is a directory to which operations are applied. It is a
// stream.FileSystem, for one session: ids mean nothing in another.
type Replica struct {
	mu     sync.Mutex              // files' use counts, and changes of the map
	files  map[stream.FileID]*file // otherwise the applying goroutine's own
	local  atomic.Bool             // see KeepLocal
	behind sync.WaitGroup          // see writeBehind
}

// ErrUnknown is the answer to an operation on a file that was never introduced.
var ErrUnknown = errors.New("it was never introduced")

// file is one that was introduced.
type file struct {
	fd   int // O_PATH
	data int // open for reading and writing, or -1
	uses int // the table, and syncs that run
	run  writebehind.Run
}

// Open takes dirs, which must exist, as the copies of a session's folders.
func Open(dirs ...string) (*Replica, error) {
	r := &Replica{files: map[stream.FileID]*file{}}
	for k, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("open the copy in %s: %w", dir, err)
		}
		r.files[stream.RootOf(k)] = &file{fd: fd, data: -1, uses: 1}
	}
	return r, nil
}

// Close lets go of all files. The session has ended.
func (r *Replica) Close() {
	r.behind.Wait()
	for id := range r.files {
		r.forget(id)
	}
}

// Files is how many files are held open.
func (r *Replica) Files() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.files)
}

func (r *Replica) file(id stream.FileID) (*file, error) {
	f := r.files[id]
	if f == nil {
		return nil, fmt.Errorf("file %d: %w", id, ErrUnknown)
	}
	return f, nil
}

// introduce takes fd as file id.
func (r *Replica) introduce(id stream.FileID, fd int) error {
	if r.files[id] != nil {
		unix.Close(fd)
		return fmt.Errorf("file %d was introduced before", id)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[id] = &file{fd: fd, data: -1, uses: 1}
	return nil
}

func (r *Replica) forget(id stream.FileID) {
	r.mu.Lock()
	f := r.files[id]
	delete(r.files, id)
	r.mu.Unlock()
	r.release(f)
}

func (r *Replica) release(f *file) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.uses--; f.uses > 0 {
		return
	}
	unix.Close(f.fd)
	if f.data >= 0 {
		unix.Close(f.data)
	}
}

// path names the file of an O_PATH descriptor to calls that take no descriptor.
func path(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// Use answers an O_PATH descriptor of a file that was introduced, which stays open until
// done is called, whatever is forgotten meanwhile. It is called in the order of the
// operations, as Apply is.
func (r *Replica) Use(id stream.FileID) (fd int, done func(), err error) {
	f, err := r.file(id)
	if err != nil {
		return -1, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f.uses++
	return f.fd, func() { r.release(f) }, nil
}

// writable is a descriptor of f for data.
func (f *file) writable() (int, error) {
	if f.data < 0 {
		fd, err := unix.Open(path(f.fd), unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOATIME, 0)
		if err != nil {
			return -1, err
		}
		f.data = fd
	}
	return f.data, nil
}

// writeBehind has the disk begin with what a write to f completes.
func (r *Replica) writeBehind(f *file, at int64, size int) {
	begin, length := f.run.Wrote(at, size)
	if length == 0 {
		return
	}
	r.mu.Lock()
	f.uses++
	r.mu.Unlock()
	r.behind.Go(func() {
		defer r.release(f)
		writebehind.Begin(f.data, begin, length)
	})
}

// Commit answers the function that makes op's File durable.
func (r *Replica) Commit(op stream.Op) (func() error, error) {
	f, err := r.file(op.File)
	if err != nil {
		return nil, err
	}
	fd, opened := f.data, false
	if fd < 0 { // nothing was written in this session, or it is a directory
		fd, err = unix.Open(path(f.fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		opened = true
	}
	r.mu.Lock()
	f.uses++
	r.mu.Unlock()
	return func() error {
		defer r.release(f)
		if opened {
			defer unix.Close(fd)
		}
		if op.Flags&1 != 0 {
			return unix.Fdatasync(fd)
		}
		return unix.Fsync(fd)
	}, nil
}
