package control

import "golang.org/x/sys/windows"

// nobodyListens is the error of a connection to a socket that nobody listens on, or that is
// not there. syscall.ECONNREFUSED is a number that Windows' sockets never answer.
const nobodyListens = windows.WSAECONNREFUSED

// startDaemon is what to type where the daemon does not run.
const startDaemon = "orchestrator daemon"
