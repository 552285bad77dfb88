package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/vishvananda/netns"
)

// node is one server of a lab: its namespace and the daemon in it.
type node struct {
	place  place
	name   string
	number int
	ns     netns.NsHandle

	mu     sync.Mutex
	daemon *exec.Cmd // nil before the first start
	ended  chan struct{}
	exit   string
}

func (n *node) path() string { return filepath.Join(namespaces, n.place.namespace(n.name)) }

// start runs the daemon in the node's namespace, in a session of its own. It is
// an error when one is running.
func (n *node) start(o Options) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.alive() {
		return fmt.Errorf("the daemon of %s is already running (process %d)", n.name, n.daemon.Process.Pid)
	}
	if err := os.MkdirAll(n.place.home(n.name), 0o700); err != nil {
		return fmt.Errorf("make the home of %s: %w", n.name, err)
	}
	log, err := os.OpenFile(n.place.logFile(n.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", n.name, err)
	}
	defer log.Close()
	cmd := exec.Command(o.Program, o.Args...)
	cmd.Env = environment(n.place, n.name, o.Env)
	cmd.Dir = filepath.Join(n.place.dir, n.name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// A child is born in the namespace of the thread that forks it.
	if err := inside(n.ns, cmd.Start); err != nil {
		return fmt.Errorf("start the daemon of %s: %w", n.name, err)
	}
	n.daemon, n.exit, n.ended = cmd, "", make(chan struct{})
	go n.wait(cmd, n.ended)
	return nil
}

func (n *node) wait(cmd *exec.Cmd, ended chan struct{}) {
	err := cmd.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.exit = cmd.ProcessState.String()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		n.exit = err.Error()
	}
	close(ended)
}

// alive needs the lock.
func (n *node) alive() bool {
	if n.daemon == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// signal reaches the daemon's process only.
func (n *node) signal(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.alive() {
		return fmt.Errorf("the daemon of %s %w", n.name, errNotRunning)
	}
	if err := n.daemon.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal the daemon of %s: %w", n.name, err)
	}
	return nil
}

// done is closed when no daemon runs.
func (n *node) done() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.daemon == nil {
		gone := make(chan struct{})
		close(gone)
		return gone
	}
	return n.ended
}

func (n *node) pid() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.alive() {
		return 0
	}
	return n.daemon.Process.Pid
}

// everything signals all processes of the node, the daemon first. SIGKILL is
// repeated until nobody is left who could have forked meanwhile.
func (n *node) everything(sig syscall.Signal) error {
	return signalNamespace(n.path(), sig, n.pid())
}

func signalNamespace(path string, sig syscall.Signal, first int) error {
	for range 50 {
		reached, err := signalAll(path, sig, first)
		if err != nil || reached == 0 || sig != syscall.SIGKILL {
			return err
		}
	}
	return nil // the dying ones are waited for by whoever needs them gone
}

func (n *node) status() NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := NodeStatus{
		Name: n.name, Address: NodeAddress(n.number).String(), Address6: NodeAddress6(n.number).String(), Namespace: n.place.namespace(n.name),
		Home: n.place.home(n.name), Log: n.place.logFile(n.name), Daemon: DaemonExited, Exit: n.exit,
	}
	switch {
	case n.daemon == nil:
		s.Daemon = DaemonNone
	case n.alive():
		s.Daemon, s.PID = DaemonRunning, n.daemon.Process.Pid
		if stopped(s.PID) {
			s.Daemon = DaemonPaused
		}
	}
	return s
}

// lastLines answers the end of a file, for error messages.
func lastLines(path string, size int64) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > size {
		if _, err := file.Seek(-size, io.SeekEnd); err != nil {
			return ""
		}
	}
	text, err := io.ReadAll(io.LimitReader(file, size))
	if err != nil {
		return ""
	}
	return string(text)
}
