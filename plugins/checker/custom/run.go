package custom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// killAfter is how long a program has after it was asked to end. Tests change it.
var killAfter = time.Second

// drainWait is how long output is awaited after the end of a program: more than a busy
// machine keeps this process from reading what is there. Only a child that left the
// process group makes it wait.
const drainWait = 2 * time.Second

// Exit codes of the shell for what it could not run; POSIX, 2.8.2.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
)

func (s settings) name() string { return filepath.Base(s.Path) }

// command is the program with its interpreter, if it needs one.
func (s settings) command() *exec.Cmd {
	path, args := s.Path, s.Args
	switch strings.ToLower(filepath.Ext(path)) {
	case ".sh":
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 == 0 {
			path, args = "/bin/sh", append([]string{path}, args...)
		}
	case ".cmd", ".bat":
		path, args = "cmd.exe", append([]string{"/d", "/c", path}, args...)
	case ".ps1":
		flags := []string{"-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", path}
		path, args = "powershell.exe", append(flags, args...)
	case ".vbs":
		path, args = "cscript.exe", append([]string{"//NoLogo", "//B", path}, args...)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.Directory, os.Environ(), drainWait
	for k, v := range s.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// run runs the program once, to its end, and answers what that means. report is
// told what it says meanwhile, and never after run has returned. When ctx ends, or
// it is silent for too long, it is killed with its process group.
func (s settings) run(ctx context.Context, report func(sdk.Result)) sdk.Result {
	// The program is to die with this process, which the kernel ties to the thread
	// that started it: see start.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := s.command()
	l := &listener{report: report, spoken: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = &lines{take: l.out}, &lines{take: l.err}
	if err := start(cmd); err != nil {
		var inner *os.PathError
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return sdk.Unknown("start %s: %v", s.name(), err)
	}
	ended, watched := make(chan struct{}), make(chan bool, 1)
	go func() { watched <- s.guard(ctx, cmd, l, ended) }()
	err := wait(cmd)
	close(ended)
	silent := <-watched
	cmd.Stdout.(*lines).flush()
	cmd.Stderr.(*lines).flush()
	if silent {
		return sdk.Down("%s said nothing for %v and was killed", s.name(), time.Duration(s.Timeout))
	}
	return s.verdict(cmd, err, l)
}

// guard ends the program when it must, and says whether that was for its silence.
func (s settings) guard(ctx context.Context, cmd *exec.Cmd, l *listener, ended <-chan struct{}) (silent bool) {
	var limit <-chan time.Time
	timer := time.NewTimer(time.Duration(s.Timeout))
	defer timer.Stop()
	if s.Timeout > 0 {
		limit = timer.C
	}
	for waiting := true; waiting; {
		select {
		case <-ended:
			return false
		case <-l.spoken:
			timer.Reset(time.Duration(s.Timeout))
		case <-ctx.Done():
			waiting = false
		case <-limit:
			silent, waiting = true, false
		}
	}
	ask(cmd)
	select {
	case <-ended:
	case <-time.After(killAfter):
		kill(cmd)
	}
	return silent
}

// verdict is what the end of the program means.
func (s settings) verdict(cmd *exec.Cmd, err error, l *listener) sdk.Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := cmd.ProcessState
	switch code := state.ExitCode(); {
	case err != nil && !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, exec.ErrWaitDelay):
		return sdk.Unknown("wait for %s: %v", s.name(), err)
	case code == 0 && l.said.Status != "":
		return l.said
	case code == 0:
		return sdk.Result{Status: sdk.StatusUp, Detail: l.last}
	case code < 0, code == codeNotExecutable, code == codeNotFound:
		return sdk.Unknown("%s", joined(s.name()+" ended: "+state.String(), l.why()))
	default:
		return sdk.Down("%s", joined(fmt.Sprintf("%s ended with code %d", s.name(), code), l.why()))
	}
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

// listener hears what a program prints.
type listener struct {
	report func(sdk.Result)
	spoken chan struct{}

	mu   sync.Mutex
	said sdk.Result // the last word; no status: none yet
	last string     // the last line of standard output that was something else
	errs string     // the last line of standard error
}

// out takes a line of standard output: up, down or unknown, and why.
func (l *listener) out(line string) {
	word, reason, _ := strings.Cut(line, " ")
	status := sdk.Status(strings.ToLower(word))
	if status != sdk.StatusUp && status != sdk.StatusDown && status != sdk.StatusUnknown {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last = line
		return
	}
	r := sdk.Result{Status: status, Reason: strings.TrimSpace(reason)}
	if r.Reason == "" && status != sdk.StatusUp {
		r.Reason = "the program says " + string(status) + " and not why"
	}
	l.mu.Lock()
	l.said = r
	l.mu.Unlock()
	l.report(r)
	select {
	case l.spoken <- struct{}{}:
	default:
	}
}

func (l *listener) err(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = line
}

// why is what it printed last; of errors first. The lock is held.
func (l *listener) why() string { return cmp.Or(l.errs, l.last) }
