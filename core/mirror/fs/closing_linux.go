package fs

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// closer closes descriptors for writing such that no program that this process is just
// starting has them: from fork to exec it has all, and if it is the last to close one, fanotify
// tells of a program that wrote past the mount. syscall.ForkLock keeps new ones from being
// started; those that were have lost their copies after a moment.
type closer struct {
	mu      sync.Mutex
	fds     []int
	running bool
	idle    sync.WaitGroup
}

// moment is longer than a started program takes from vfork's return to the closing of
// what it inherited, also where it has to wait for a processor: a false alarm costs a
// resynchronisation. Meanwhile no other program starts.
const moment = 20 * time.Millisecond

// close closes fd soon.
func (c *closer) close(fd int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fds = append(c.fds, fd)
	if !c.running {
		c.running = true
		c.idle.Go(c.run)
	}
}

func (c *closer) run() {
	for {
		syscall.ForkLock.RLock()
		time.Sleep(moment)
		c.mu.Lock()
		fds := c.fds
		c.fds = nil
		c.running = len(fds) > 0
		c.mu.Unlock()
		for _, fd := range fds {
			unix.Close(fd)
		}
		syscall.ForkLock.RUnlock()
		if len(fds) == 0 {
			return
		}
	}
}

// drain waits until all is closed.
func (c *closer) drain() { c.idle.Wait() }
