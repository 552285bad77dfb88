package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
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
		for {
			processes, err := proc.IDs()
			users := m.users(processes)
			if err != nil || len(users) == 0 {
				return ended, err
			}
			for _, u := range users {
				who := fmt.Sprintf("%s (%d)", program(u.pid), u.pid)
				killed, err := m.end(u.pid)
				if err != nil {
					return ended, fmt.Errorf("end %s, which uses what a killed daemon has left on %s: %w", who, dir, err)
				}
				if killed {
					ended = append(ended, who)
				}
			}
		}
	}
	return ended, nil
}

// users are some of the processes that use the mount.
func (m mounted) users(processes []int) []user {
	return look(processes, func(pid int) string {
		if pid == os.Getpid() {
			return ""
		}
		return m.usedBy(folder(pid))
	})
}

// dead reports that nobody serves the mount that is seen on a directory.
func dead(dir string) bool {
	err := answers(dir)
	return err == unix.ENOTCONN || err == unix.ECONNABORTED
}

// usedBy says how a process uses the mount: it has a file of it open or mapped. A path would
// not tell: others may have something else there.
func (m mounted) usedBy(process string) (how string) {
	open, _ := filepath.Glob(process + "/fdinfo/*")
	for _, f := range open {
		info, _ := os.ReadFile(f) // one that was closed meanwhile has none
		for line := range strings.Lines(string(info)) {
			if id, ok := strings.CutPrefix(line, "mnt_id:"); ok && strings.TrimSpace(id) == m.id {
				return "open"
			}
		}
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(m.device, "%d:%d", &major, &minor); err != nil {
		return ""
	}
	device := fmt.Sprintf("%02x:%02x", major, minor)
	maps, _ := os.ReadFile(process + "/maps")
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 4 && f[3] == device {
			return "mapped"
		}
	}
	return ""
}

// end kills a process that uses the mount and waits until it is no more, which a parent may
// not have noticed. Whether it does is asked again of the process that is going to be killed:
// another may have its number by now.
func (m mounted) end(pid int) (killed bool, err error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if len(m.users([]int{pid})) == 0 {
		return false, nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return false, err
	}
	for limit := time.Now().Add(endTime); ; {
		left := max(0, time.Until(limit)) // less would be for ever
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, err
		case n == 0:
			return false, fmt.Errorf("it lives on after SIGKILL for %s", endTime)
		default:
			return true, nil
		}
	}
}
