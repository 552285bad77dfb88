package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
)

// reboot is how a daemon restarts its machine, for modules with automatic_reboot. The
// nodes of a lab are no machines.
func reboot(e env) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, lab := e.lookup("ORCHESTRATOR_LAB"); lab {
			return errors.New("this node of a lab is no machine of its own")
		}
		command := []string{"systemctl", "reboot"}
		if runtime.GOOS == "windows" {
			command = []string{"shutdown", "/r", "/t", "0"}
		}
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	}
}
