package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// processesIn lists the processes whose network namespace is that of the path,
// without this one.
func processesIn(path string) ([]int, error) {
	var ns unix.Stat_t
	if err := unix.Stat(path, &ns); err != nil {
		return nil, fmt.Errorf("look at network namespace %s: %w", path, err)
	}
	all, err := proc.IDs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, pid := range all {
		if pid == os.Getpid() {
			continue
		}
		own, err := proc.Ask(pid, func() (own unix.Stat_t, err error) {
			err = unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &own)
			return own, err
		})
		if err != nil { // a process that has gone, and a zombie, have no namespace
			continue
		}
		if own.Ino == ns.Ino && own.Dev == ns.Dev {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// signalAll signals every process of a namespace, those in first before the
// others, and answers how many it reached.
func signalAll(path string, sig syscall.Signal, first ...int) (int, error) {
	pids, err := processesIn(path)
	if err != nil {
		return 0, err
	}
	slices.SortStableFunc(pids, func(a, b int) int {
		return rank(first, a) - rank(first, b)
	})
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("signal process %d: %w", pid, err))
		}
	}
	return len(pids), errors.Join(errs...)
}

func rank(first []int, pid int) int {
	if slices.Contains(first, pid) {
		return 0
	}
	return 1
}

// stopped says whether a process is halted by SIGSTOP (proc_pid_stat(5)).
func stopped(pid int) bool {
	stat, err := proc.ReadFile(pid, "stat")
	if err != nil {
		return false
	}
	end := bytes.LastIndexByte(stat, ')')
	return end >= 0 && len(stat) > end+2 && stat[end+2] == 'T'
}
