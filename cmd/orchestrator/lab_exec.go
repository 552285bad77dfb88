package main

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// execGrace is how long a command in a lab may take to end after Ctrl-C, which
// the terminal sends to it as well, before it is killed.
const execGrace = 2 * time.Second

func labExec(a *app) *cobra.Command {
	var p place
	c := p.add(&cobra.Command{
		Use: "exec NODE -- COMMAND…", Short: "Run a command on a server of a lab, or its client", Args: cobra.MinimumNArgs(2), ValidArgsFunction: thenFile(p.members),
		Long: `Run a command on a server of a lab (n1, n2, …) or its client. "orchestrator" is this
program there, and speaks to the daemon of that server. The command ends with the
exit code of what it ran. Flags of this command stand before NODE.`,
		Example: `  orchestrator lab exec n1 -- orchestrator status
  orchestrator lab exec n2 -- ip address
  orchestrator lab exec client -- curl -s http://10.77.0.100/`,
	})
	c.Flags().SetInterspersed(false)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		node, argv := args[0], args[1:]
		if argv[0] == "--" {
			argv = argv[1:]
		}
		if len(argv) == 0 {
			return usagef("what is to run on %s?", node)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
		defer cancel()
		defer context.AfterFunc(cmd.Context(), func() { time.AfterFunc(execGrace, cancel) })()
		return exitOf(lab.Exec(ctx, p.root, p.name, node, argv, lab.Stdio{In: a.stdin, Out: a.stdout, Err: a.stderr}))
	}
	return c
}

// exitOf makes the end of a program that ran ours; one that was ended by a signal
// has 128 more than the signal's number, as in a shell.
func exitOf(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return silent(128 + int(status.Signal()))
	}
	return silent(exit.ExitCode())
}
