package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// The exit codes, as "orchestrator help exit-codes" tells them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoDaemon    = 3
	exitInterrupted = 130
)

// usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// silent ends the program with a code after everything has been said.
type silent int

func (s silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// failure is an error as --json prints it.
type failure struct {
	Error    string        `json:"error"`
	Problems diag.Problems `json:"problems,omitempty"`
}

// end tells what went wrong, once, and answers the exit code.
func (a *app) end(ctx context.Context, cmd *cobra.Command, err error) int {
	var quiet silent
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return int(quiet)
	case !a.started || errors.As(err, &usage):
		if a.json || slices.Contains(a.args, "--json") { // which may stand behind the mistake
			_ = a.printJSON(failure{Error: strings.TrimSpace(err.Error())})
		}
		fmt.Fprintf(a.stderr, "orchestrator: %s\nSee: %s --help\n", strings.TrimSpace(err.Error()), cmd.CommandPath())
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.stderr, "orchestrator: interrupted")
		return exitInterrupted
	}
	a.complain(err)
	if errors.Is(err, control.ErrNoDaemon) {
		return exitNoDaemon
	}
	return exitFailed
}

// complain prints an error with its problems.
func (a *app) complain(err error) {
	f := failure{Error: err.Error()}
	var refusal *control.Refusal
	if errors.As(err, &refusal) {
		f.Error = strings.Replace(f.Error, refusal.Error(), refusal.Text, 1)
		f.Problems = refusal.Problems
	} else if errors.As(err, &f.Problems) {
		f.Error = cmp.Or(strings.TrimRight(strings.Replace(f.Error, f.Problems.Error(), "", 1), ": \n"), "mistakes were found")
	}
	if a.json {
		_ = a.printJSON(f) // the text on standard error says it as well
	}
	fmt.Fprintf(a.stderr, "orchestrator: %s\n", f.Error)
	if len(f.Problems) > 0 {
		f.Problems.Render(a.stderr, a.style(a.stderr))
	}
}
