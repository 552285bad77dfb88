//go:build !windows

package w3svc

import "runtime"

func unavailable() string {
	return "IIS (W3SVC) runs on Windows only; this node runs " + runtime.GOOS
}

// newManager answers nothing: nobody asks where IIS is unavailable.
func newManager() manager { return nil }
