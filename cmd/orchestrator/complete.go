package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// completionTime is how long a shell may wait for the daemon.
const completionTime = time.Second

// ask reads from the daemon for a completion; a failure completes nothing.
func (a *app) ask(path string, out any) bool {
	client, err := a.client()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	return client.Get(ctx, path, out) == nil
}

// completeModule completes the name of an installed module.
func (a *app) completeModule(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []control.ModuleInfo
	if len(args) > 0 || !a.ask("/v1/modules", &list) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeNodes completes a flag with the names of the cluster's nodes.
func (a *app) completeNodes(c *cobra.Command, flag string) {
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var st control.ClusterStatus
		if !a.ask("/v1/cluster", &st) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, n := range st.Nodes {
			names = append(names, n.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // a flag that was not declared: a mistake of this program
	}
}

// completeSource completes a shipped module, or a file or folder.
func completeSource(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, name := range modules.Names() {
		names = append(names, name+".safe")
	}
	return names, cobra.ShellCompDirectiveDefault
}
