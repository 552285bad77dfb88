package resync

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// path names the file of an O_PATH descriptor to calls that take no descriptor.
func path(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// dirent is a name in a directory as getdents64(2) tells it.
type dirent struct {
	inode uint64
	kind  uint8 // DT_…
	name  string
}

// each gives what is in the directory of an O_PATH descriptor to do, some at a time: there
// may be more than memory should hold.
func each(dir int, do func(dirent) error) error { return eachOf(dir, Part{}, do) }

// eachOf does that for a part of the names.
func eachOf(dir int, part Part, do func(dirent) error) error {
	fd, err := unix.Open(path(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		list, more, err := some(fd, part)
		for _, d := range list {
			if err := do(d); err != nil {
				return err
			}
		}
		if err != nil || !more {
			return err
		}
	}
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// some reads on in an open directory, and says whether there is more. It holds no buffer
// when it returns, as what is done with the names may go deep.
func some(fd int, part Part) (list []dirent, more bool, err error) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	n, err := unix.Getdents(fd, buf[:])
	if err == unix.EINTR {
		return nil, true, nil
	}
	if err != nil || n <= 0 {
		return nil, false, err
	}
	for b := buf[:n]; len(b) > 0; {
		size := binary.NativeEndian.Uint16(b[16:])
		name := b[19:size]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if string(name) != "." && string(name) != ".." && part.has(name) {
			list = append(list, dirent{binary.NativeEndian.Uint64(b), kindOf(fd, name, b[18]), string(name)})
		}
		b = b[size:]
	}
	return list, true, nil
}

// names lists a part of a directory, if it has at most so many names. If it has more, the
// answer is only in how many parts the directory is to be taken.
func names(dir int, part Part, most int) (list []dirent, parts uint32, err error) {
	count := 0
	err = eachOf(dir, part, func(d dirent) error {
		if count++; count <= most || part.Of >= maxParts {
			list = append(list, d)
		} else {
			list = nil
		}
		return nil
	})
	if count > most && part.Of < maxParts {
		parts = min(max(part.Of, 1)*uint32(1+count/max(most*3/4, 1)), maxParts)
	}
	return list, parts, err
}

// kindOf asks where a file system does not tell with the name.
func kindOf(dir int, name []byte, kind uint8) uint8 {
	var st unix.Stat_t
	if kind == unix.DT_UNKNOWN && unix.Fstatat(dir, string(name), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		kind = uint8(st.Mode & unix.S_IFMT >> 12) // as IFTODT of glibc
	}
	return kind
}

// reach opens a name in a directory: an O_PATH descriptor that never follows a link.
func reach(dir int, name string) (int, error) {
	return unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// entryOf describes the file of an O_PATH descriptor.
func entryOf(fd int, name string) (Entry, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return Entry{}, err
	}
	e := Entry{Name: []byte(name), Inode: st.Ino, Links: uint64(st.Nlink), Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: st.Mtim.Nano()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Size = st.Size
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", target)
		if err != nil {
			return Entry{}, err
		}
		e.Target = target[:n]
	case unix.S_IFBLK, unix.S_IFCHR:
		e.Rdev = uint32(st.Rdev)
	}
	attributes, err := xattrs(fd)
	if err != nil {
		return Entry{}, err
	}
	e.Xattrs = digest(attributes)
	return e, nil
}

func (e Entry) is(kind uint32) bool { return e.Mode&unix.S_IFMT == kind }

// several says that it is a file with more than one name.
func (e Entry) several() bool { return e.Links > 1 && !e.is(unix.S_IFDIR) }

// sameFile says that both are of one kind and, where that cannot be changed, of one content.
func (e Entry) sameFile(o Entry) bool {
	return e.Mode&unix.S_IFMT == o.Mode&unix.S_IFMT && e.Rdev == o.Rdev && bytes.Equal(e.Target, o.Target)
}

// sameAttributes leaves out what is not replicated: the times of directories, and of links
// their mode.
func (e Entry) sameAttributes(o Entry) bool {
	return e.Mode == o.Mode && e.UID == o.UID && e.GID == o.GID && bytes.Equal(e.Xattrs, o.Xattrs) &&
		(e.is(unix.S_IFDIR) || e.Mtime == o.Mtime)
}

// xattrs reads the extended attributes of an O_PATH descriptor's file.
func xattrs(fd int) (map[string][]byte, error) {
	p := path(fd)
	size, err := unix.Listxattr(p, nil)
	if err == unix.ENOTSUP || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]byte, size+1024)
	if size, err = unix.Listxattr(p, list); err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Getxattr(p, name, value)
		if err == unix.ENODATA || name == "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[name] = value[:n]
	}
	return all, nil
}

func digest(attributes map[string][]byte) []byte {
	if len(attributes) == 0 {
		return nil
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		fmt.Fprintf(h, "%d %q %d ", len(name), name, len(attributes[name]))
		h.Write(attributes[name])
	}
	return h.Sum(nil)[:sumSize]
}
