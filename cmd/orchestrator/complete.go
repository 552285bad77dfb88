package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/lab"
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

// words lists what an argument may be; before are the arguments that stand before it.
type words func(before []string) []string

// always lists the same words.
func always(list ...string) words { return func([]string) []string { return list } }

// inOrder completes the arguments of a command, each by its own words.
func inOrder(lists ...words) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(lists) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return lists[len(args)](args), cobra.ShellCompDirectiveNoFileComp
	}
}

// thenFile completes the first argument by words, and those behind it as files.
func thenFile(first words) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, part string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return inOrder(first)(c, args, part)
	}
}

// completeFlag completes a flag.
func completeFlag(c *cobra.Command, flag string, list words) {
	err := c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list(nil), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // a flag that was not declared: a mistake of this program
	}
}

// installed are the names of the installed modules.
func (a *app) installed([]string) []string {
	var list []control.ModuleInfo
	a.ask("/v1/modules", &list)
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

// completeModule completes the name of an installed module.
func (a *app) completeModule(c *cobra.Command, args []string, part string) ([]string, cobra.ShellCompDirective) {
	return inOrder(a.installed)(c, args, part)
}

// nodes are the names of the cluster's nodes.
func (a *app) nodes([]string) []string {
	var st control.ClusterStatus
	a.ask("/v1/cluster", &st)
	var names []string
	for _, n := range st.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// resources are those of the module that stands before, on any node.
func (a *app) resources(before []string) []string {
	var st control.Status
	a.ask(statusPath(before[0]), &st)
	var names []string
	for _, m := range st.Modules {
		for _, n := range m.Nodes {
			for _, r := range n.Resources {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

// values are what a script may say of a resource.
var values = always(string(core.ResUp), string(core.ResDown), string(core.ResUnknown))

// versions are the kept configurations of the module that stands before.
func (a *app) versions(before []string) []string {
	var list []control.Version
	a.ask(modulePath(before[0])+"/versions", &list)
	var names []string
	for _, v := range list {
		names = append(names, v.Version)
	}
	return names
}

// members are the servers of a lab, and its client.
func (p *place) members([]string) []string {
	remote, err := lab.Connect(p.root, p.name)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	st, err := remote.Status(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, n := range st.Nodes {
		names = append(names, n.Name)
	}
	return append(names, lab.Client)
}

// completeMembers completes any number of them.
func (p *place) completeMembers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return p.members(nil), cobra.ShellCompDirectiveNoFileComp
}

// completeKnown completes an installed module, too.
func (a *app) completeKnown(c *cobra.Command, args []string, part string) ([]string, cobra.ShellCompDirective) {
	shipped, how := completeSource(c, args, part)
	if len(args) > 0 {
		return shipped, how
	}
	return append(a.installed(nil), shipped...), how
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
