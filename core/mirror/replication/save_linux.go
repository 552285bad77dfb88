package replication

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/replica"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// saver sets aside what only this copy has before it is overwritten or removed: whole
// files, under the paths that they had, with a report beside them. It is bounded by the
// disk only: without room the copy is not touched.
type saver struct {
	files  *replica.Replica
	places []Place
	name   string              // of the directories in Saved
	seen   inodes              // that were set aside, or made since
	made   map[uint64]*os.File // by device: the record of those that were made
	saved  int
}

const reportName = "report.txt"

// newSaver goes on with what was begun under a name, if there is one.
func newSaver(files *replica.Replica, places []Place, name string) *saver {
	if name == "" {
		name = time.Now().UTC().Format("2006-01-02T15-04-05.000Z")
	}
	s := &saver{files: files, places: places, name: name, seen: inodes{}, made: map[uint64]*os.File{}}
	s.recall()
	return s
}

// dirs are the directories into which things were set aside.
func (s *saver) dirs() (list []string) {
	for _, p := range s.places {
		dir := filepath.Join(p.Saved(), s.name)
		if _, err := os.Stat(dir); err == nil {
			list = append(list, dir)
		}
	}
	return list
}

// before sets aside what an operation is about to change.
func (s *saver) before(op stream.Op) error {
	switch op.Kind {
	case stream.Write, stream.Fallocate:
		return s.file(op.File, -1)
	case stream.SetAttr:
		if op.Flags&stream.AttrSize != 0 {
			return s.file(op.File, op.Size)
		}
	case stream.Unlink, stream.Rmdir:
		return s.named(op.Parent, op.Name, "removed")
	case stream.Rename:
		if op.Flags&unix.RENAME_EXCHANGE == 0 {
			return s.named(op.NewParent, op.NewName, "replaced")
		}
	}
	return nil
}

// after notes what an operation has made.
func (s *saver) after(op stream.Op) error {
	switch op.Kind {
	case stream.Create, stream.Symlink, stream.Tmpfile:
		fd, done, err := s.files.Use(op.File)
		if err != nil {
			return err
		}
		defer done()
		var st unix.Stat_t
		err = unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH)
		if err == nil {
			s.seen.add(st.Dev, st.Ino)
			s.remember(&st)
		}
		return err
	}
	return nil
}

// file sets aside a copy of a file, unless it already has size.
func (s *saver) file(id stream.FileID, size int64) error {
	fd, done, err := s.files.Use(id)
	if err != nil {
		return err
	}
	defer done()
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if s.seen.has(&st) || st.Size == 0 || st.Size == size {
		return nil
	}
	s.seen.add(st.Dev, st.Ino)
	to, err := s.destination(fd, "")
	if to == "" || err != nil {
		return err
	}
	if err := s.duplicate(fd, to); err != nil {
		return s.noRoom(to, err)
	}
	return s.report(to, "overwritten")
}

// named sets aside the file that has a name and is about to lose it.
func (s *saver) named(parent stream.FileID, name, why string) error {
	dir, done, err := s.files.Use(parent)
	if err != nil {
		return err
	}
	defer done()
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil // nothing is there, or nothing is in it
	}
	if s.seen.has(&st) || st.Nlink > 1 { // it keeps another name
		return nil
	}
	to, err := s.destination(dir, name)
	if to == "" || err != nil {
		return err
	}
	if err := unix.Linkat(dir, name, unix.AT_FDCWD, to, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return s.noRoom(to, err)
	}
	return s.report(to, why)
}

// remove sets aside a name with all that is below, in the place of removing it.
func (s *saver) remove(dir int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return s.removeDir(dir, name)
	}
	if s.seen.has(&st) || st.Nlink > 1 {
		return unix.Unlinkat(dir, name, 0)
	}
	to, err := s.destination(dir, name)
	if err != nil {
		return err
	}
	if to == "" {
		return unix.Unlinkat(dir, name, 0)
	}
	if err := unix.Renameat(dir, name, unix.AT_FDCWD, to); err != nil {
		return s.noRoom(to, err)
	}
	return s.report(to, "removed")
}

func (s *saver) removeDir(dir int, name string) error {
	fd, err := os.Open(fmt.Sprintf("/proc/self/fd/%d/%s", dir, name))
	if err != nil {
		return err
	}
	err = s.removeNames(fd)
	if err := errors.Join(err, fd.Close()); err != nil {
		return err
	}
	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// removeNames removes what is in a directory: some names at a time, and from the beginning again
// as long as there are any.
func (s *saver) removeNames(dir *os.File) error {
	for {
		names, err := dir.Readdirnames(1000)
		if errors.Is(err, io.EOF) {
			return nil
		}
		for _, n := range names {
			if err == nil {
				err = s.remove(int(dir.Fd()), n)
			}
		}
		if err == nil {
			_, err = dir.Seek(0, io.SeekStart)
		}
		if err != nil {
			return err
		}
	}
}

// destination is where the file of a descriptor, or a name in its directory, is to go; ""
// if that was set aside before. The directories that lead there are made.
func (s *saver) destination(fd int, name string) (string, error) {
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", err
	}
	at = filepath.Join(at, name)
	for _, p := range s.places {
		rel, ok := strings.CutPrefix(at, p.Data()+"/")
		if !ok {
			continue
		}
		to := filepath.Join(p.Saved(), s.name, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", s.noRoom(to, err)
		}
		if _, err := os.Lstat(to); err == nil {
			return "", nil
		}
		return to, nil
	}
	return "", fmt.Errorf("set aside %s: it is not in a replicated folder any more", at)
}

func (s *saver) noRoom(to string, err error) error {
	return fmt.Errorf("set aside what only this copy has, as %s: %w. Make room there, or remove what was set aside before; until then nothing is overwritten", to, err)
}

// report adds a line to the report.
func (s *saver) report(to, why string) error {
	s.saved++
	dir := s.dirOf(to)
	f, err := os.OpenFile(dir+"."+reportName, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return s.noRoom(to, err)
	}
	_, err = fmt.Fprintf(f, "%s\t%q\n", why, strings.TrimPrefix(to, dir+"/"))
	if err := errors.Join(err, f.Close()); err != nil {
		return s.noRoom(to, err)
	}
	return nil
}

// dirOf is the directory of what is set aside that a destination is in.
func (s *saver) dirOf(to string) string {
	for _, p := range s.places {
		if dir := filepath.Join(p.Saved(), s.name); strings.HasPrefix(to, dir+"/") {
			return dir
		}
	}
	return filepath.Dir(to)
}

// partName is a copy that is being made, beside the directory that it goes to.
const partName = "part"

// duplicate makes a durable copy of a file, which has its name when it is whole: after a
// crash, what has a name is taken for set aside, and what it was made of is overwritten.
func (s *saver) duplicate(fd int, to string) error {
	part := s.dirOf(to) + "." + partName
	err := copyFile(fd, part)
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		_ = os.Remove(part)
		return err
	}
	return syncDir(filepath.Dir(to))
}

// copyFile makes a durable copy of a file with its attributes; where the file system can, its
// blocks are shared.
func copyFile(fd int, to string) error {
	from, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	defer from.Close()
	st, err := from.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if unix.IoctlFileClone(int(out.Fd()), int(from.Fd())) != nil {
		if err := copyData(out, from, st.Size()); err != nil {
			return err
		}
	}
	sys := unixStat(st)
	return errors.Join(out.Chown(int(sys.Uid), int(sys.Gid)), out.Chmod(st.Mode()), os.Chtimes(to, time.Time{}, st.ModTime()), out.Sync())
}

// copyData copies what is not a hole.
func copyData(out, from *os.File, size int64) error {
	for at := int64(0); ; {
		data, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing but a hole is left
			return out.Truncate(size)
		}
		if err == nil {
			at, err = from.Seek(data, unix.SEEK_HOLE)
		}
		if err == nil {
			_, err = from.Seek(data, io.SeekStart)
		}
		if err == nil {
			_, err = out.Seek(data, io.SeekStart)
		}
		if err == nil {
			_, err = io.CopyN(out, from, at-data) // by copy_file_range(2), where that can
		}
		if err != nil {
			return err
		}
	}
}
