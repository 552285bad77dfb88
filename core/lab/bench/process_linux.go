package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// detach gives this process a session of its own, so that the kernel's
// autogroups share out the processors as between unrelated programs.
func detach() { _, _ = syscall.Setsid() }

// fdatasync waits until a file's data is on the disk.
func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// ticksPerSecond is the unit of CPU times in /proc (proc_pid_stat(5)), on all of
// Linux that Go runs on.
const ticksPerSecond = 100

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
	children, err := childrenOf(daemon)
	if err != nil {
		return nil, err
	}
	pids := []int{daemon}
	for _, pid := range children {
		if line := commandLine(pid); strings.Contains(line, " plugin serve ") {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func childrenOf(parent int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := stat(pid); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// stat answers the fields of /proc/PID/stat behind the name, from the third on.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := bytes.LastIndexByte(text, ')')
	if err != nil || end < 0 {
		return nil
	}
	return strings.Fields(string(text[end+1:]))
}

func commandLine(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimRight(string(text), "\x00"), "\x00", " ")
}

func usageOf(pid int) (usage, error) {
	fields := stat(pid)
	if len(fields) < 13 {
		return usage{}, fmt.Errorf("process %d has gone", pid)
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return usage{}, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	if err != nil {
		return usage{}, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	u := usage{CPU: (user + system) / ticksPerSecond, CommandLine: commandLine(pid)}
	file, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return usage{}, fmt.Errorf("look at the memory of process %d: %w", pid, err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		if err != nil {
			continue
		}
		switch name {
		case "Rss":
			u.RSS = kib / 1024
		case "Pss":
			u.PSS = kib / 1024
		case "Anonymous":
			u.Anonymous = kib / 1024
		}
	}
	u.FileMapped = u.RSS - u.Anonymous
	return u, nil
}

// busySeconds is the time that all processors have worked since the start of the
// machine (proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq).
func busySeconds() (float64, error) {
	fields := strings.Fields(firstLine("/proc/stat"))
	if len(fields) < 8 {
		return 0, errors.New("/proc/stat does not tell how busy the processors were")
	}
	sum := 0.0
	for i, text := range fields[1:8] {
		ticks, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		if idle := i == 3 || i == 4; !idle {
			sum += ticks
		}
	}
	return sum / ticksPerSecond, nil
}
