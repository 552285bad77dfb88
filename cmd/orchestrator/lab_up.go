package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

func labUp(a *app) *cobra.Command {
	var (
		p    place
		set  lab.Options
		bare bool
	)
	c := p.add(a.jsonFlag(&cobra.Command{
		Use: "up", Short: "Build a lab and start its servers", Args: cobra.NoArgs,
		Long: `Build a lab, start a daemon on each of its servers and make a cluster of them. When
that is complete the command ends, and the lab goes on in the background until
"orchestrator lab down". Ctrl-C meanwhile removes what was built.`,
		Example: "  orchestrator lab up --nodes 5\n  orchestrator lab up --name second --no-cluster\n  orchestrator lab up --networks 2 --router",
	}))
	c.Flags().IntVar(&set.Nodes, "nodes", 3, fmt.Sprintf("number of servers, 1 to %d", lab.MaxNodes))
	c.Flags().IntVar(&set.ClientAddresses, "client-addresses", 16, "further addresses of the client, to spread connections over")
	c.Flags().IntVar(&set.MTU, "mtu", 1500, "largest packet of the network in bytes, 1280 to 9000")
	c.Flags().IntVar(&set.Networks, "networks", 1, "networks that the servers are on, 1 or 2")
	c.Flags().BoolVar(&set.WithRouter, "router", false, fmt.Sprintf("a router and a client behind it, %q, whose cable carries %d bytes", lab.Far, lab.FarMTU))
	c.Flags().IntVar(&set.HostPort, "port", 0, fmt.Sprintf("port of this machine's 127.0.0.1 that leads to the console of n1; -1 for none (default %d, or a free one)", lab.DefaultPort))
	c.Flags().BoolVar(&bare, "no-cluster", false, "start the daemons, but do not make a cluster of them")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if set.Nodes < 1 || set.Nodes > lab.MaxNodes {
			return usagef("--nodes %d is not between 1 and %d", set.Nodes, lab.MaxNodes)
		}
		o, err := labOptions(p, func(step string) { fmt.Fprintln(a.stderr, step) })
		if err != nil {
			return err
		}
		o.Nodes, o.ClientAddresses, o.HostPort, o.NoCluster = set.Nodes, set.ClientAddresses, set.HostPort, bare
		o.MTU, o.Networks, o.WithRouter = set.MTU, set.Networks, set.WithRouter
		st, err := lab.Up(cmd.Context(), o)
		if err != nil {
			return err
		}
		return a.showLab(st)
	}
	return c
}

// labHold is the process in the background that owns a lab; Up starts it.
func labHold(a *app) *cobra.Command {
	var p place
	c := p.add(&cobra.Command{Use: "hold", Short: "Own a lab; \"lab up\" calls it", Hidden: true, Args: cobra.NoArgs})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		log := slog.New(slog.NewTextHandler(a.stderr, nil))
		return lab.Hold(cmd.Context(), p.root, p.name, labHooks(log, nil))
	}
	return c
}

func labDown(a *app) *cobra.Command {
	var p place
	c := p.add(&cobra.Command{
		Use: "down", Short: "Remove a lab with everything in it", Args: cobra.NoArgs,
		Long:    "Remove a lab with everything in it, also one whose process was killed. It is no error when there is none.",
		Example: "  orchestrator lab down",
	})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return lab.Down(cmd.Context(), p.root, p.name, cleanPins)
	}
	return c
}
