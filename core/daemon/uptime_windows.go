package daemon

import (
	"time"

	"golang.org/x/sys/windows"
)

// uptime is how long ago the machine was booted.
func uptime() time.Duration { return windows.DurationSinceBoot() }
