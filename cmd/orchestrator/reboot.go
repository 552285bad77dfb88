package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// restarter is what restarts the machine in good order: a program of the administrator's, or
// else the system's own.
func restarter(program string) func(context.Context) error {
	if program != "" {
		return func(ctx context.Context) error { return runToEnd(ctx, program) }
	}
	return func(ctx context.Context) error {
		if err := ownMachine(); err != nil {
			return err
		}
		if runtime.GOOS == "windows" {
			return runToEnd(ctx, "shutdown", "/r", "/t", "0")
		}
		return runToEnd(ctx, "systemctl", "reboot")
	}
}

func runToEnd(ctx context.Context, command ...string) error {
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
