package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/pluginhost"
)

const pluginLong = `Plugins watch applications (checker), start and stop them (application) and share the
packets (filter). Each kind runs in a process of its own, which the daemon starts
when it is first needed and again when it dies.`

func pluginCommand(a *app) *cobra.Command {
	return noun("plugin", "What watches, starts and filters: look", pluginLong, pluginList(a), serveCommand(a))
}

func pluginList(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "list", Short: "Show the plugins of this server", Args: cobra.NoArgs,
		Long:    "Show the plugins of this server, whether their processes run, and if not why.",
		Example: "  orchestrator plugin list --json",
	})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		list := []control.PluginInfo{}
		if err := client.Get(cmd.Context(), "/v1/plugins", &list); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(list)
		}
		t := table{heads: []string{"PLUGIN", "STATE", "PID", "RESTARTS", "VERSION", "WHAT IT DOES"}}
		for _, p := range list {
			state := plain(p.State)
			switch pluginhost.State(p.State) {
			case pluginhost.Running:
				state.color = green
			case pluginhost.Dead:
				state.color = red
			}
			pid := ""
			if p.PID != 0 {
				pid = fmt.Sprint(p.PID)
			}
			t.add(tinted(p.Kind+"/"+p.Name, bold), state, plain(pid), plain(fmt.Sprint(p.Restarts)), plain(p.Version), plain(cmp.Or(p.Error, p.Summary)))
		}
		return t.write(a.stdout, a.color(a.stdout), width(a.stdout))
	}
	return c
}
