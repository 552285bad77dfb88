package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk/hostname"
)

// drainWait is how long the output of a process is awaited after its end. Only
// a child that it left behind with the same output can make use of it.
const drainWait = 250 * time.Millisecond

// killWait is how long a killed process may take to vanish.
const killWait = time.Second

// command is a program to run. Args holds the program's arguments without its
// name.
type command struct {
	host   string // the host name that it sees; empty: the machine's
	path   string
	args   []string
	dir    string
	env    []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// processes are the processes of one run of a hook, each in a cage of its own:
// what the system offers to kill a process with all its children.
type processes struct {
	name   string // of the hook, for the names of cages
	mu     sync.Mutex
	cages  []*cage
	closed bool // the run is over: nothing may be started any more
}

// errRunOver is what a run that was left behind gets when it tries to go on.
var errRunOver = errors.New("the hook is over")

// run runs a command to its end and returns its exit code. If ctx ends first,
// the command is killed with all its children and the cause is the error.
func (p *processes) run(ctx context.Context, c command) (int, error) {
	if err := context.Cause(ctx); err != nil {
		return -1, err
	}
	out, err := newDrain(c.stdout)
	if err != nil {
		return -1, fmt.Errorf("start %s: %w", c.path, err)
	}
	errs, err := newDrain(c.stderr)
	if err != nil {
		out.abort()
		return -1, fmt.Errorf("start %s: %w", c.path, err)
	}
	cmd, cg, err := p.start(c, out.w, errs.w)
	out.start()
	errs.start()
	if err != nil {
		return -1, startError(c, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		p.mu.Lock()
		cg.ended()
		p.mu.Unlock()
	case <-ctx.Done():
		p.mu.Lock()
		cg.kill(cmd.Process)
		p.mu.Unlock()
		waitFor(ended, killWait)
		waitFor(out.done, drainWait)
		waitFor(errs.done, drainWait)
		return -1, context.Cause(ctx)
	}
	waitFor(out.done, drainWait)
	waitFor(errs.done, drainWait)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return -1, fmt.Errorf("wait for %s: %w", c.path, err)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// start starts the command in a new cage, or in its process group alone if the
// cage refuses.
func (p *processes) start(c command, stdout, stderr *os.File) (*exec.Cmd, *cage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errRunOver
	}
	cg := newCage(p.name)
	p.cages = append(p.cages, cg)
	for attempt := 0; ; attempt++ {
		cmd := newCommand(c, stdout, stderr)
		cg.prepare(cmd)
		err := hostname.Start(cmd, c.host)
		switch {
		case err == nil:
			cg.started(cmd.Process)
			return cmd, cg, nil
		case errors.Is(err, syscall.ETXTBSY) && attempt < 20:
			// A process that is being forked elsewhere in this program still
			// holds the freshly written file open; it will exec in a moment.
			time.Sleep(5 * time.Millisecond)
		case cg.giveUp(err):
		default:
			return nil, cg, err
		}
	}
}

func newCommand(c command, stdout, stderr *os.File) *exec.Cmd {
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, c.stdin
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = killWait // for a child that left its standard input unread
	return cmd
}

func startError(c command, err error) error {
	if errors.Is(err, os.ErrNotExist) && c.dir != "" {
		if _, gone := os.Stat(c.dir); gone != nil {
			return fmt.Errorf("start %s: directory %s does not exist", c.path, c.dir)
		}
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without "fork/exec", which says nothing to a reader
	}
	return fmt.Errorf("start %s: %w", c.path, err)
}

// killAll kills whatever the run has started and is still there, and lets it
// start nothing more.
func (p *processes) killAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, cg := range p.cages {
		cg.kill(nil)
	}
	// What comes next (a forced stop) should not meet those that are dying.
	for end := time.Now().Add(killWait); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if !slices.ContainsFunc(p.cages, func(cg *cage) bool { return !cg.empty() }) {
			return
		}
	}
}

// release gives up the cages and returns those that still hold processes: a
// hook may start a program that goes on in the background.
func (p *processes) release() (busy []*cage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, cg := range p.cages {
		if !cg.remove() {
			busy = append(busy, cg)
		}
	}
	p.cages = nil
	return busy
}

// drain carries a process's output to a writer. It goes on reading until
// the last process that has the output closes it, so that a program left in the
// background is not killed by its first line of output.
type drain struct {
	r, w *os.File
	to   io.Writer
	done chan error
}

func newDrain(to io.Writer) (*drain, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	return &drain{r: r, w: w, to: to, done: make(chan error, 1)}, nil
}

// start closes this side's copy of the writing end and begins to read.
func (d *drain) start() {
	d.w.Close()
	go func() {
		_, err := io.Copy(d.to, d.r)
		d.r.Close()
		d.done <- err
	}()
}

func (d *drain) abort() {
	d.r.Close()
	d.w.Close()
}

// waitFor waits for a channel, but not for ever.
func waitFor(ch <-chan error, limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-ch:
	case <-t.C:
	}
}

// leftovers are cages that still held processes when their hook had ended. They
// are removed when they have become empty.
type leftovers struct {
	mu    sync.Mutex
	cages []*cage
}

func (l *leftovers) add(cages []*cage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keep := cages
	for _, cg := range l.cages {
		if !cg.remove() {
			keep = append(keep, cg)
		}
	}
	l.cages = keep
}
