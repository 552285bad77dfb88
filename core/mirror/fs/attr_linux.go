package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// change runs do, which changes n's attributes or data, with n's lock, and waits for what it
// recorded.
func (f *fileSystem) change(n *node, do func() (Receipt, error)) error {
	f.gate.RLock()
	n.mu.Lock()
	n.version.Add(1)
	receipt, err := do()
	n.mu.Unlock()
	f.gate.RUnlock()
	if err != nil {
		return err
	}
	return receipt.Wait()
}

// SetAttr changes mode, owner, size or times.
func (f *fileSystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.table.get(in.NodeId)
	err := f.change(n, func() (Receipt, error) {
		done, err := setattr(n, in)
		if done == 0 {
			return nothing{}, err
		}
		receipt, failed := f.recordAttr(n, done)
		if err == nil {
			err = failed
		}
		return receipt, err
	})
	if err != nil {
		return status(err)
	}
	return f.attributes(n, out)
}

// recordAttr records what n's attributes are now, of those that changed.
func (f *fileSystem) recordAttr(n *node, changed uint32) (Receipt, error) {
	st, err := n.stat()
	if err != nil {
		f.diverged(n, err)
		return nothing{}, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		changed &^= stream.AttrMode // a symbolic link has none
	}
	return f.record(n, stream.Op{
		Kind: stream.SetAttr, File: n.file(), Flags: changed, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Size: st.Size,
		Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(),
	})
}

// setattr answers which attributes it has changed, also with an error.
func setattr(n *node, in *fuse.SetAttrIn) (changed uint32, err error) {
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		uid, gid := -1, -1
		if v, ok := in.GetUID(); ok {
			uid = int(v)
			changed |= stream.AttrUID
		}
		if v, ok := in.GetGID(); ok {
			gid = int(v)
			changed |= stream.AttrGID
		}
		if err := unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return 0, err
		}
		changed |= stream.AttrMode // some bits are cleared
	}
	if in.Valid&fuse.FATTR_MODE != 0 {
		if err := unix.Chmod(n.path(), in.Mode&permissions); err != nil {
			return changed, err
		}
		changed |= stream.AttrMode
	}
	if in.Valid&fuse.FATTR_SIZE != 0 {
		changed |= stream.AttrSize | stream.AttrMtime // also if it is done in part
		if err := unix.Truncate(n.path(), int64(in.Size)); err != nil {
			return changed, err
		}
	}
	if in.Valid&fuse.FATTR_KILL_SUIDGID != 0 {
		cleared, err := clearSUID(n)
		if err != nil {
			return changed, err
		}
		changed |= cleared
	}
	times, which := timesOf(in)
	if which != 0 {
		if err := unix.UtimesNanoAt(n.fd, "", times, unix.AT_EMPTY_PATH); err != nil {
			return changed, err
		}
	}
	return changed | which, nil
}

func timesOf(in *fuse.SetAttrIn) (times []unix.Timespec, which uint32) {
	one := func(set, now uint32, sec uint64, nsec, attr uint32) {
		switch {
		case in.Valid&now != 0:
			times = append(times, unix.Timespec{Nsec: unix.UTIME_NOW})
			which |= attr
		case in.Valid&set != 0:
			times = append(times, unix.Timespec{Sec: int64(sec), Nsec: int64(nsec)})
			which |= attr
		default:
			times = append(times, unix.Timespec{Nsec: unix.UTIME_OMIT})
		}
	}
	one(fuse.FATTR_ATIME, fuse.FATTR_ATIME_NOW, in.Atime, in.Atimensec, stream.AttrAtime)
	one(fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW, in.Mtime, in.Mtimensec, stream.AttrMtime)
	return times, which
}

// clearSUID clears set-user-ID, and set-group-ID of a file that its group may execute:
// the kernel asks for it when one who may not keep them changes the data. It answers
// what it changed.
func clearSUID(n *node) (uint32, error) {
	st, err := n.stat()
	if err != nil {
		return 0, err
	}
	mode := st.Mode &^ unix.S_ISUID
	if mode&unix.S_IXGRP != 0 {
		mode &^= unix.S_ISGID
	}
	if mode == st.Mode || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, nil
	}
	return stream.AttrMode, unix.Chmod(n.path(), mode&permissions)
}
