package pluginhost

import (
	"runtime"
	"syscall"
)

// spawner forks from one thread that lives as long as the host:
// PR_SET_PDEATHSIG fires when the thread that forked ends, and threads of a Go
// program may end at any time.
type spawner struct {
	jobs chan func()
	quit chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func()), quit: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		for {
			select {
			case f := <-s.jobs:
				f()
			case <-s.quit:
				return
			}
		}
	}()
	return s
}

// do runs f on the thread.
func (s *spawner) do(f func() error) error {
	done := make(chan error, 1)
	s.jobs <- func() { done <- f() }
	return <-done
}

func (s *spawner) close() { close(s.quit) }

// attributes make the kernel kill the plugin when the host dies, and keep a
// terminal's Ctrl-C from it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
