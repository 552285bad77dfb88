package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Check says why backing cannot be mounted on dir: an error that names the way out.
func Check(dir, backing string) error {
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
	if err := checkMounts(dir, backing); err != nil {
		return err
	}
	return checkBusy(backing)
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
	if real, err := filepath.EvalSymlinks(p); err != nil || real != p {
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
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		at := unescape(fields[4])
		switch {
		case within(at, dir):
			return fmt.Errorf("something is mounted on %s: unmount it first (`umount %s`)", at, at)
		case at != backing && within(at, backing):
			return fmt.Errorf("something is mounted on %s, within %s: only one file system can be replicated; replicate the mount point itself, or unmount it", at, backing)
		}
	}
	return nil
}

// unescape reads a path of mountinfo, see proc_pid_mountinfo(5).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
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
	pids, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	var users []string
	for _, p := range pids {
		if what := uses(p, dir); what != "" {
			name, _ := os.ReadFile(p + "/comm")
			users = append(users, fmt.Sprintf("%s (%s, %s)", strings.TrimSpace(string(name)), filepath.Base(p), what))
		}
		if len(users) == 5 {
			break
		}
	}
	if len(users) > 0 {
		return &BusyError{dir, users}
	}
	return nil
}

// uses says what the process uses in dir. One that ended meanwhile uses nothing.
func uses(process, dir string) string {
	for _, kind := range []string{"cwd", "root", "exe", "fd/*", "map_files/*"} {
		links, _ := filepath.Glob(filepath.Join(process, kind))
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && within(strings.TrimSuffix(to, " (deleted)"), dir) {
				return strings.TrimSuffix(kind, "/*") + " " + to
			}
		}
	}
	return ""
}
