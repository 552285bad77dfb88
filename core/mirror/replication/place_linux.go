package replication

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
)

// Prepare makes the place: the first time, the files of the folder move behind it. What
// a crash left undone is done again, and what a killed daemon left mounted is cleared.
func (p Place) Prepare() error {
	if p.Suffix == "" || !filepath.IsAbs(p.Dir) || filepath.Clean(p.Dir) != p.Dir || p.Dir == "/" {
		return fmt.Errorf("%s cannot be replicated: name a directory by its absolute, plain path", p.Dir)
	}
	if err := fs.ClearLeftovers(p.Dir, p.Data()); err != nil {
		return err
	}
	made, err := makeDir(p.behind(), 0o700)
	if err != nil {
		return err
	}
	if !made {
		if err := os.Chmod(p.behind(), 0o700); err != nil {
			return err
		}
	}
	_, err = os.Lstat(p.Data())
	switch {
	case missing(err):
		if err := p.take(); err != nil {
			_ = os.Remove(p.behind()) // if nothing is in it
			return err
		}
	case err != nil:
		return err
	}
	for _, dir := range []string{p.Zones(), p.Saved()} {
		if _, err := makeDir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := p.face(); err != nil {
		return err
	}
	return errors.Join(syncDir(p.behind()), syncDir(filepath.Dir(p.Dir)))
}

// present refuses a folder that is nowhere: a primary would serve an empty one, and the
// secondary would lose its files to that.
func (p Place) present() error {
	for _, dir := range []string{p.Data(), p.Dir, p.behind()} {
		if _, err := os.Lstat(dir); !missing(err) {
			return err
		}
	}
	return fmt.Errorf("%s does not exist: create it, mount what it lies on, or name the right directory; nothing was changed", p.Dir)
}

// complete refuses a folder that lacks what it must have, before anything of it is moved: the disk
// that it lies on may be missing.
func (p Place) complete(paths []string) error {
	for _, dir := range []string{p.Data(), p.behind()} {
		if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
			return fs.CheckPresent(dir, paths)
		}
	}
	return fs.CheckPresent(p.Dir, paths)
}

// take makes the data directory of what there is: the files of a file system that is
// mounted behind, those of the folder, or nothing.
func (p Place) take() error {
	list, err := os.ReadDir(p.behind())
	if err != nil {
		return err
	}
	if len(list) > 0 && list[0].Name() != "lost+found" || len(list) > 1 {
		return p.gather(list)
	}
	st, err := os.Lstat(p.Dir)
	switch {
	case missing(err):
		_, err = makeDir(p.Data(), 0o755)
		return err
	case err != nil:
		return err
	case st.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: name the directory that it leads to", p.Dir)
	case !st.IsDir():
		return fmt.Errorf("%s is not a directory: only directories are replicated", p.Dir)
	}
	if err := fs.CheckSource(p.Dir); err != nil {
		return err
	}
	err = os.Rename(p.Dir, p.Data())
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s is a mount point: stop what uses it, mount its file system on %s instead (also in /etc/fstab), and start again: its files are moved into place then", p.Dir, p.behind())
	}
	if err != nil {
		return fmt.Errorf("move %s behind its mount: %w", p.Dir, err)
	}
	return nil
}

// gather moves what lies at the top of a file system into the data directory.
func (p Place) gather(list []os.DirEntry) error {
	half := p.Data() + ".new"
	st, err := os.Stat(p.behind())
	if err != nil {
		return err
	}
	if _, err := makeDir(half, st.Mode().Perm()); err != nil {
		return err
	}
	for _, e := range list {
		switch e.Name() {
		case "lost+found", "zones", "saved", "state.json", "reserve", filepath.Base(half):
			continue
		}
		if err := os.Rename(filepath.Join(p.behind(), e.Name()), filepath.Join(half, e.Name())); err != nil {
			return fmt.Errorf("move the files of %s into place: %w", p.behind(), err)
		}
	}
	return os.Rename(half, p.Data())
}

// face makes the empty directory that applications see when nothing is mounted. It looks as
// the data directory does.
func (p Place) face() error {
	st, err := os.Stat(p.Data())
	if err != nil {
		return err
	}
	made, err := makeDir(p.Dir, 0o700)
	if err != nil || !made {
		return err
	}
	sys := unixStat(st)
	return errors.Join(os.Chown(p.Dir, int(sys.Uid), int(sys.Gid)), os.Chmod(p.Dir, st.Mode()))
}

// Release undoes Prepare when a module goes: the files are where they were before. What was
// set aside stays.
func (p Place) Release() error {
	if _, err := os.Lstat(p.Data()); missing(err) {
		return nil
	}
	if err := fs.ClearLeftovers(p.Dir, p.Data()); err != nil {
		return err
	}
	// In one step, so that the folder is there whatever comes between: it is empty.
	if err := unix.Rename(p.Data(), p.Dir); err != nil {
		return fmt.Errorf("give %s its files back: %w; they are in %s", p.Dir, err, p.Data())
	}
	err := errors.Join(os.RemoveAll(p.Zones()), os.RemoveAll(p.state()), os.RemoveAll(filepath.Join(p.behind(), "reserve")), os.RemoveAll(filepath.Join(p.behind(), "verify.json")))
	_ = os.Remove(p.Saved()) // both stay if something was set aside
	_ = os.Remove(p.behind())
	return errors.Join(err, syncDir(filepath.Dir(p.Dir)))
}

func makeDir(dir string, mode os.FileMode) (made bool, err error) {
	err = os.Mkdir(dir, mode)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
