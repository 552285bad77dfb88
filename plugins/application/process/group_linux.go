package process

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// findCgroup answers the directory in which instances get their groups: under
// the cgroup2 mount named in mountinfo, a folder "orchestrator", with a mark of
// the home directory unless that is the usual one, as several nodes may live on
// one machine. Empty if there is no cgroup v2 that can be written to.
func findCgroup(mountinfo, home string) string {
	f, err := os.Open(mountinfo)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	name := "orchestrator"
	if filepath.Clean(home) != defaultHome {
		h := fnv.New32a()
		_, _ = h.Write([]byte(filepath.Clean(home))) // never fails
		name = fmt.Sprintf("orchestrator-%08x", h.Sum32())
	}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		// proc_pid_mountinfo(5): fifth field mount point, then after " - " the type
		left, right, ok := strings.Cut(sc.Text(), " - ")
		fields := strings.Fields(left)
		if !ok || len(fields) < 5 || !strings.HasPrefix(right, "cgroup2 ") {
			continue
		}
		dir := filepath.Join(fields[4], name)
		if os.MkdirAll(dir, 0o755) == nil {
			removeIfOwn(dir) // it was a trial
			return dir
		}
	}
	return ""
}

// cgroup is the directory of a control group.
type cgroup string

func (c *controller) groupOf(instance string) cgroup {
	return cgroup(filepath.Join(c.cgroup, url.PathEscape(instance)))
}

// makeGroup makes an instance's group, and the folder of all groups if this is
// the first.
func (c *controller) makeGroup(instance string) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := string(c.groupOf(instance))
	if err := os.MkdirAll(g, 0o755); err != nil {
		return nil, err
	}
	return os.Open(g)
}

// removeGroup removes a group, and the folder of all groups if it was the last.
func (c *controller) removeGroup(g group) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := g.remove()
	removeIfOwn(c.cgroup)
	return err
}

// removeIfOwn removes the folder of all groups if it is empty and only this
// controller makes groups there, as where it bears the mark of a home.
func removeIfOwn(dir string) {
	if strings.HasPrefix(filepath.Base(dir), "orchestrator-") {
		_ = os.Remove(dir) // there are others if this fails
	}
}

// pids lists the live processes in the group and the groups below.
func (g cgroup) pids() ([]int, error) {
	var pids []int
	err := filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV) {
			return err
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid != 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	slices.Sort(pids)
	return pids, err
}

// kill kills all at once (cgroup.kill, Linux 5.14), or one by one; the caller
// repeats until nothing is left.
func (g cgroup) kill() error {
	err := os.WriteFile(filepath.Join(string(g), "cgroup.kill"), []byte("1"), 0)
	if err == nil {
		return nil
	}
	pids, err := g.pids()
	if err != nil {
		return err
	}
	return signalAll(pids, syscall.SIGKILL)
}

// remove removes the group and those below, deepest first.
func (g cgroup) remove() error {
	var dirs []string
	err := filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		if err := removeGroupDir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// A process leaves cgroup.procs a moment before the kernel lets its group be
// removed: so long EBUSY is no failure.
const (
	busyTime  = 2 * time.Second
	busyPause = 5 * time.Millisecond
)

func removeGroupDir(dir string) error {
	for end := time.Now().Add(busyTime); ; time.Sleep(busyPause) {
		err := os.Remove(dir)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// session is the processes of a session whose leader is known by number and
// start time.
type session struct {
	pid   int
	start uint64
}

// pids lists the live processes of the session. A leader with another start
// time is another program that got the number later.
func (s session) pids() ([]int, error) {
	if s.pid == 0 {
		return nil, nil
	}
	if leader, err := readProc(s.pid); err == nil && leader.start != s.start {
		return nil, nil
	}
	all, err := proc.IDs()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, pid := range all {
		if p, err := readProc(pid); err == nil && p.session == s.pid && !p.dead() && p.start >= s.start {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func (s session) kill() error {
	pids, err := s.pids()
	if err != nil {
		return err
	}
	return signalAll(pids, syscall.SIGKILL)
}

func (session) remove() error { return nil }

// signalAll sends a signal to processes, some of which may be gone.
func signalAll(pids []int, sig syscall.Signal) error {
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("send %v to process %d: %w", sig, pid, err))
		}
	}
	return errors.Join(errs...)
}
