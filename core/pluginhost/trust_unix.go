//go:build unix

package pluginhost

import (
	"fmt"
	"os"
	"syscall"
)

// trusted refuses what others than root and the user of this process may change.
func trusted(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at plugin: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d; chown root it", path, st.Uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s may be written by others than its owner (%v); chmod go-w it", path, info.Mode().Perm())
	}
	return nil
}
