//go:build !linux && !windows

package daemon

import "time"

// uptime says that the machine was booted long ago: it is not known when.
func uptime() time.Duration { return never }

// bootID says that nobody can tell one boot from another.
func bootID() string { return "" }
