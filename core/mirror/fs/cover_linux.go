package fs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The backing directory is used through a mount of its own that has no path, and what is
// seen under its path is covered by a read-only mount of it, so that whoever tries to
// change something past the mount gets EROFS. What can still reach it: files that were
// open before (checkBusy looks for them), other mounts of the same file system, and other
// mount namespaces that do not take part in this one's mounts. The alarm sees those.

// openBacking opens a directory through a mount that has no path.
func openBacking(dir string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	return fd, nil
}

// uncover ends what is mounted on a directory.
func uncover(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && err != unix.EINVAL { // somebody else did it
		return fmt.Errorf("uncover %s: %w", dir, err)
	}
	return nil
}

// front opens backing for the mount, and closes it to all others. undo takes that back.
func front(backing string) (root int, undo func() error, err error) {
	root, err = openBacking(backing)
	if err != nil {
		return -1, nil, err
	}
	if err := readOnly(backing, backing); err != nil { // to those who come by its path
		unix.Close(root)
		return -1, nil, err
	}
	// Who opened something before it was covered is seen now.
	if err := checkBusy(backing); err != nil {
		unix.Close(root)
		return -1, nil, errors.Join(err, uncover(backing))
	}
	return root, func() error { return uncover(backing) }, nil
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
