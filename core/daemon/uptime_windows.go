package daemon

import (
	"time"

	"golang.org/x/sys/windows"
)

// uptime is how long ago the machine was booted.
func uptime() time.Duration { return windows.DurationSinceBoot() }

// bootID says that nobody can tell one boot from another.
func bootID() string { return "" }
