//go:build !windows

package control

import "syscall"

// nobodyListens is the error of a connection to a socket that nobody listens on.
const nobodyListens = syscall.ECONNREFUSED

// startDaemon is what to type where the daemon does not run.
const startDaemon = "systemctl start orchestrator, or: orchestrator daemon"
