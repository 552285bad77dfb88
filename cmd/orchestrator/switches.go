package main

import (
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
	a.completeNodes(c, "node")
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
		for _, name := range names {
			if err := a.turn(cmd, args[0], control.SwitchRequest{Nodes: nodes, Name: name, To: to}); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func bootCommand(a *app) *cobra.Command {
	var nodes []string
	c := a.jsonFlag(&cobra.Command{
		Use: "boot MODULE on|off|auto", Short: "Say whether a module starts when its server boots", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeModule, Long: bootLong, Example: "  orchestrator boot web_farm off --node n2",
	})
	c.Flags().StringSliceVar(&nodes, "node", nil, "a `NODE` to do it on; may be repeated (default all)")
	a.completeNodes(c, "node")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.turn(cmd, args[0], control.SwitchRequest{Nodes: nodes, Name: control.SwitchBoot, To: args[1]})
	}
	return c
}

func (a *app) turn(cmd *cobra.Command, module string, r control.SwitchRequest) error {
	return a.change(cmd, modulePath(module)+"/switch", r)
}
