package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// endTime is how long EndUsers waits for a process that it killed.
const endTime = 5 * time.Second

// EndUsers kills the processes that use files of a mount on dir that a killed daemon has left:
// all that they get there is errors, and what they still have of a service, a port for
// instance, the next one needs. It names them. Who only has its working directory there, as a
// shell, is left alone, and so is everybody where the mount is served.
func EndUsers(dir string) (ended []string, err error) {
	table, err := mounts()
	if err != nil {
		return nil, err
	}
	for _, m := range table {
		if m.at != dir || m.kind != "fuse."+subtype || !dead(dir) {
			continue
		}
		processes, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return nil, err
		}
		for _, p := range processes {
			if pid, _ := strconv.Atoi(filepath.Base(p)); pid != os.Getpid() && m.usedBy(p) {
				name, _ := os.ReadFile(p + "/comm")
				if err := end(pid); err != nil {
					return ended, fmt.Errorf("end %s (%d), which uses what a killed daemon has left on %s: %w", strings.TrimSpace(string(name)), pid, dir, err)
				}
				ended = append(ended, fmt.Sprintf("%s (%d)", strings.TrimSpace(string(name)), pid))
			}
		}
	}
	return ended, nil
}

// dead reports that nobody serves the mount that is seen on a directory.
func dead(dir string) bool {
	err := answers(dir)
	return err == unix.ENOTCONN || err == unix.ECONNABORTED
}

// usedBy reports that a process has a file of the mount open or mapped. A path would not
// tell: others may have something else there.
func (m mounted) usedBy(process string) bool {
	open, _ := filepath.Glob(process + "/fdinfo/*")
	for _, f := range open {
		info, _ := os.ReadFile(f) // one that was closed meanwhile has none
		for line := range strings.Lines(string(info)) {
			if id, ok := strings.CutPrefix(line, "mnt_id:"); ok && strings.TrimSpace(id) == m.id {
				return true
			}
		}
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(m.device, "%d:%d", &major, &minor); err != nil {
		return false
	}
	device := fmt.Sprintf("%02x:%02x", major, minor)
	maps := readSoon(process + "/maps")
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 4 && f[3] == device {
			return true
		}
	}
	return false
}

// soonTime is how long readSoon waits.
const soonTime = time.Second

// readSoon reads a file of /proc that may make whoever reads it wait for the process it is
// about: its map of memory is locked while it waits for a page, from a file system that does
// not answer, for instance. What cannot be read soon counts as empty.
func readSoon(path string) []byte {
	read := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile(path) // one that ended meanwhile has none
		read <- b
	}()
	select {
	case b := <-read:
		return b
	case <-time.After(soonTime):
		return nil
	}
}

// end kills a process and waits until it is no more, which a parent may not have noticed.
func end(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return err
	}
	for limit := time.Now().Add(endTime); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(limit).Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("it lives on after SIGKILL for %s", endTime)
		default:
			return nil
		}
	}
}
