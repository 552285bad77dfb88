package daemon

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// uptime is how long ago the machine was booted.
func uptime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return never // the clock is always there
	}
	return time.Duration(ts.Nano())
}

// bootID is another text after each boot: the kernel's, and when process 1 was started, which
// in a container is what a boot is.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	first, err1 := os.ReadFile("/proc/1/stat")
	if errors.Join(err, err1) != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(first), ") ") // its name may have blanks
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	return strings.TrimSpace(string(id)) + " " + fields[19] // starttime, see proc_pid_stat(5)
}
