package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	kernel "github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// argsKnown says that command lines can be read here.
const argsKnown = true

// nameLen is how much of a command name the kernel keeps (TASK_COMM_LEN less
// the final zero).
const nameLen = 15

// linux reads /proc.
type linux struct {
	// namespace is the network namespace that a process must be in to count;
	// empty if any will do.
	namespace string
	stat      func(pid int) ([]byte, error) // reads proc_pid_stat(5)
	units     units
	born      births

	mu    sync.Mutex
	taken time.Time // when the latest scan began
	list  []proc
}

// newSystem decides which processes count. Where this node lives in a network
// namespace of its own, beside others on the same machine (a lab), only
// processes in that namespace are its own. A lab says so: the namespace of
// process 1 may be hidden from this one.
func newSystem() system {
	s := &linux{stat: readStat}
	own, err1 := os.Readlink("/proc/self/ns/net")
	first, err2 := os.Readlink("/proc/1/ns/net")
	beside := err2 == nil && own != first || os.Getenv("ORCHESTRATOR_LAB") != ""
	if err1 == nil && beside {
		s.namespace = own
	}
	return s
}

func readStat(pid int) ([]byte, error) { return kernel.ReadFile(pid, "stat") }

func (*linux) matches(shown, asked string) bool {
	return shown == asked[:min(len(asked), nameLen)]
}

// processes scans /proc unless the latest scan is fresh enough, or began after
// this call.
func (s *linux) processes(ctx context.Context, age time.Duration) ([]proc, error) {
	oldest := time.Now().Add(-age)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken.Before(oldest) {
		return s.list, nil
	}
	began := time.Now()
	ids, err := kernel.IDs()
	if err != nil {
		return nil, err
	}
	var list []proc
	for _, pid := range ids {
		if pid == os.Getpid() {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p, err := s.read(pid)
		if errors.Is(err, kernel.ErrHangs) {
			if i := slices.IndexFunc(s.list, func(p proc) bool { return p.pid == pid }); i >= 0 {
				p, err = s.list[i], nil // as it was
			}
		}
		if err == nil {
			list = append(list, p)
		}
	}
	s.taken, s.list = began, list
	return list, nil
}

// errEnded is of a process that is gone, or a zombie.
var errEnded = errors.New("it has ended")

// read looks at one process.
func (s *linux) read(pid int) (proc, error) {
	stat, err := s.stat(pid)
	if err != nil {
		return proc{}, err
	}
	name, state, start, err := parseStat(stat)
	if err == nil && (state == 'Z' || state == 'X') {
		err = errEnded
	}
	return proc{
		id: id{pid, start}, name: name,
		args: func() (string, error) { return arguments(pid) },
		here: func() (bool, error) { return s.here(pid) },
	}, err
}

// parseStat reads name, state and start time, proc_pid_stat(5). The name may
// hold anything, blanks and brackets too.
func parseStat(stat []byte) (name string, state byte, start uint64, err error) {
	from, to := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if from < 0 || to < from {
		return "", 0, 0, errors.New("no name in stat")
	}
	fields := strings.Fields(string(stat[to+1:])) // the first is field 3
	if len(fields) < 20 {
		return "", 0, 0, fmt.Errorf("%d fields in stat", len(fields))
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return string(stat[from+1 : to]), fields[0][0], start, err
}

// arguments is the command line with blanks between the arguments.
func arguments(pid int) (string, error) {
	b, err := kernel.ReadFile(pid, "cmdline")
	return string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '})), err
}

func (s *linux) here(pid int) (bool, error) {
	if s.namespace == "" {
		return true, nil
	}
	ns, err := kernel.Readlink(pid, "ns/net")
	return ns == s.namespace, err
}

// births tells of processes that are still there when their event is read.
func (s *linux) births(call func(proc), missed func()) (cancel func(), err error) {
	return s.born.subscribe(birthListener{call, missed}, func(pid int) (proc, bool) {
		p, err := s.read(pid)
		return p, err == nil
	})
}

// died waits for a pidfd (pidfd_open(2), Linux 5.10 for non-blocking ones).
func (*linux) died(pid int, call func()) (cancel func(), ok bool) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		call()
		return func() {}, true
	}
	if err != nil {
		return nil, false
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	conn, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, false
	}
	go func() {
		err := conn.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return err == nil && n > 0
		})
		if err == nil { // an error means cancelled
			call()
		}
	}()
	return func() { _ = f.Close() }, true
}
