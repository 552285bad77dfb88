//go:build !linux && !windows

package daemon

import "time"

// uptime says that the machine was booted long ago: it is not known when.
func uptime() time.Duration { return never }
