package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/daemon"
)

// socketOf is the daemon's socket in a node's directory.
func socketOf(home string) string { return daemon.Socket(home) }

func daemonCommand(a *app) *cobra.Command {
	level, reboot := slog.LevelInfo, ""
	c := &cobra.Command{
		Use: "daemon", Short: "Run this server's part of the cluster", Args: cobra.NoArgs,
		Long: `Run this server's part of the cluster until SIGTERM or SIGINT; the modules of
this server are then stopped in good order, and others take over their share.

It runs as root, in the foreground, and logs to standard error. Usually the
system starts it: packaging/orchestrator.service is a unit for systemd. All that
a node keeps lies in one directory, see --home. A daemon that belongs to no
cluster yet waits for "orchestrator cluster init" or "orchestrator cluster join".`,
		Example: `  systemctl enable --now orchestrator
  orchestrator daemon --home /srv/orchestrator --log-level debug`,
	}
	c.Flags().TextVar(&level, "log-level", slog.LevelInfo, "least `LEVEL` that is logged: debug, info, warn or error")
	completeFlag(c, "log-level", always(levels...))
	c.Flags().StringVar(&reboot, "reboot", "", "`PROGRAM` that restarts the machine where a module has automatic_reboot (default the system's own)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		home, err := a.homeDir()
		if err != nil {
			return err
		}
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the program's own file: %w", err)
		}
		return daemon.Run(cmd.Context(), daemon.Options{
			Home: home, Version: version(), Program: program, Plugins: builtinPlugins(), Reboot: restarter(reboot),
			Log: slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})),
		})
	}
	return c
}
