package replica

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// KeepLocal says that the directory may hold files of this node's own, which are not
// replicated (mirror/exclude). The primary's directory was empty when it was removed or
// replaced, so what is left in it here is such, and goes with it.
func (r *Replica) KeepLocal(on bool) { r.local.Store(on) }

// emptied does what needs the directory name in at empty; again, when it was emptied.
func (r *Replica) emptied(at int, name string, do func() error) error {
	err := do()
	if (err != unix.ENOTEMPTY && err != unix.EEXIST) || !r.local.Load() {
		return err
	}
	fd, opened := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if opened != nil {
		return errors.Join(err, opened)
	}
	defer unix.Close(fd)
	if removed := removeAll(fd); removed != nil {
		return errors.Join(err, removed)
	}
	return do()
}

// removeAll removes what is in a directory.
func removeAll(dir int) error {
	root, err := os.OpenRoot(path(dir) + "/.")
	if err != nil {
		return err
	}
	defer root.Close()
	for {
		f, err := root.Open(".")
		if err != nil {
			return err
		}
		names, err := f.Readdirnames(1000) // there may be more than memory should hold
		f.Close()
		if errors.Is(err, io.EOF) {
			return nil
		}
		for _, n := range names {
			if err == nil {
				err = root.RemoveAll(n)
			}
		}
		if err != nil {
			return err
		}
	}
}
