package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// switchCron comments lines of a user's crontab out, or in again those that it has
// commented out: a job runs where the module does. The text of -c marks them.
func switchCron(s *safekit, c call) error {
	verb, user, command, mark := c.arg(0), c.arg(1), c.arg(2), c.val["-c"]
	list := exec.CommandContext(s.ctx, "crontab", "-u", user, "-l")
	before, err := list.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit): // crontab(1) says so when there is none
		fmt.Fprintf(s.stderr, "%s: %s has no crontab: %s\n", s.name, user, strings.TrimSpace(string(exit.Stderr)))
		return nil
	case err != nil:
		return fmt.Errorf("read the crontab of %s: %w", user, err)
	}
	after := cronLines(string(before), verb == "add", command, mark)
	if after == string(before) {
		return nil
	}
	set := exec.CommandContext(s.ctx, "crontab", "-u", user, "-")
	set.Stdin = strings.NewReader(after)
	if out, err := set.CombinedOutput(); err != nil {
		return fmt.Errorf("write the crontab of %s: %w: %s", user, err, bytes.TrimSpace(out))
	}
	return nil
}

// cronSetting is a line that sets a variable of the jobs (crontab(5)).
var cronSetting = regexp.MustCompile(`^\w+\s*=`)

// cronLines is a crontab whose lines with a command, or all, run (on) or not.
func cronLines(text string, on bool, command, mark string) string {
	sign := "#" + strings.Join(strings.Fields(mark), " ") + "# "
	var b strings.Builder
	for line := range strings.Lines(text) {
		job, off := strings.CutPrefix(line, sign)
		bare := strings.TrimSpace(line)
		switch wanted := command == "all" || strings.Contains(line, command); {
		case on && off && wanted:
			b.WriteString(job)
		case !on && wanted && bare != "" && !strings.HasPrefix(bare, "#") && !cronSetting.MatchString(bare):
			b.WriteString(sign + line)
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}
