package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
)

// detach gives this process a session of its own, so that the kernel's
// autogroups share out the processors as between unrelated programs.
func detach() { _, _ = syscall.Setsid() }

// fdatasync waits until a file's data is on the disk.
func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// usage is what a process has used and uses.
type usage struct {
	CPU         float64 // seconds since its start
	RSS, PSS    float64 // MiB
	Anonymous   float64 // MiB that are its own: heap and stacks
	FileMapped  float64 // MiB of files, mostly of the program
	CommandLine string
}

// family lists a daemon and its plugins, without the applications that they run.
func family(daemon int) ([]int, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids := []int{daemon}
	for _, p := range all {
		st, err := p.Stat()
		if err != nil || st.PPID != daemon { // it has gone, or is none of its children
			continue
		}
		if line, err := p.CmdLine(); err == nil && strings.Contains(strings.Join(line, " "), " plugin serve ") {
			pids = append(pids, p.PID)
		}
	}
	return pids, nil
}

func usageOf(pid int) (usage, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return usage{}, fmt.Errorf("process %d has gone: %w", pid, err)
	}
	st, err := p.Stat()
	if err != nil {
		return usage{}, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	memory, err := p.ProcSMapsRollup()
	if err != nil {
		return usage{}, fmt.Errorf("look at the memory of process %d: %w", pid, err)
	}
	line, err := p.CmdLine()
	if err != nil {
		return usage{}, fmt.Errorf("read the command line of process %d: %w", pid, err)
	}
	const mib = 1 << 20
	return usage{
		CPU: st.CPUTime(), RSS: float64(memory.Rss) / mib, PSS: float64(memory.Pss) / mib, Anonymous: float64(memory.Anonymous) / mib,
		FileMapped: float64(memory.Rss-memory.Anonymous) / mib, CommandLine: strings.Join(line, " "),
	}, nil
}

// busySeconds is the time that all processors have worked since the start of the
// machine (proc(5), /proc/stat).
func busySeconds() (float64, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	st, err := proc.Stat()
	if err != nil {
		return 0, err
	}
	c := st.CPUTotal
	return c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ, nil
}
