package fs

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Show lets backing be read in dir, where nobody can write to it: on a secondary. What is
// there in dir hides nothing: a directory that is not empty is refused.
func Show(dir, backing string) error {
	if err := ClearLeftovers(dir, backing); err != nil {
		return err
	}
	if err := checkPlaces(dir, backing); err != nil {
		return err
	}
	return readOnly(backing, dir)
}

// Hide takes that back. Who has a file open there can go on reading it.
func Hide(dir string) error { return uncover(dir) }

// shows recognizes what Show mounts.
func (m mounted) shows(dir, backing string) bool {
	if m.at != dir || !slices.Contains(m.options, "ro") || m.kind == "fuse."+subtype {
		return false
	}
	seen, err := os.Stat(dir)
	behind, missing := os.Stat(backing)
	return err == nil && missing == nil && os.SameFile(seen, behind)
}

// readOnly mounts a directory on another one, or on itself, so that nobody can write there.
func readOnly(dir, on string) error {
	fd, err := openBacking(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if err == nil {
		err = unix.MoveMount(fd, "", unix.AT_FDCWD, on, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
	if err != nil {
		return fmt.Errorf("mount %s on %s, read-only: %w", dir, on, err)
	}
	return nil
}
