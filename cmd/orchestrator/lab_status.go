package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

func labStatus(a *app) *cobra.Command {
	var p place
	c := p.add(a.jsonFlag(&cobra.Command{
		Use: "status", Short: "Show the servers of a lab, their daemons and cables", Args: cobra.NoArgs,
		Long:    "Show the servers of a lab, their daemons and cables. How the cluster in it is, \"orchestrator lab exec n1 -- orchestrator status\" tells.",
		Example: "  orchestrator lab status --json",
	}))
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		remote, err := lab.Connect(p.root, p.name)
		if err != nil {
			return err
		}
		st, err := remote.Status(cmd.Context())
		if err != nil {
			return p.explain(err)
		}
		return a.showLab(st)
	}
	return c
}

// explain adds what to do when there is no lab.
func (p place) explain(err error) error {
	if !errors.Is(err, lab.ErrNotRunning) {
		return err
	}
	others, listErr := lab.Labs(p.root)
	if listErr != nil || len(others) == 0 {
		return fmt.Errorf("%w: start one with: orchestrator lab up", err)
	}
	return fmt.Errorf("%w; labs in %s: %s", err, p.root, strings.Join(others, ", "))
}

func (a *app) showLab(st lab.Status) error {
	if a.json {
		return a.printJSON(st)
	}
	fmt.Fprintf(a.stdout, "lab %s is %s; free for a module: %s, %s", st.Name, st.Phase, st.VIP, st.VIP6)
	if st.Console != "" {
		fmt.Fprintf(a.stdout, "\nconsole of n1: orchestrator lab exec --name %s n1 -- orchestrator console --address %s", st.Name, st.Console)
	}
	fmt.Fprint(a.stdout, "\n\n")
	t := table{heads: []string{"NODE", "ADDRESSES", "DAEMON", "PID", "CABLE", "SIDE", "NAMESPACE", "LOG"}}
	for _, n := range st.Nodes {
		daemon, cable := tinted(string(n.Daemon), green), tinted(n.Link, green)
		if n.Daemon != lab.DaemonRunning {
			daemon = tinted(strings.TrimSuffix(string(n.Daemon)+": "+n.Exit, ": "), red)
		}
		if n.Link != "up" {
			cable.color = red
		}
		pid := ""
		if n.PID != 0 {
			pid = fmt.Sprint(n.PID)
		}
		t.add(tinted(n.Name, bold), plain(n.Address+" "+n.Address6), daemon, plain(pid), cable, plain(side(n.Group)), plain(n.Namespace), plain(n.Log))
	}
	first := ""
	if len(st.Client.Addresses) > 0 {
		first = st.Client.Addresses[0] + " " + st.Client.Addresses6[0]
	}
	t.add(tinted(lab.Client, bold), plain(first), cell{}, cell{}, cell{}, plain(side(st.Client.Group)), plain(st.Client.Namespace), cell{})
	return t.write(a.stdout, a.color(a.stdout), 0)
}

// side is a member's side of a partition.
func side(group int) string {
	if group == 0 {
		return ""
	}
	return fmt.Sprint(group)
}

func labList(a *app) *cobra.Command {
	var root string
	c := a.jsonFlag(&cobra.Command{
		Use: "list", Short: "Show the names of the labs", Args: cobra.NoArgs,
		Long:    "Show the names of the labs on this machine, running or left behind.",
		Example: "  orchestrator lab list",
	})
	c.Flags().StringVar(&root, "root", lab.DefaultRoot, "folder that holds the labs' folders")
	c.RunE = func(*cobra.Command, []string) error {
		names, err := lab.Labs(root)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(append([]string{}, names...))
		}
		for _, name := range names {
			fmt.Fprintln(a.stdout, name)
		}
		return nil
	}
	return c
}
