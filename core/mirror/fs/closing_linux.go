package fs

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// closer closes descriptors for writing such that no program that this process is just
// starting has them: from fork to exec it has all, and if it is the last to close one, fanotify
// tells of a program that wrote past the mount. syscall.ForkLock keeps new ones from being
// started, and a canary tells when those that were have lost their copies.
type closer struct {
	mu      sync.Mutex
	fds     []int
	running bool
	idle    sync.WaitGroup
	highest int    // descriptor so far
	canary  canary // inherited by all programs that are started
}

// canary is a pipe to which nobody writes. It ends when nobody has its end for writing any more:
// when all programs that inherited it have been executed. The kernel closes what is close-on-exec
// by number, so that programs have lost all lower descriptors then.
type canary struct{ read, write int }

const (
	batching = 20 * time.Millisecond // what is closed meanwhile goes together
	patience = 5 * time.Second       // for a program that cannot be executed and does not end
	headroom = 1024                  // descriptors that are opened before there is another canary
)

// newCanary makes one above a descriptor, if there is room.
func newCanary(above int) (canary, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return canary{}, fmt.Errorf("make a pipe: %w", err)
	}
	c := canary{ends[0], ends[1]}
	if high, err := unix.FcntlInt(uintptr(c.write), unix.F_DUPFD_CLOEXEC, above+headroom); err == nil {
		unix.Close(c.write)
		c.write = high
	}
	return c, nil
}

// wait closes it, and returns when nobody else has it.
func (c canary) wait() {
	unix.Close(c.write)
	defer unix.Close(c.read)
	for limit := time.Now().Add(patience); ; {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(c.read), Events: unix.POLLIN}}, int(max(0, time.Until(limit).Milliseconds())))
		if err != unix.EINTR {
			return
		}
	}
}

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
		time.Sleep(batching)
		fds := c.take()
		if len(fds) == 0 {
			return
		}
		c.closeAll(fds)
	}
}

func (c *closer) take() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	fds := c.fds
	c.fds, c.running = nil, len(fds) > 0
	return fds
}

func (c *closer) closeAll(fds []int) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	top := slices.Max(fds)
	c.highest = max(c.highest, top)
	covered := top < c.canary.write
	if next, err := newCanary(c.highest); err == nil { // else there are no descriptors for a program, either
		c.canary.wait()
		c.canary = next
	}
	if !covered {
		time.Sleep(batching)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// drain waits until all is closed, and ends.
func (c *closer) drain() {
	c.idle.Wait()
	c.canary.wait()
}
