package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// boundCommand runs a command for so many seconds at most, and ends as it does.
func boundCommand(s *safekit, c call) error {
	seconds, err := strconv.ParseFloat(c.arg(0), 64)
	if err != nil || seconds <= 0 || seconds > 1e9 {
		return fmt.Errorf("%q is no number of seconds", c.arg(0))
	}
	if len(c.args) < 2 {
		return errors.New("which command? boundcmd SECONDS COMMAND ARGUMENT…")
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Duration(seconds*float64(time.Second)))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[1], c.args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.stdin, s.stdout, s.stderr
	cmd.WaitDelay = time.Second
	killWhole(cmd)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		fmt.Fprintf(s.stderr, "boundcmd: %s did not end within %s s and was killed\n", c.args[1], c.arg(0))
		return silent(exitOldTimeout)
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return silent(exit.ExitCode())
	}
	return err
}
