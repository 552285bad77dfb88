package daemon

import (
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
