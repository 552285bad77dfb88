//go:build !linux

package hostname

import (
	"fmt"
	"os/exec"
	"runtime"
)

// Start starts a command, as its Start does. Only Linux can give it a host name.
func Start(cmd *exec.Cmd, name string) error {
	if name == "" {
		return cmd.Start()
	}
	return fmt.Errorf("the program cannot be given the host name %s: %s has no UTS namespaces", name, runtime.GOOS)
}
