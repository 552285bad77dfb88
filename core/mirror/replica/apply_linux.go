package replica

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// Apply carries out an operation. It never follows a symbolic link.
func (r *Replica) Apply(op stream.Op) error {
	switch op.Kind {
	case stream.Forget:
		if _, err := r.file(op.File); err != nil {
			return err
		}
		r.forget(op.File)
		return nil
	case stream.Bind, stream.Create, stream.Symlink, stream.Tmpfile, stream.Link, stream.Unlink, stream.Rmdir, stream.Rename:
		return r.name(op)
	case stream.Write, stream.SetAttr, stream.SetXattr, stream.RemoveXattr, stream.Fallocate, stream.Stamp:
		return r.change(op)
	}
	return fmt.Errorf("%s cannot be applied", op.Kind)
}

// name carries out what changes directories.
func (r *Replica) name(op stream.Op) error {
	parent, err := r.file(op.Parent)
	if err != nil {
		return err
	}
	at := parent.fd
	switch op.Kind {
	case stream.Unlink:
		return unix.Unlinkat(at, op.Name, 0)
	case stream.Rmdir:
		return r.emptied(at, op.Name, func() error { return unix.Unlinkat(at, op.Name, unix.AT_REMOVEDIR) })
	case stream.Rename:
		to, err := r.file(op.NewParent)
		if err != nil {
			return err
		}
		return r.emptied(to.fd, op.NewName, func() error { return unix.Renameat2(at, op.Name, to.fd, op.NewName, uint(op.Flags)) })
	case stream.Link:
		f, err := r.file(op.File)
		if err != nil {
			return err
		}
		return unix.Linkat(f.fd, "", at, op.Name, unix.AT_EMPTY_PATH)
	case stream.Tmpfile:
		return r.tmpfile(at, op)
	case stream.Create:
		err = create(at, op)
	case stream.Symlink:
		err = unix.Symlinkat(string(op.Data), at, op.Name)
	}
	if err != nil {
		return err
	}
	fd, err := unix.Openat(at, op.Name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if op.Kind != stream.Bind {
		err = own(fd, op)
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	return r.introduce(op.File, fd)
}

func create(at int, op stream.Op) error {
	if op.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.Mkdirat(at, op.Name, op.Mode&0o7777)
	}
	return unix.Mknodat(at, op.Name, op.Mode, int(op.Rdev))
}

func (r *Replica) tmpfile(at int, op stream.Op) error {
	data, err := unix.Openat(at, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, op.Mode&0o7777)
	if err != nil {
		return err
	}
	defer unix.Close(data)
	fd, err := unix.Open(path(data), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := own(fd, op); err != nil {
		unix.Close(fd)
		return err
	}
	return r.introduce(op.File, fd)
}

// own gives a new file its owner, mode and time, which are final: whatever the umask here
// and the directory made of them.
func own(fd int, op stream.Op) error {
	if err := unix.Fchownat(fd, "", int(op.UID), int(op.GID), unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if op.Kind != stream.Symlink {
		if err := unix.Chmod(path(fd), op.Mode&0o7777); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(op.Mtime)}, unix.AT_EMPTY_PATH)
}

// change carries out what changes a file.
func (r *Replica) change(op stream.Op) error {
	f, err := r.file(op.File)
	if err != nil {
		return err
	}
	switch op.Kind {
	case stream.Write:
		if err := f.write(op.Data, op.Offset); err != nil {
			return err
		}
		r.writeBehind(f, op.Offset, len(op.Data))
		return nil
	case stream.Fallocate:
		fd, err := f.writable()
		if err != nil {
			return err
		}
		return unix.Fallocate(fd, op.Flags, op.Offset, op.Size)
	case stream.SetXattr:
		return unix.Setxattr(path(f.fd), op.Name, op.Data, int(op.Flags))
	case stream.RemoveXattr:
		return unix.Removexattr(path(f.fd), op.Name)
	case stream.Stamp:
		op.Flags = stream.AttrAtime | stream.AttrMtime
	}
	return f.set(op)
}

// piece is what the file system takes as one piece of its cache at most: in larger ones later small
// writes are slow (ext4 on Linux 6.18 looks at each block of the piece).
const piece = 256 << 10

func (f *file) write(data []byte, at int64) error {
	fd, err := f.writable()
	for err == nil && len(data) > 0 {
		var n int
		n, err = unix.Pwrite(fd, data[:min(len(data), piece)], at)
		if err == unix.EINTR {
			err = nil
			continue
		}
		n = max(n, 0)
		data, at = data[n:], at+int64(n)
	}
	return err
}

// set changes attributes. The owner goes first, as changing it clears mode bits.
func (f *file) set(op stream.Op) error {
	if op.Flags&(stream.AttrUID|stream.AttrGID) != 0 {
		uid, gid := -1, -1
		if op.Flags&stream.AttrUID != 0 {
			uid = int(op.UID)
		}
		if op.Flags&stream.AttrGID != 0 {
			gid = int(op.GID)
		}
		if err := unix.Fchownat(f.fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if op.Flags&stream.AttrMode != 0 {
		if err := unix.Chmod(path(f.fd), op.Mode&0o7777); err != nil {
			return err
		}
	}
	if op.Flags&stream.AttrSize != 0 {
		if err := unix.Truncate(path(f.fd), op.Size); err != nil {
			return err
		}
	}
	if op.Flags&(stream.AttrAtime|stream.AttrMtime) == 0 {
		return nil
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if op.Flags&stream.AttrAtime != 0 {
		times[0] = unix.NsecToTimespec(op.Atime)
	}
	if op.Flags&stream.AttrMtime != 0 {
		times[1] = unix.NsecToTimespec(op.Mtime)
	}
	return unix.UtimesNanoAt(f.fd, "", times, unix.AT_EMPTY_PATH)
}
