package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Of linux/connector.h and linux/cn_proc.h.
const (
	cnProc       = 1     // CN_IDX_PROC, and CN_VAL_PROC
	mcastListen  = 1     // PROC_CN_MCAST_LISTEN
	eventNone    = 0     // the answer to mcastListen
	eventFork    = 1     //
	eventExec    = 2     //
	eventComm    = 0x200 // a process changed its name
	nlmsgHeader  = 16    // struct nlmsghdr
	cnHeader     = 20    // struct cn_msg
	eventHeader  = 16    // of struct proc_event, before what differs
	answerWithin = time.Second
	// batch is how long events are gathered: processes that have ended again by then
	// are not looked at.
	batch = 20 * time.Millisecond
)

// births hears from the kernel which processes were born, and which run another program
// or have another name (the process connector of Linux). One socket for all checks,
// open while somebody listens.
type births struct {
	open func() (*os.File, error) // for tests; nil: the kernel's

	mu     sync.Mutex
	file   *os.File
	next   int
	listen map[int]birthListener
}

// birthListener is told of processes, and of those that it was not told of.
type birthListener struct {
	call   func(proc)
	missed func()
}

// subscribe tells l until cancel is called; it fails where the kernel or the rights of
// this process do not allow it.
func (b *births) subscribe(l birthListener, look func(pid int) (proc, bool)) (cancel func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		open := b.open
		if open == nil {
			open = openBirths
		}
		if b.file, err = open(); err != nil {
			return nil, err
		}
		go b.read(b.file, look)
	}
	if b.listen == nil {
		b.listen = map[int]birthListener{}
	}
	b.next++
	n := b.next
	b.listen[n] = l
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listen, n)
		if len(b.listen) == 0 && b.file != nil {
			_ = b.file.Close()
			b.file = nil
		}
	}, nil
}

// tell tells of the processes that are still there. 0 stands for some that nobody
// knows.
func (b *births) tell(pids map[int]bool, look func(pid int) (proc, bool)) {
	var there []proc
	for pid := range pids {
		if p, ok := look(pid); ok && pid != 0 {
			there = append(there, p)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listen {
		if pids[0] {
			l.missed()
		}
		for _, p := range there {
			l.call(p)
		}
	}
}

// read tells of events until the file is closed. It wakes for the first of a batch, and
// reads the others when their time is over: to wake for each costs more than the rest.
func (b *births) read(f *os.File, look func(pid int) (proc, bool)) {
	conn, err := f.SyscallConn()
	if err != nil {
		return // it is closed
	}
	buffer := make([]byte, 4096)
	for pids := map[int]bool{}; ; clear(pids) {
		if conn.Read(func(fd uintptr) bool { return drain(int(fd), buffer, pids) }) != nil {
			return
		}
		if len(pids) == 0 {
			continue
		}
		time.Sleep(batch)
		if conn.Read(func(fd uintptr) bool { drain(int(fd), buffer, pids); return true }) != nil {
			return
		}
		b.tell(pids, look)
	}
}

// drain reads what there is, and says whether there was something.
func drain(fd int, buffer []byte, pids map[int]bool) (any bool) {
	for {
		n, err := unix.Read(fd, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // more than the socket holds
			pids[0], any = true, true
			continue
		case err != nil || n == 0:
			return any
		}
		any = true
		if pid, ok := born(buffer[:n]); ok {
			pids[pid] = true
		}
	}
}

// born answers which process a message tells of: one that was forked, runs another
// program, or was renamed. Threads do not count.
func born(message []byte) (pid int, ok bool) {
	at := nlmsgHeader + cnHeader
	if len(message) < at+eventHeader+16 {
		return 0, false
	}
	what, e := binary.NativeEndian.Uint32(message[at:]), message[at+eventHeader:]
	number := func(i int) int { return int(binary.NativeEndian.Uint32(e[4*i:])) }
	switch what {
	case eventFork:
		return number(2), number(2) == number(3) // child_pid, child_tgid
	case eventExec, eventComm:
		return number(1), true // process_tgid
	}
	return 0, false
}

// openBirths opens the socket and waits for the kernel's word that it will tell. The
// connector lives in the first network namespace, and speaks to processes of the first
// process namespace only.
func openBirths() (*os.File, error) {
	f, err := listenHere()
	if errors.Is(err, unix.ECONNREFUSED) {
		f, err = listenFirst()
	}
	if err != nil {
		return nil, fmt.Errorf("listen for new processes: %w", err)
	}
	if err := answered(f, answerWithin); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("listen for new processes: %w", err)
	}
	return f, nil
}

// listenHere asks from the network namespace of this thread.
func listenHere() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, err
	}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnProc}); err == nil {
		err = unix.Sendto(fd, listenMessage(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "process connector"), nil
}

// listenFirst asks from the network namespace of the first process.
func listenFirst() (*os.File, error) {
	first, err := os.Open("/proc/1/ns/net")
	if err != nil {
		return nil, err
	}
	defer first.Close() //nolint:errcheck // it was only entered
	type answer struct {
		f   *os.File
		err error
	}
	done := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(first.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- answer{nil, err}
			return
		}
		f, err := listenHere()
		done <- answer{f, err}
	}()
	a := <-done
	return a.f, a.err
}

// listenMessage asks for events.
func listenMessage() []byte {
	m := make([]byte, nlmsgHeader+cnHeader+4)
	put := binary.NativeEndian
	put.PutUint32(m[0:], uint32(len(m)))
	put.PutUint16(m[4:], unix.NLMSG_DONE)
	put.PutUint32(m[12:], uint32(os.Getpid()))
	put.PutUint32(m[16:], cnProc)
	put.PutUint32(m[20:], cnProc)
	put.PutUint16(m[32:], 4) // length of what follows
	put.PutUint32(m[36:], mcastListen)
	return m
}

// answered waits for the kernel's answer. Where it may not tell this process, it says so
// or is silent. What comes later has no deadline.
func answered(f *os.File, within time.Duration) error {
	if err := f.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	defer f.SetReadDeadline(time.Time{}) //nolint:errcheck // it could be set
	buffer := make([]byte, 4096)
	for {
		n, err := f.Read(buffer)
		if errors.Is(err, unix.ENOBUFS) {
			return nil // it tells more than was read in time
		}
		if err != nil {
			return fmt.Errorf("the kernel does not answer: %w", err)
		}
		at := nlmsgHeader + cnHeader
		if n < at+eventHeader+4 || binary.NativeEndian.Uint32(buffer[at:]) != eventNone {
			continue
		}
		if code := binary.NativeEndian.Uint32(buffer[at+eventHeader:]); code != 0 {
			return unix.Errno(code)
		}
		return nil
	}
}
