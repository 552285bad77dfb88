package fs

import (
	"cmp"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// visit sees a file called name; into says whether to go on in a directory.
type visit func(name string, st *unix.Stat_t) (into bool, err error)

// walk visits all that is in a directory, which is called name; other file systems
// mounted in it are left out. What goes away meanwhile may be visited or not.
func walk(dir int, name string, v visit) error {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return &os.PathError{Op: "look through", Path: cmp.Or(name, "."), Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var own unix.Stat_t
	if err := unix.Fstat(fd, &own); err != nil {
		return err
	}
	for {
		names, err := f.Readdirnames(1000)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := walkTo(fd, own.Dev, n, path.Join(name, n), v); err != nil {
				return err
			}
		}
	}
}

func walkTo(dir int, dev uint64, base, name string, v visit) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT || err == nil && st.Dev != dev {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "look at", Path: name, Err: err}
	}
	into, err := v(name, &st)
	if err != nil || !into || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	fd, err := unix.Openat(dir, base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "look through", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return walk(fd, name, v)
}

func isDir(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }
