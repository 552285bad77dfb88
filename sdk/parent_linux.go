package sdk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// exitWithParent ends this process as soon as the one that started it is gone, after last.
//
// It waits for a pidfd of the parent (pidfd_open(2)) and not for
// PR_SET_PDEATHSIG, which fires when the parent's thread ends, not the process:
// in a host written in Go threads may end at any time. A host may set that
// signal in addition where it forks from a thread that lives as long as it
// does.
func exitWithParent(last func()) error {
	parent := os.Getppid()
	fd, err := unix.PidfdOpen(parent, 0)
	if err != nil {
		return fmt.Errorf("open parent process %d: %w", parent, err)
	}
	if os.Getppid() != parent { // it died before pidfd_open, which may have found another process
		return fmt.Errorf("parent process %d is gone already", parent)
	}
	go func() {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if err == nil && n > 0 {
				last()
				removeSocketDir()
				os.Exit(0)
			}
		}
	}()
	return nil
}

// nameProcess gives the process the name of its program where it was started
// through /proc/self/exe.
func nameProcess() {
	comm, err := os.ReadFile("/proc/self/comm")
	if err == nil && strings.TrimSpace(string(comm)) == "exe" {
		_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0) // cosmetic only
	}
}
