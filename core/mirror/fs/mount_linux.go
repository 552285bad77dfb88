package fs

import (
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
)

// Options of a mount.
type Options struct {
	// Dir is where applications see the files: an empty directory.
	Dir string
	// Backing is the directory that holds them.
	Backing string
	// Rules say what in it is not replicated; nil: all is.
	Rules *exclude.Rules
	// MustHave are paths in it without which it is not mounted: that they are missing tells of
	// a disk that is, or of the wrong directory.
	MustHave []string
	// Since is how the directory was left, if that is known: what was changed since is
	// reported as diverged, and to Alarm.
	Since *Seal
	// Alarm is told of changes past the mount; nil: they are not looked for.
	Alarm func(Bypass)
	// WriteBack lets the kernel gather writes before they come here, until close(2), fsync(2)
	// or a second: see DESIGN.md for what that means.
	WriteBack bool
	// Files is how many files the kernel may know, each of which needs a descriptor here;
	// 100,000 unless set, and no more than half of the limit on open files.
	Files int
	// Log takes what the FUSE library has to say; nil discards nothing and writes to the
	// standard logger.
	Log *log.Logger
}

// Mount is a replicated directory in use.
type Mount struct {
	opts       Options
	fs         *fileSystem
	server     *fuse.Server
	dev        uint64
	undo       func() error // uncovers the backing directory
	alarm      *alarm
	pruner     *pruner
	seal       Seal
	served     chan struct{} // the kernel's requests are answered
	collecting sync.WaitGroup
	closed     chan struct{} // the files are closed
	stop       sync.Once
	err        error
	last       error // of what is done when all requests are answered
}

// Start mounts o.Backing on o.Dir if nothing speaks against it, and records to rec what changes there.
func Start(o Options, rec Recorder) (*Mount, error) {
	if err := ClearLeftovers(o.Dir, o.Backing); err != nil {
		return nil, err
	}
	if err := errors.Join(checkPlaces(o.Dir, o.Backing), CheckPresent(o.Backing, o.MustHave)); err != nil {
		return nil, err
	}
	return start(o, rec)
}

func start(o Options, rec Recorder) (*Mount, error) {
	root, undo, err := front(o.Backing)
	if err != nil {
		return nil, err
	}
	m := &Mount{opts: o, undo: undo, served: make(chan struct{}), closed: make(chan struct{})}
	if err := m.prepare(root, rec); err != nil {
		unix.Close(root)
		return nil, errors.Join(fmt.Errorf("read %s: %w", o.Backing, err), undo())
	}
	flags, err := mountFlags(root)
	limit := 0
	if err == nil {
		limit, err = filesWithin(o.Files)
	}
	if err == nil {
		m.server, err = fuse.NewServer(m.fs, o.Dir, &fuse.MountOptions{
			FsName: o.Backing, Name: subtype, AllowOther: true, Options: []string{"default_permissions"},
			DirectMountStrict: true, DirectMountFlags: flags,
			MaxWrite: 1 << 20, MaxBackground: 64, EnableAcl: true, ExplicitDataCacheControl: true, EnableSymlinkCaching: true,
			ExtraCapabilities: capabilities(o),
			Logger:            o.Log,
		})
	}
	if err != nil {
		m.fs.table.close()
		return nil, errors.Join(fmt.Errorf("mount %s on %s: %w", o.Backing, o.Dir, err), undo())
	}
	go func() {
		defer close(m.served)
		m.server.Serve()
	}()
	m.watch(root)
	m.pruner = newPruner(m.fs.table, limit, m.server)
	server := m.server
	// WaitMount makes the kernel learn that there is no POLL here. It would ask when a
	// process adds a file to an epoll; this one does so without giving up its thread.
	if err = server.WaitMount(); err == nil {
		m.dev, err = deviceOf(o.Dir)
	}
	if err == nil && o.WriteBack {
		m.allowGathering()
		m.collecting.Go(m.collect)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the new mount: %w", err), m.Stop())
	}
	return m, nil
}

func capabilities(o Options) uint64 {
	c := uint64(fuse.CAP_DONT_MASK | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_SETXATTR_EXT)
	if o.WriteBack {
		c |= fuse.CAP_WRITEBACK_CACHE
	}
	return c
}

// subtype is how mounts are known in the table of mounts: fuse.orchestrator.
const subtype = "orchestrator"

// prepare looks at the backing directory before anybody can change something in it.
func (m *Mount) prepare(root int, rec Recorder) (err error) {
	if err = checkLinks(root, m.opts.Rules); err != nil {
		return err
	}
	if m.opts.Since != nil {
		if err = m.changedSince(*m.opts.Since, rec); err != nil {
			return err
		}
	}
	if m.fs, err = newFileSystem(root, m.opts.Rules, rec); err == nil {
		m.fs.writeBack = m.opts.WriteBack
	}
	return err
}

// changedSince reports what was changed while nothing was mounted.
func (m *Mount) changedSince(s Seal, rec Recorder) error {
	return Changed(m.opts.Backing, s, m.opts.Rules, func(name string, inode uint64) {
		rec.Diverged(inode, errEdited)
		if m.opts.Alarm != nil {
			m.opts.Alarm(Bypass{Path: name, What: "changed, while it was not mounted,"})
		}
	})
}

var errEdited = errors.New("it was changed past the mount")

// watch looks for changes past the mount from now on.
func (m *Mount) watch(root int) {
	if m.opts.Alarm == nil {
		return
	}
	var err error
	if m.alarm, err = newAlarm(root, m.bypassed); err != nil {
		m.opts.Alarm(Bypass{Blind: err})
	}
}

// bypassed lets the peer and the kernel have what somebody has made of a file past the
// mount, and tells of it.
func (m *Mount) bypassed(b bypass) {
	f := m.fs
	var dir, file unix.Stat_t
	if b.Blind == nil {
		missing := unix.Fstatat(b.dir, b.name, &file, unix.AT_SYMLINK_NOFOLLOW) != nil
		f.names.RLock()
		local := f.rules.Local(b.Path, !missing && isDir(&file))
		f.names.RUnlock()
		if local {
			return
		}
		if unix.Fstatat(b.dir, "", &dir, unix.AT_EMPTY_PATH) == nil {
			f.rec.Diverged(dir.Ino, errEdited)
			if n := f.table.byInode(dir.Ino); n != nil {
				m.server.EntryNotify(n.id, b.name)
			}
		}
		if !missing {
			f.rec.Diverged(file.Ino, errEdited)
			if n := f.table.byInode(file.Ino); n != nil {
				m.server.InodeNotify(n.id, 0, 0)
			}
		}
	}
	m.opts.Alarm(b.Bypass)
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
	return errors.Join(m.err, m.last)
}

// Seal is how a Stop without an error left the directory, for Options.Since.
func (m *Mount) Seal() Seal { return m.seal }

// Abort ends the mount at once, whatever waits. What the kernel has not written is lost,
// as it is when the machine crashes. Operations that the Recorder holds end here
// when it lets go of them; applications do not wait for that.
func (m *Mount) Abort() error {
	m.stop.Do(func() { m.err = m.end() })
	return m.err
}

func (m *Mount) end() error {
	var errs []error
	select {
	case <-m.served: // by itself, as after an umount: the number is another mount's by now, perhaps
	default:
		if m.dev != 0 {
			errs = append(errs, abort(m.dev))
		}
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
		m.collecting.Wait()
		m.alarm.close()
		m.pruner.close()
		m.seal, m.last = seal(m.fs.table.root().fd)
		m.last = errors.Join(m.last, m.undo())
		m.fs.closing.drain()
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
		x.behind.Wait()
		unix.Close(x.fd)
	}
	clear(h.open)
}
