package hook

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cage is a process group, and where the system has version 2 control groups a
// control group as well: children that leave the process group (daemons,
// setsid) stay in it.
type cage struct {
	path string   // of the control group; empty if there is none
	dir  *os.File // open directory of path
	pgid int
}

// cageCount makes names of control groups unique within this process.
var cageCount atomic.Uint64

// cgroupRoot is where the cgroup2 file system is mounted, empty if nowhere.
var cgroupRoot = sync.OnceValue(func() string {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return findCgroup2(string(info))
})

// findCgroup2 reads proc_pid_mountinfo(5): the file system type is the first
// field after the lone dash, the mount point the fifth of all.
func findCgroup2(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && len(fields) >= 5 && strings.HasPrefix(after, "cgroup2 ") {
			return fields[4]
		}
	}
	return ""
}

// newCage makes a control group orchestrator/NAME.PID-N at the root of the
// hierarchy: not below this program's own group, so that stopping the daemon's
// service does not kill what hooks have started.
func newCage(name string) *cage {
	root := cgroupRoot()
	if root == "" {
		return &cage{}
	}
	path := filepath.Join(root, "orchestrator", fmt.Sprintf("%s.%d-%d", name, os.Getpid(), cageCount.Add(1)))
	if os.MkdirAll(path, 0o755) != nil {
		return &cage{} // not root, or a read-only hierarchy as in containers
	}
	dir, err := os.Open(path)
	if err != nil {
		_ = os.Remove(path)
		return &cage{}
	}
	return &cage{path: path, dir: dir}
}

func (c *cage) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.dir != nil {
		cmd.SysProcAttr.UseCgroupFD = true
		cmd.SysProcAttr.CgroupFD = int(c.dir.Fd())
	}
}

// started learns the process that was put in.
func (c *cage) started(p *os.Process) { c.pgid = p.Pid }

// ended learns that the process has been waited for. The number of a process
// group may then be somebody else's.
func (c *cage) ended() { c.pgid = 0 }

// giveUp says whether starting again without the control group is worth a
// try: clone3(2) is refused with these by old kernels, seccomp filters and
// removed or threaded groups.
func (c *cage) giveUp(err error) bool {
	if c.dir == nil {
		return false
	}
	for _, e := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM, syscall.ENODEV, syscall.EBUSY, syscall.EOPNOTSUPP, syscall.EINVAL, syscall.EACCES} {
		if errors.Is(err, e) {
			c.remove()
			c.path, c.dir = "", nil
			return true
		}
	}
	return false
}

// kill kills all processes in the cage. p is the one that was started, if it
// has not been waited for.
func (c *cage) kill(p *os.Process) {
	if c.pgid > 0 {
		_ = syscall.Kill(-c.pgid, syscall.SIGKILL)
	}
	if p != nil {
		_ = p.Kill()
	}
	if c.path == "" {
		return
	}
	if os.WriteFile(filepath.Join(c.path, "cgroup.kill"), []byte("1"), 0) != nil {
		c.killEach() // before Linux 5.14
	}
}

// killEach kills until nobody is left; a fork may slip through one round.
func (c *cage) killEach() {
	for range 50 {
		text, err := os.ReadFile(filepath.Join(c.path, "cgroup.procs"))
		pids := strings.Fields(string(text))
		if err != nil || len(pids) == 0 {
			return
		}
		for _, s := range pids {
			if pid, err := strconv.Atoi(s); err == nil && pid > 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// empty says whether no process is left, without waiting.
func (c *cage) empty() bool {
	if c.path == "" {
		return true
	}
	text, err := os.ReadFile(filepath.Join(c.path, "cgroup.procs"))
	return err != nil || len(strings.TrimSpace(string(text))) == 0
}

// remove gives the cage up. It reports false, and can be called again, while
// processes are in it.
func (c *cage) remove() bool {
	if c.dir != nil {
		c.dir.Close()
		c.dir = nil
	}
	if c.path == "" {
		return true
	}
	err := os.Remove(c.path)
	return err == nil || os.IsNotExist(err)
}
