//go:build !linux

package systemd

import "runtime"

func unavailable() string {
	return "systemd runs on Linux only; this node runs " + runtime.GOOS
}

// newBus answers nothing: nobody asks where systemd is unavailable.
func newBus() bus { return nil }
