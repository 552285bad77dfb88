package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const muteLong = `Stop watching a module on servers, for maintenance: what its checks or its watches of
processes would find neither acts nor holds the module back. The application goes
on. It stays so until "unmute", also when the module or the daemon is restarted;
"orchestrator status MODULE" says that it is.`

const bootLong = `Say whether a module starts when a server boots: on, off, or auto, which starts what
ran before. A daemon that is only restarted, by an upgrade or after a crash, goes on with
what ran, whatever is said here. It counts where userconfig.xml leaves it open, with boot="ignore", which
is the default; else the command is refused.`

func muteCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		muteCommand(a, "mute", "off", "Stop watching a module, for maintenance", muteLong),
		muteCommand(a, "unmute", "on", "Watch a module again", `Watch a module again after "mute"; results of before count no more.`),
		bootCommand(a),
	}
}

func muteCommand(a *app, name, to, short, long string) *cobra.Command {
	var nodes, classes []string
	var checks, processes bool
	c := a.jsonFlag(&cobra.Command{
		Use: name + " MODULE", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule, Long: long,
		Example: "  orchestrator " + name + " web_farm --node n2\n  orchestrator " + name + " web_farm --processes",
	})
	c.Flags().StringSliceVar(&nodes, "node", nil, "a `NODE` to do it on; may be repeated (default all)")
	c.Flags().BoolVar(&checks, "checks", false, "only the checks of addresses, networks and the like")
	c.Flags().BoolVar(&processes, "processes", false, "only the watches of processes and services")
	c.Flags().StringSliceVar(&classes, "class", nil, "only a `CLASS` of processes of the module's own, which begins switched off; may be repeated")
	completeFlag(c, "node", a.nodes)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		all := !checks && !processes && len(classes) == 0
		var names []string
		if checks || all {
			names = append(names, control.WatchChecks)
		}
		if processes || all {
			names = append(names, control.WatchProcesses)
		}
		for _, class := range classes {
			names = append(names, control.ClassPrefix+class)
		}
		var sum control.Outcome
		for _, name := range names {
			out, err := a.turn(cmd, args[0], control.SwitchRequest{Nodes: nodes, Name: name, To: to})
			if err != nil {
				return err
			}
			sum.Nodes = alongside(sum.Nodes, out.Nodes)
		}
		return a.outcome(sum)
	}
	return c
}

func bootCommand(a *app) *cobra.Command {
	var nodes []string
	c := a.jsonFlag(&cobra.Command{
		Use: "boot MODULE on|off|auto", Short: "Say whether a module starts when its server boots", Args: cobra.ExactArgs(2),
		ValidArgsFunction: inOrder(a.installed, always("on", "off", "auto")), Long: bootLong, Example: "  orchestrator boot web_farm off --node n2",
	})
	c.Flags().StringSliceVar(&nodes, "node", nil, "a `NODE` to do it on; may be repeated (default all)")
	completeFlag(c, "node", a.nodes)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		out, err := a.turn(cmd, args[0], control.SwitchRequest{Nodes: nodes, Name: control.SwitchBoot, To: args[1]})
		if err != nil {
			return err
		}
		return a.outcome(out)
	}
	return c
}

func (a *app) turn(cmd *cobra.Command, module string, r control.SwitchRequest) (out control.Outcome, err error) {
	client, err := a.client()
	if err != nil {
		return out, err
	}
	err = client.Post(cmd.Context(), modulePath(module)+"/switch", r, &out)
	return out, err
}

// alongside is what became of the nodes in two commands: a node failed if it did in one.
func alongside(first, second []control.NodeOutcome) []control.NodeOutcome {
	all := slices.Clone(first)
	for _, n := range second {
		i := slices.IndexFunc(all, func(o control.NodeOutcome) bool { return o.Node == n.Node })
		switch {
		case i < 0:
			all = append(all, n)
		case all[i].OK:
			all[i] = n
		}
	}
	return all
}
