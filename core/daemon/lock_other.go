//go:build !linux

package daemon

import (
	"fmt"
	"os"
)

// lockHome makes the home directory. Elsewhere than on Linux the API's socket
// is what keeps a second daemon out.
func lockHome(home string) (func() error, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("make the home directory: %w", err)
	}
	return func() error { return nil }, nil
}
