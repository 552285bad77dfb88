package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// checkPlaces says why backing cannot be mounted on dir, apart from who is there: an error
// that names the way out.
func checkPlaces(dir, backing string) error {
	for _, p := range []string{dir, backing} {
		if err := checkPath(p); err != nil {
			return err
		}
	}
	if within(dir, backing) || within(backing, dir) {
		return fmt.Errorf("%s and %s: the one is within the other; keep them beside each other", dir, backing)
	}
	if names, err := os.ReadDir(dir); err != nil {
		return err
	} else if len(names) > 0 {
		return fmt.Errorf("%s is not empty (%s and more): its files would be hidden; move them to %s or away", dir, names[0].Name(), backing)
	}
	if err := checkFileSystem(backing); err != nil {
		return err
	}
	return checkMounts(dir, backing)
}

// CheckSource says why the files in dir, which are nobody's backing directory yet, cannot
// become one: before they are moved.
func CheckSource(dir string) error {
	if err := errors.Join(checkPath(dir), checkFileSystem(dir)); err != nil {
		return err
	}
	table, err := mounts()
	if err != nil {
		return err
	}
	for _, m := range table {
		if m.at != dir && within(m.at, dir) {
			return fmt.Errorf("something is mounted on %s, within %s: only one file system can be replicated; replicate the mount point itself, or unmount it", m.at, dir)
		}
	}
	return checkBusy(dir)
}

func checkPath(p string) error {
	if !filepath.IsAbs(p) || filepath.Clean(p) != p {
		return fmt.Errorf("%s is not an absolute, plain path", p)
	}
	if p == "/" {
		return errors.New("/ cannot be replicated: name a directory of the application's data")
	}
	st, err := os.Lstat(p)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s does not exist: create it, or mount what it lies on", p)
	case err != nil:
		return err
	case st.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: name the directory that it leads to", p)
	case !st.IsDir():
		return fmt.Errorf("%s is not a directory", p)
	}
	if real, err := filepath.EvalSymlinks(p); err != nil {
		return err
	} else if real != p {
		return fmt.Errorf("%s leads to %s: name that", p, real)
	}
	return nil
}

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// unsuitable are file systems that lose everything or have no inodes of their own.
var unsuitable = map[int64]string{
	unix.TMPFS_MAGIC: "a tmpfs, which is empty after a restart", unix.RAMFS_MAGIC: "a ramfs, which is empty after a restart",
	unix.PROC_SUPER_MAGIC: "procfs", unix.SYSFS_MAGIC: "sysfs", unix.NFS_SUPER_MAGIC: "NFS, which others may change",
	fuseMagic: "a FUSE mount, perhaps this one: it is replicated already, or others may change it",
}

const fuseMagic = 0x65735546

func checkFileSystem(backing string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(backing, &st); err != nil {
		return fmt.Errorf("look at %s: %w", backing, err)
	}
	if what, bad := unsuitable[int64(st.Type)]; bad {
		return fmt.Errorf("%s lies on %s: use a directory of a local disk's file system", backing, what)
	}
	return nil
}

// checkMounts refuses what is mounted on dir or below backing.
func checkMounts(dir, backing string) error {
	table, err := mounts()
	if err != nil {
		return err
	}
	for _, m := range table {
		switch {
		case within(m.at, dir):
			return fmt.Errorf("something is mounted on %s: unmount it first (`umount %s`)", m.at, m.at)
		case m.at != backing && within(m.at, backing):
			return fmt.Errorf("something is mounted on %s, within %s: only one file system can be replicated; replicate the mount point itself, or unmount it", m.at, backing)
		}
	}
	return nil
}

// CheckPresent refuses a directory that lacks what it must have.
func CheckPresent(backing string, paths []string) error {
	for _, p := range paths {
		if _, err := os.Lstat(filepath.Join(backing, p)); err != nil {
			return fmt.Errorf("%s must be there before replication starts (tocheck): %w; mount what it lies on, or name the right directory", p, err)
		}
	}
	return nil
}

// BusyError names processes that use the backing directory past the mount.
type BusyError struct {
	Dir   string
	Users []string // "name (pid) what"
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s is in use by %s: what they write would not be replicated; stop them first", e.Dir, strings.Join(e.Users, ", "))
}

// checkBusy looks for processes that have something in dir open, mapped, or as their
// working or root directory.
func checkBusy(dir string) error {
	processes, err := proc.IDs()
	if err != nil {
		return err
	}
	users := look(processes, func(pid int) string { return uses(folder(pid), dir) })
	if len(users) == 0 {
		return nil
	}
	busy := &BusyError{Dir: dir}
	for _, u := range users {
		busy.Users = append(busy.Users, fmt.Sprintf("%s (%d, %s)", program(u.pid), u.pid, u.how))
	}
	return busy
}

// user is a process that uses what is looked for.
type user struct {
	pid int
	how string
}

// look asks about one process after the other, and answers the first for which there is
// something to say. One that hangs, e.g. because a file server is gone, is left out.
func look(processes []int, ask func(pid int) (how string)) (found []user) {
	for _, pid := range processes {
		how, err := proc.Ask(pid, func() (string, error) { return ask(pid), nil })
		if err == nil && how != "" {
			found = append(found, user{pid, how})
		}
		if len(found) == 5 {
			break
		}
	}
	return found
}

// folder is what the kernel tells of a process.
func folder(pid int) string { return "/proc/" + strconv.Itoa(pid) }

// uses says what the process uses in dir. One that ended meanwhile uses nothing.
func uses(process, dir string) string {
	if !sees(process, dir) {
		return ""
	}
	for _, kind := range []string{"cwd", "root", "exe"} {
		if to, ok := leadsInto(process+"/"+kind, dir); ok {
			return kind + " " + to
		}
	}
	files, _ := os.Open(process + "/fd")
	names, _ := files.Readdirnames(-1) // of nil, none
	files.Close()
	for _, n := range names {
		if to, ok := leadsInto(process+"/fd/"+n, dir); ok {
			return "fd " + to
		}
	}
	maps, _ := os.ReadFile(process + "/maps")
	for line := range strings.Lines(string(maps)) {
		if i := strings.Index(line, dir); i >= 0 {
			if to := strings.TrimSuffix(strings.TrimSuffix(line[i:], "\n"), " (deleted)"); within(to, dir) && line[i-1] == ' ' {
				return "map " + to
			}
		}
	}
	return ""
}

// sees says whether the path leads to the same directory for a process as here. In a mount
// namespace of its own, as a container has, it may be another.
func sees(process, dir string) bool {
	here, err := os.Readlink("/proc/self/ns/mnt")
	there, gone := os.Readlink(process + "/ns/mnt")
	if err != nil || gone != nil || here == there {
		return true
	}
	own, err := os.Stat(dir)
	other, gone := os.Stat(process + "/root" + dir)
	return err != nil || gone == nil && os.SameFile(own, other)
}

func leadsInto(link, dir string) (to string, ok bool) {
	to, err := os.Readlink(link)
	return to, err == nil && within(strings.TrimSuffix(to, " (deleted)"), dir)
}
