package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// rebootMachine has the system restart the machine in good order.
func rebootMachine(ctx context.Context) error {
	if err := ownMachine(); err != nil {
		return err
	}
	command := []string{"systemctl", "reboot"}
	if runtime.GOOS == "windows" {
		command = []string{"shutdown", "/r", "/t", "0"}
	}
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
