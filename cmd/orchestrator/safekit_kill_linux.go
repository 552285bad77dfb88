package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// killWhole has a command killed with its children when its context ends.
func killWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// commLimit is how much of a process's name the kernel keeps (TASK_COMM_LEN less
// the zero at the end).
const commLimit = 15

// killOld kills processes by name or arguments, or lists them; it fails if there are
// none.
func killOld(s *safekit, c call) error {
	if c.val["-name"] == "" && c.val["-argregex"] == "" {
		return errors.New("which processes? -name=NAME or -argregex=REGEX")
	}
	signal := map[string]syscall.Signal{"terminate": syscall.SIGKILL, "9": syscall.SIGKILL, "15": syscall.SIGTERM}[c.val["-level"]]
	return s.signalAll(c.val["-name"], c.val["-argregex"], signal)
}

func listProcesses(s *safekit, c call) error { return s.signalAll(chosenName(c), c.arg(1), 0) }

func killProcesses(s *safekit, c call) error {
	if chosenName(c) == "" && c.arg(1) == "" {
		return errors.New("all processes of the server are too many: give a REGEX for their arguments")
	}
	return s.signalAll(chosenName(c), c.arg(1), syscall.SIGKILL)
}

// chosenName is the name of a process in the first argument, empty for all.
func chosenName(c call) string {
	if c.arg(0) == "all" {
		return ""
	}
	return c.arg(0)
}

// signalAll shows the processes with a name and arguments, and sends them a signal
// unless it is 0.
func (s *safekit) signalAll(name, pattern string, signal syscall.Signal) error {
	args, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("the expression for arguments: %w", err)
	}
	list, hang := processesHere()
	for _, err := range hang {
		fmt.Fprintf(s.stderr, "%s: %v, and is left out\n", s.name, err)
	}
	found := 0
	for _, p := range list {
		if name != "" && p.name != name[:min(len(name), commLimit)] || !args.MatchString(p.args) {
			continue
		}
		found++
		fmt.Fprintf(s.stdout, "%d %s\n", p.pid, clean(p.args))
		if signal == 0 {
			continue
		}
		if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", p.pid, err)
		}
	}
	if found == 0 {
		return errors.New("there is no such process")
	}
	return nil
}

// running is a process.
type running struct {
	pid        int
	name, args string
}

// processesHere lists the processes of this network namespace, which tells
// containers apart, but neither this one nor those it was called by, whose
// arguments may well have the pattern in them. hang is why some are left out.
func processesHere() (list []running, hang []error) {
	callers := map[int]bool{}
	for pid := os.Getpid(); pid > 1; pid = parentOf(pid) {
		callers[pid] = true
	}
	own, _ := os.Readlink("/proc/self/ns/net")
	ids, _ := proc.IDs() // without /proc there is none
	for _, pid := range ids {
		if callers[pid] {
			continue
		}
		p, err := processOf(pid, own)
		switch {
		case errors.Is(err, proc.ErrHangs):
			hang = append(hang, err)
		case err == nil && p.args != "": // without a line: of the kernel, or a zombie
			list = append(list, p)
		}
	}
	return list, hang
}

// processOf looks at a process, which has no arguments if its network namespace is
// another.
func processOf(pid int, namespace string) (running, error) {
	there, err := proc.Readlink(pid, "ns/net")
	if err != nil || there != namespace {
		return running{}, err
	}
	name, err := proc.ReadFile(pid, "comm")
	if err != nil {
		return running{}, err
	}
	line, err := proc.ReadFile(pid, "cmdline")
	return running{pid, strings.TrimSuffix(string(name), "\n"), string(bytes.TrimSpace(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))}, err
}

// parentOf answers 0 if the process has ended.
func parentOf(pid int) int {
	text, err := proc.ReadFile(pid, "stat")
	if err != nil {
		return 0
	}
	var state string
	var parent int
	rest := text[bytes.LastIndexByte(text, ')')+1:] // the name before it may have anything in it
	if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil {
		return 0
	}
	return parent
}
