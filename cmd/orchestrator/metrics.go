package main

import (
	"github.com/spf13/cobra"
)

func metricsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "metrics", Short: "Print this server's metrics, as Prometheus reads them", Args: cobra.NoArgs,
		Long: `Print the metrics of this server in Prometheus' text format: what state the modules and
their resources are in, which part of the clients they have, what became of the
packets, how the heartbeats are, how long hooks took.

Prometheus reads the same from https://SERVER:9010/metrics with a token that
"orchestrator token" gives out. docs/metrics.md tells how to set that up, and what each
metric means.`,
		Example: `  orchestrator metrics
  orchestrator metrics | grep ^orchestrator_filter_packets_total`,
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		text, err := client.Raw(cmd.Context(), "/metrics")
		if err != nil {
			return err
		}
		_, err = a.stdout.Write(text)
		return err
	}
	return c
}
