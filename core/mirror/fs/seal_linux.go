package fs

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
)

// Seal is how a directory was left: its inode, and the time of its last change, which is
// later than that of everything in it. Whoever changes a file afterwards gives it a later
// one, as the kernel alone sets it (ctime); and a directory that was replaced, or a disk
// that was set back to an older state, does not have this one.
//
// Not seen: changes made while the clock was behind the seal, and those past the file
// system (to the block device, by debugfs).
type Seal struct {
	Inode   uint64 `json:"inode"`
	Changed int64  `json:"changed"` // nanoseconds since 1970
}

// seal changes the root's ctime, and nothing else, when nothing changes any more.
func seal(root int) (Seal, error) {
	if err := nextTick(); err != nil {
		return Seal{}, err
	}
	n := node{fd: root}
	st, err := n.stat()
	if err == nil {
		err = unix.Chmod(n.path(), st.Mode&permissions)
	}
	if err == nil {
		st, err = n.stat()
	}
	if err != nil {
		return Seal{}, fmt.Errorf("seal the directory: %w", err)
	}
	return Seal{st.Ino, st.Ctim.Nano()}, nil
}

// nextTick waits until the clock that files' times are taken from has gone on, which it
// does every few milliseconds.
func nextTick() error {
	var begin, now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &begin); err != nil {
		return err
	}
	for now = begin; now == begin; time.Sleep(time.Millisecond) {
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
			return err
		}
	}
	return nil
}

// ErrReplaced says that a directory is not the one that was sealed.
var ErrReplaced = errors.New("the directory was replaced, or set back to an older state, while it was not mounted")

// Changed looks for what was changed in backing since it was sealed, apart from what is
// local, and gives each file's name and inode to report. It reads all inodes there.
func Changed(backing string, since Seal, rules *exclude.Rules, report func(name string, inode uint64)) error {
	fd, err := unix.Open(backing, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", backing, err)
	}
	defer unix.Close(fd)
	st, err := (&node{fd: fd}).stat()
	if err != nil {
		return err
	}
	if st.Ino != since.Inode || st.Ctim.Nano() < since.Changed {
		return fmt.Errorf("%s: %w", backing, ErrReplaced)
	}
	if st.Ctim.Nano() != since.Changed {
		report("", st.Ino)
	}
	return walk(fd, "", func(name string, st *unix.Stat_t) (bool, error) {
		if rules.Local(name, isDir(st)) {
			return false, nil
		}
		if st.Ctim.Nano() >= since.Changed {
			report(filepath.Clean(name), st.Ino)
		}
		return true, nil
	})
}
