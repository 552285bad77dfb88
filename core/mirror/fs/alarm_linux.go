package fs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// Bypass is a change of the backing directory that did not come through the mount.
type Bypass struct {
	// Path is relative to the directory.
	Path string
	// What was done to it.
	What string
	// PID and Program did it; 0 and "" if that is not known any more.
	PID     int
	Program string
	// Blind, if not nil, is why changes may have been missed; nothing else is set then.
	Blind error
}

func (b Bypass) String() string {
	if b.Blind != nil {
		return fmt.Sprintf("changes past the mount may have been missed: %v", b.Blind)
	}
	by := "somebody"
	if b.PID != 0 {
		by = fmt.Sprintf("%s (%d)", b.Program, b.PID)
	}
	return fmt.Sprintf("%s was %s past the mount by %s", b.Path, b.What, by)
}

// alarm watches the file system that the backing directory lies on (fanotify, by all ways to
// it: other mounts, other mount namespaces, files that were open before), and picks out
// what others than this process change in the directory. Stores into a shared mapping are
// seen when the file is closed, and changes of the block device never.
type alarm struct {
	fd   int
	dir  int // of the backing directory; to open handles with
	tell func(bypass)
	stop chan struct{}
	done sync.WaitGroup
}

// bypass is a Bypass with the directory, by its descriptor, and the name in it, of which
// the kernel may know something that is not so any more.
type bypass struct {
	Bypass
	dir  int
	name string
}

const watched = unix.FAN_MODIFY | unix.FAN_ATTRIB | unix.FAN_CLOSE_WRITE | unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO | unix.FAN_ONDIR

// rounds are this long: this process's own events, of which there are many, are merged by
// the kernel meanwhile.
const round = 100 * time.Millisecond

// newAlarm begins to watch. tell is called by one goroutine.
func newAlarm(root int, tell func(bypass)) (*alarm, error) {
	dir, err := unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY)
	if err != nil {
		unix.Close(dir)
		return nil, fmt.Errorf("watch for changes past the mount: %w", err)
	}
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, watched, dir, "."); err != nil {
		unix.Close(fd)
		unix.Close(dir)
		return nil, fmt.Errorf("watch for changes past the mount: %w", err)
	}
	a := &alarm{fd: fd, dir: dir, tell: tell, stop: make(chan struct{})}
	a.done.Go(a.run)
	return a, nil
}

func (a *alarm) close() {
	if a == nil {
		return
	}
	close(a.stop)
	a.done.Wait()
	unix.Close(a.fd)
	unix.Close(a.dir)
}

func (a *alarm) run() {
	tick := time.NewTicker(round)
	defer tick.Stop()
	buf := make([]byte, 256<<10)
	for {
		select {
		case <-tick.C:
			a.drain(buf)
		case <-a.stop:
			a.drain(buf)
			return
		}
	}
}

// drain reads what has gathered, and tells of each file once.
func (a *alarm) drain(buf []byte) {
	own := int32(os.Getpid())
	places := map[placeKey]place{}
	defer func() {
		for _, p := range places {
			if p.fd >= 0 {
				unix.Close(p.fd)
			}
		}
	}()
	for {
		n, err := unix.Read(a.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			if err != unix.EAGAIN {
				a.tell(bypass{Bypass: Bypass{Blind: fmt.Errorf("read events: %w", err)}})
			}
			return
		}
		for b := buf[:n]; len(b) >= int(unsafe.Sizeof(unix.FanotifyEventMetadata{})); {
			m := (*unix.FanotifyEventMetadata)(unsafe.Pointer(&b[0]))
			if int(m.Event_len) > len(b) || m.Event_len < uint32(m.Metadata_len) || m.Metadata_len == 0 {
				return
			}
			if m.Pid != own {
				a.event(m, b[m.Metadata_len:m.Event_len], places)
			}
			b = b[m.Event_len:]
		}
	}
}

// place is a directory that events speak of: fd is -1 if it is not within the backing
// directory.
type place struct {
	fd   int
	path string
}

// placeKey is the directory's file handle.
type placeKey struct {
	kind  int32
	bytes string
}

func (a *alarm) event(m *unix.FanotifyEventMetadata, info []byte, places map[placeKey]place) {
	if m.Mask&unix.FAN_Q_OVERFLOW != 0 {
		a.tell(bypass{Bypass: Bypass{Blind: errors.New("there were too many changes at once")}})
		return
	}
	handle, name, ok := parseInfo(info)
	if !ok {
		return
	}
	key := placeKey{handle.Type(), string(handle.Bytes())}
	at, known := places[key]
	if !known {
		at = a.place(handle)
		places[key] = at
	}
	if at.fd < 0 {
		return
	}
	a.tell(bypass{Bypass{Path: path.Join(at.path, name), What: deeds(m.Mask), PID: int(m.Pid), Program: program(int(m.Pid))}, at.fd, name})
}

// place finds where a directory is.
func (a *alarm) place(handle unix.FileHandle) place {
	fd, err := unix.OpenByHandleAt(a.dir, handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		a.missed(err)
		return place{fd: -1} // it is gone
	}
	// The backing directory is the root of its mount here. From outside of it, no step
	// upwards is possible.
	up, err := unix.Openat(fd, "..", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(up)
		var at string
		if at, err = os.Readlink((&node{fd: fd}).path()); err == nil {
			return place{fd, strings.TrimPrefix(at, "/")}
		}
	}
	a.missed(err)
	unix.Close(fd)
	return place{fd: -1}
}

// missed tells that a change may have been missed if err is about what this process lacks,
// and not about the place of the change.
func (a *alarm) missed(err error) {
	if err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOMEM {
		a.tell(bypass{Bypass: Bypass{Blind: fmt.Errorf("find the directory of a change: %w", err)}})
	}
}

// parseInfo reads the directory and the name of an event, see fanotify(7).
func parseInfo(b []byte) (handle unix.FileHandle, name string, ok bool) {
	const header, fsid, fixed = 4, 8, 8
	if len(b) < header+fsid+fixed || b[0] != unix.FAN_EVENT_INFO_TYPE_DFID_NAME && b[0] != unix.FAN_EVENT_INFO_TYPE_DFID {
		return handle, "", false
	}
	size := int(binary.NativeEndian.Uint16(b[2:]))
	h := b[header+fsid:]
	length := int(binary.NativeEndian.Uint32(h))
	if size > len(b) || header+fsid+fixed+length > size {
		return handle, "", false
	}
	handle = unix.NewFileHandle(int32(binary.NativeEndian.Uint32(h[4:])), h[fixed:fixed+length])
	if b[0] == unix.FAN_EVENT_INFO_TYPE_DFID {
		return handle, ".", true
	}
	rest := b[header+fsid+fixed+length : size]
	if end := bytes.IndexByte(rest, 0); end >= 0 {
		rest = rest[:end]
	}
	return handle, string(rest), true
}

func deeds(mask uint64) string {
	var list []string
	for _, d := range []struct {
		mask uint64
		what string
	}{
		{unix.FAN_CREATE, "created"}, {unix.FAN_MODIFY, "written to"}, {unix.FAN_ATTRIB, "given other attributes"},
		{unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO, "renamed"}, {unix.FAN_DELETE, "removed"}, {unix.FAN_CLOSE_WRITE, "opened for writing"},
	} {
		if mask&d.mask != 0 {
			list = append(list, d.what)
		}
	}
	return strings.Join(list, ", ")
}

func program(pid int) string {
	b, err := proc.ReadFile(pid, "comm")
	if errors.Is(err, proc.ErrHangs) {
		return "a program that hangs"
	}
	if err != nil {
		return "a program that has ended"
	}
	return strings.TrimSpace(string(b))
}
