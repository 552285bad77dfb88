package heartbeat

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
)

// drainLimit ends a drain that a flood would make endless.
const drainLimit = 10_000

// loop is the one thread that polls, drains and judges.
type loop struct {
	e       *engine
	now     func() int64
	wakeFD  int
	wakeEnd *os.File // owns wakeFD: writing after the end fails instead of hitting a stranger's descriptor
	socks   []*socket
	polls   []unix.PollFd
	cookie  uint64
	seq     uint16
	in      []byte
	oob     []byte
	sleep   unix.Timespec
}

// clock returns a reader of CLOCK_BOOTTIME, the clock of the filter's lease,
// for any goroutine.
func clock() func() int64 {
	return func() int64 {
		var ts unix.Timespec
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
			return 0
		}
		return ts.Nano()
	}
}

// room guards the number of Ps, which belongs to the whole process.
var room sync.Mutex

// keepRoom gives the program one more P for a loop that keeps its own.
func keepRoom(loops int) {
	room.Lock()
	defer room.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + loops)
}

// serve runs the loop on a thread of its own, which ends with it.
func (h *Heartbeat) serve(ready chan<- error) {
	defer close(h.done)
	runtime.LockOSThread() // never unlocked: the thread's priority must not outlive the loop
	l, err := newLoop(h.e)
	if err != nil {
		ready <- err
		return
	}
	defer l.close()
	h.wake = func() { l.wakeEnd.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}) }
	prefer(h.e.o.Priority, h.e.o.Log)
	keepRoom(1)
	defer keepRoom(-1)
	ready <- nil
	l.run()
}

func newLoop(e *engine) (*loop, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make an eventfd: %w", err)
	}
	l := &loop{e: e, wakeFD: fd, wakeEnd: os.NewFile(uintptr(fd), "heartbeat wake"),
		cookie: newCookie(), in: make([]byte, 2048), oob: make([]byte, 512)}
	var ts unix.Timespec
	l.now = func() int64 {
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail with a valid clock and address
		return ts.Nano()
	}
	if err := e.open(l, l.now); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// run polls until Close. The time at which is judged is read before draining:
// whatever had arrived by then is known when tick judges, however long the
// thread was kept waiting in between.
func (l *loop) run() {
	due := l.now()
	for {
		l.wait(due)
		now := l.now()
		l.drain()
		if l.e.closing.Load() {
			l.e.goodbye(now)
			return
		}
		due = l.e.step(now)
	}
}

// wait sleeps until a packet, an order, or due.
//
// The system call is a raw one: the scheduler does not hear of it, so that this
// thread keeps the right to run Go code (its P) while it sleeps, and has not to
// win one back, at each packet, from threads that may be starved. It also
// spares the scheduler's monitor, which cost more than the heartbeat itself. The
// price is one more P for the rest of the program (see keepRoom); a
// garbage collection that has to stop the thread interrupts the call by a signal.
func (l *loop) wait(due int64) {
	l.sleep = unix.NsecToTimespec(max(0, due-l.now()))
	for i := range l.polls {
		l.polls[i].Revents = 0
	}
	// An error (EINTR) is an early wake-up.
	unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&l.polls[0])), uintptr(len(l.polls)), uintptr(unsafe.Pointer(&l.sleep)), 0, 0, 0)
}

// drain reads all that is there, from every socket, whatever poll said: more
// may have come since.
func (l *loop) drain() {
	unix.Read(l.wakeFD, l.in[:8]) // resets it
	for i, s := range l.socks {
		for range drainLimit {
			n, err := unix.Read(s.udp, l.in)
			if err == nil {
				l.e.receive(l.now(), i, l.in[:n])
			} else if again(err) {
				break
			}
		}
		if l.polls[s.poll].Revents&unix.POLLERR != 0 {
			l.refusals(i, s)
		}
		if s.icmp < 0 {
			continue
		}
		for range drainLimit {
			n, err := unix.Read(s.icmp, l.in)
			if err == nil {
				if node, ok := s.answer(l.in[:n], l.cookie); ok {
					l.e.det.answered(l.now(), node)
				}
			} else if again(err) {
				break
			}
		}
	}
}

// refusals reads what peers' kernels said of beats.
func (l *loop) refusals(network int, s *socket) {
	for range drainLimit {
		node, more := s.refusal(l.in, l.oob)
		if node != 0 {
			l.e.det.refused(l.now(), network, node)
		}
		if !more {
			return
		}
	}
}

// again tells that there is nothing more to read. Other errors are a peer's
// refusal and the like: reported once, and the next read goes on.
func again(err error) bool {
	return err == unix.EAGAIN || err == unix.EBADF || err == unix.ENOTSOCK
}

// send implements wire.
func (l *loop) send(network int, node core.NodeID, b []byte) error {
	s := l.socks[network]
	to := s.peers[node]
	if to == nil {
		return unix.EDESTADDRREQ
	}
	err := unix.Sendto(s.udp, b, 0, to)
	if err != nil && err != unix.EAGAIN {
		err = unix.Sendto(s.udp, b, 0, to) // the first error may have been about an earlier packet to somebody else
	}
	return err
}

// ping implements wire.
func (l *loop) ping(p ping) {
	l.seq++
	l.socks[p.network].ask(p.node, l.cookie, l.seq)
}

// linkDown implements wire.
func (l *loop) linkDown(network int) bool { return l.socks[network].linkDown(l.now()) }

// use implements wire.
func (l *loop) use(networks []Network) (canPing bool, err error) {
	socks := make([]*socket, 0, len(networks))
	kept := map[*socket]bool{}
	for _, n := range networks {
		s := l.reuse(n)
		if s == nil {
			if s, err = openSocket(n, l.e.o.Log); err != nil {
				break
			}
		} else {
			kept[s] = true
		}
		socks = append(socks, s)
	}
	if err != nil {
		closeSockets(socks, kept)
		return false, err
	}
	closeSockets(l.socks, kept)
	l.socks = socks
	l.polls = append(l.polls[:0], unix.PollFd{Fd: int32(l.wakeFD), Events: unix.POLLIN})
	canPing = true
	for i, s := range socks {
		s.setPeers(networks[i])
		s.poll = len(l.polls)
		l.polls = append(l.polls, unix.PollFd{Fd: int32(s.udp), Events: unix.POLLIN})
		if s.icmp >= 0 {
			l.polls = append(l.polls, unix.PollFd{Fd: int32(s.icmp), Events: unix.POLLIN})
		}
		canPing = canPing && s.icmp >= 0
	}
	return canPing, nil
}

// reuse finds the open socket of a network.
func (l *loop) reuse(n Network) *socket {
	for _, s := range l.socks {
		if s.local == n.Local {
			return s
		}
	}
	return nil
}

func closeSockets(socks []*socket, keep map[*socket]bool) {
	for _, s := range socks {
		if !keep[s] {
			s.close()
		}
	}
}

func (l *loop) close() {
	closeSockets(l.socks, nil)
	l.wakeEnd.Close()
}

// linkRetry is how often a missing interface is looked for again.
const linkRetry = int64(500 * time.Millisecond)
