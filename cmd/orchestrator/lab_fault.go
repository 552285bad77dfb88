package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// fault describes a command that makes something go wrong, or right again.
type fault struct {
	use, short, long string
	all              bool // has --all
}

var faults = map[lab.Verb]fault{
	lab.Kill: {"kill NODE…", "End daemons at once (SIGKILL)", `End the daemons of servers at once, with SIGKILL. Their applications go on, but get no
packets any more when the lease in the kernel has run out: the others take over.
With --all every process of a server is ended, as when the server itself dies.`, true},
	lab.Stop: {"stop NODE…", "End daemons in good order (SIGTERM)", `Tell the daemons of servers to end, with SIGTERM, as the system does at a shutdown:
their modules are stopped, their share is handed over.`, false},
	lab.Pause: {"pause NODE…", "Halt daemons (SIGSTOP)", `Halt the daemons of servers, with SIGSTOP, as when they hang. With --all every process
of a server is halted, as when the machine freezes.`, true},
	lab.Resume: {"resume NODE…", "Let halted processes go on (SIGCONT)", "Let all halted processes of servers go on. A daemon that was killed is started by \"orchestrator lab heal\".", false},
	lab.Cut: {"cut NODE…", "Pull network cables", `Pull the network cables of servers, or of the client: their ports at the switch go
down.`, false},
	lab.Unplug: {"unplug NODE…", "Take network cards away", `Take the network cards of servers away, with their addresses and all else that is on
them. "heal" puts new ones of the same names there.`, false},
	lab.Heal: {"heal [NODE…]", "Make everything well again", `Make servers well again: their cables, their side of a partition, their halted
processes, their dead daemons. Without a name, everything.`, false},
}

func faultCommand(a *app, verb lab.Verb) *cobra.Command {
	var (
		p place
		d = faults[verb]
		f = lab.Fault{Verb: verb}
	)
	example := "  orchestrator lab " + string(verb) + " n2"
	args := cobra.MinimumNArgs(1)
	if verb == lab.Heal {
		args, example = cobra.ArbitraryArgs, "  orchestrator lab heal"
	}
	if verb == lab.Cut || verb == lab.Unplug {
		example += "\n  orchestrator lab " + string(verb) + " --network 2 n2"
	}
	if d.all {
		example += "\n  orchestrator lab " + string(verb) + " --all n2 n3"
	}
	c := p.add(a.jsonFlag(&cobra.Command{Use: d.use, Short: d.short, Long: d.long, Example: example, Args: args, ValidArgsFunction: p.completeMembers}))
	if d.all {
		c.Flags().BoolVar(&f.All, "all", false, "not only the daemon, but every process of the server")
	}
	if verb == lab.Cut || verb == lab.Unplug {
		c.Flags().IntVar(&f.Network, "network", 0, "in a lab of two networks, the one that is meant, 1 or 2; 0 for both")
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		f.Nodes = args
		return a.fault(cmd, p, f)
	}
	return c
}

func labPartition(a *app) *cobra.Command {
	var p place
	c := p.add(a.jsonFlag(&cobra.Command{
		Use: "partition SIDES", Short: "Let groups of servers not reach each other", Args: cobra.ExactArgs(1),
		Long: `Divide the network: members of different sides do not reach each other, and nobody
loses carrier. Sides are separated by bars (quote them in a shell), members by
commas; who is not named stays on the first side.`,
		Example: "  orchestrator lab partition 'n1,n2|n3,client'\n  orchestrator lab heal",
	}))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := lab.ParsePartition(args[0])
		if err != nil {
			return usagef("%v", err)
		}
		return a.fault(cmd, p, f)
	}
	return c
}

func (a *app) fault(cmd *cobra.Command, p place, f lab.Fault) error {
	remote, err := lab.Connect(p.root, p.name)
	if err != nil {
		return err
	}
	st, err := remote.Do(cmd.Context(), f)
	if err != nil {
		return p.explain(err)
	}
	if a.json {
		return a.printJSON(st)
	}
	_, err = fmt.Fprintln(a.stdout, "done")
	return err
}
