package main

import (
	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const bareLong = `Start or stop the application of a module on this server without the module, for
maintenance: its addresses are set and its hooks start_both, start_prim and start_sec are
called, as if it were the only server, and that is all. Nothing is checked, restarted or
taken over, and the packet filter takes no part. The module has to be stopped on all
servers; a start of it begins, as always, by stopping what runs. A module with replicated
folders is refused, since they are there only while it runs.

The scripts MODULE_start_wrapper.sh and MODULE_stop_wrapper.sh in the folder bin of the
module's active copy ($SAFE/private/modules/MODULE) do the same.`

func bareCommand(a *app) *cobra.Command {
	return noun("bare", "Run the application of a stopped module without the module", bareLong,
		bareVerb(a, "start", "Set the addresses and start the application", true), bareVerb(a, "stop", "Stop the application and remove the addresses", false))
}

func bareVerb(a *app, name, short string, start bool) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: name + " MODULE", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: short + ", without the module. \"orchestrator bare --help\" tells more.", Example: "  orchestrator bare " + name + " web_farm",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.change(cmd, modulePath(args[0])+"/bare", control.BareRequest{Start: start})
	}
	return c
}
