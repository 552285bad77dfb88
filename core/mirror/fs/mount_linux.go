package fs

import (
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Options of a mount.
type Options struct {
	// Dir is where applications see the files: an empty directory.
	Dir string
	// Backing is the directory that holds them.
	Backing string
	// Log takes what the FUSE library has to say; nil discards nothing and writes to the
	// standard logger.
	Log *log.Logger
}

// Mount is a replicated directory in use.
type Mount struct {
	opts   Options
	fs     *fileSystem
	server *fuse.Server
	dev    uint64
	served chan struct{} // the kernel's requests are answered
	closed chan struct{} // the files are closed
	stop   sync.Once
	err    error
}

// Start mounts o.Backing on o.Dir, after Check, and records to rec what changes there.
func Start(o Options, rec Recorder) (*Mount, error) {
	if err := Check(o.Dir, o.Backing); err != nil {
		return nil, err
	}
	return start(o, rec)
}

func start(o Options, rec Recorder) (*Mount, error) {
	root, err := unix.Open(o.Backing, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Backing, err)
	}
	fs, err := newFileSystem(root, rec)
	if err != nil {
		unix.Close(root)
		return nil, fmt.Errorf("read %s: %w", o.Backing, err)
	}
	flags, err := mountFlags(root)
	var server *fuse.Server
	if err == nil {
		server, err = fuse.NewServer(fs, o.Dir, &fuse.MountOptions{
			FsName: o.Backing, Name: "orchestrator", AllowOther: true, Options: []string{"default_permissions"},
			DirectMountStrict: true, DirectMountFlags: flags,
			MaxWrite: 1 << 20, MaxBackground: 64, EnableAcl: true, ExplicitDataCacheControl: true, EnableSymlinkCaching: true,
			DisableReadDirPlus: true,
			ExtraCapabilities:  fuse.CAP_DONT_MASK | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_SETXATTR_EXT,
			Logger:             o.Log,
		})
	}
	if err != nil {
		fs.table.close()
		return nil, fmt.Errorf("mount %s on %s: %w", o.Backing, o.Dir, err)
	}
	m := &Mount{opts: o, fs: fs, server: server, served: make(chan struct{}), closed: make(chan struct{})}
	go func() {
		defer close(m.served)
		server.Serve()
	}()
	// WaitMount makes the kernel learn that there is no POLL here. It would ask when a
	// process adds a file to an epoll; this one does so without giving up its thread.
	if err = server.WaitMount(); err == nil {
		m.dev, err = deviceOf(o.Dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the new mount: %w", err), m.Stop())
	}
	return m, nil
}

// mountFlags are those of the mount that root lies on, so that the files are as they
// would be without this one.
func mountFlags(root int) (uintptr, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(root, &st); err != nil {
		return 0, err
	}
	flags := uintptr(unix.MS_NOATIME)
	for from, to := range map[int64]uintptr{unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC, unix.ST_RDONLY: unix.MS_RDONLY} {
		if st.Flags&from != 0 {
			flags |= to
		}
	}
	return flags, nil
}

func deviceOf(dir string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(dir, &st)
	return st.Dev, err
}

// Between runs change while no operation is being recorded: to begin another session. It
// waits for those that are, so the Recorder must not hold any until it has run.
func (m *Mount) Between(change func()) {
	m.fs.gate.Lock()
	defer m.fs.gate.Unlock()
	change()
}

// Stop writes what the kernel still has to write, and ends the mount for good: whoever
// has a file open there gets ENOTCONN, and so do copies of the mount in other mount
// namespaces. The applications are to be stopped before, and the Recorder must not hold
// operations.
func (m *Mount) Stop() error {
	m.stop.Do(func() { m.err = errors.Join(m.writeBack(), m.end()) })
	<-m.closed
	return m.err
}

// Abort ends the mount at once, whatever waits. What the kernel has not written is lost,
// as it is when the machine crashes. Operations that the Recorder holds end here
// when it lets go of them; applications do not wait for that.
func (m *Mount) Abort() error {
	m.stop.Do(func() { m.err = m.end() })
	return m.err
}

func (m *Mount) writeBack() error {
	fd, err := unix.Open(m.opts.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Syncfs(fd)
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("write back %s: %w", m.opts.Dir, err)
	}
	return nil
}

func (m *Mount) end() error {
	var errs []error
	if m.dev != 0 {
		errs = append(errs, abort(m.dev))
	}
	if err := unix.Unmount(m.opts.Dir, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
		errs = append(errs, fmt.Errorf("unmount %s: %w", m.opts.Dir, err))
	}
	err := errors.Join(errs...)
	if err != nil {
		close(m.closed) // it goes on
		return err
	}
	go func() {
		<-m.served
		m.fs.handles.close()
		m.fs.table.close()
		close(m.closed)
	}()
	return nil
}

// abort cuts the connection between the kernel and the daemon. An unmount alone ends
// nothing while another mount namespace has a copy of the mount. The control file
// system is mounted for it nowhere (fsmount(2)), so that it need not be mounted anywhere.
func abort(dev uint64) error {
	control, err := controlFileSystem()
	if err != nil {
		return fmt.Errorf("abort the mount: open the FUSE control file system: %w", err)
	}
	defer unix.Close(control)
	fd, err := unix.Openat(control, fmt.Sprintf("%d/abort", unix.Minor(dev)), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil // it has ended
	}
	if err == nil {
		_, err = unix.Write(fd, []byte("1"))
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("abort the mount: %w", err)
	}
	return nil
}

func controlFileSystem() (int, error) {
	fd, err := unix.Fsopen("fusectl", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	if err := unix.FsconfigCreate(fd); err != nil {
		return -1, err
	}
	return unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
}

func (h *handles) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.open {
		unix.Close(x.fd)
	}
	clear(h.open)
}
