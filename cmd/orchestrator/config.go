package main

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const configLong = `The configuration of modules, which the cluster keeps the same on all servers, with the
last ten versions of each.

What a change does where the module runs:

  none       nothing that anybody could notice
  live       it is taken over while the module runs; no connection breaks
  check      the check begins anew, all else goes on
  stopstart  the module has to be stopped and started, on one server after the other
  stop       servers with the old and the new configuration must not run together: the
             module has to be stopped on all of them and started again`

func configCommand(a *app) *cobra.Command {
	return noun("config", "The configuration of modules: apply, compare, set back", configLong,
		configApply(a), configDiff(a), configHistory(a), configRollback(a))
}

func configApply(a *app) *cobra.Command {
	var how applyFlags
	c := a.jsonFlag(&cobra.Command{
		Use: "apply NAME", Short: "Check the edited copy of a module and give it to all servers", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Check the copy of a module that lies in the folder modules/NAME of this node's
directory, where you may edit it, and give it to all servers. Values that were set
stay, unless --set changes them. Where the module runs, what can change without a stop
does: addresses, rules, powers, checks, hooks, variables, failover rules and more; no
connection breaks. What needs a stop is refused, unless --stopstart allows it: on one
server after the other, or, where servers with the old and the new configuration must
not run together, on all at once. --dry-run tells before what would happen. Servers that
cannot be reached now take it over later.`,
		Example: `  $EDITOR /var/lib/orchestrator/modules/web_farm/conf/userconfig.xml
  orchestrator config apply web_farm --dry-run
  orchestrator config apply web_farm
  orchestrator config apply web_farm --set PORT=8080 --stopstart`,
	})
	given := setFlag(c)
	how.add(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := settings(*given)
		if err != nil {
			return err
		}
		query := setQuery(set)
		if how.dry {
			return a.diff(cmd, args[0], query, nil)
		}
		if how.stopstart {
			query.Set("stopstart", "true")
		}
		return a.change(cmd, withQuery(modulePath(args[0])+"/apply", query), nil)
	}
	return c
}

// applyFlags say how a change is made.
type applyFlags struct{ dry, stopstart bool }

func (f *applyFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.dry, "dry-run", false, "change nothing, tell what would change and whether anything stops")
	c.Flags().BoolVar(&f.stopstart, "stopstart", false, "stop and start the module if something needs that")
}

func configDiff(a *app) *cobra.Command {
	var version string
	c := a.jsonFlag(&cobra.Command{
		Use: "diff NAME [FILE|FOLDER]", Short: "Tell what another configuration would change, and whether anything stops", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: thenFile(a.installed),
		Long: `Compare the configuration of a module that is in use on this server with the edited copy,
with an archive or folder, or with a version of before, and tell of each difference
what it would do where the module runs. Nothing is changed.`,
		Example: `  orchestrator config diff web_farm
  orchestrator config diff web_farm ./web_farm.safe --set PORT=8080 --json
  orchestrator config diff web_farm --version 2`,
	})
	given := setFlag(c)
	c.Flags().StringVar(&version, "version", "", "compare with a `VERSION` of before, as config history shows it: 7.3, or how many there were since")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := settings(*given)
		if err != nil {
			return err
		}
		query := setQuery(set)
		var body any
		switch {
		case version != "" && len(args) > 1:
			return usagef("compare with %s or with version %s, not with both", args[1], version)
		case version != "":
			query.Set("version", version)
		case len(args) > 1:
			from, err := findSource(args[1])
			if err != nil {
				return err
			}
			if body, err = from.anyBytes(); err != nil {
				return err
			}
		}
		return a.diff(cmd, args[0], query, body)
	}
	return c
}

func configHistory(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "history NAME", Short: "Show the last ten configurations of a module", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Show the configurations of a module that are kept, the one in use first, with how many
there were since: what "config rollback" and "config diff --version" want to know.`,
		Example: "  orchestrator config history web_farm",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		list := []control.Version{}
		if err := client.Get(cmd.Context(), modulePath(args[0])+"/versions", &list); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(list)
		}
		return a.showHistory(list)
	}
	return c
}

func configRollback(a *app) *cobra.Command {
	var how applyFlags
	c := a.jsonFlag(&cobra.Command{
		Use: "rollback NAME [VERSION]", Short: "Give all servers a configuration of before", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: inOrder(a.installed, a.versions),
		Long: `Give all servers a configuration that a module had before: the one before the last
change, or the version that is named, by its number or by how many there were since.
It becomes the newest version, so a rollback can be rolled back. What changes is
taken over as by "config apply".`,
		Example: `  orchestrator config rollback web_farm
  orchestrator config rollback web_farm 3 --dry-run
  orchestrator config rollback web_farm 7.2 --stopstart`,
	})
	how.add(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		version := "1"
		if len(args) > 1 {
			version = args[1]
		}
		if how.dry {
			return a.diff(cmd, args[0], url.Values{"version": {version}}, nil)
		}
		return a.change(cmd, modulePath(args[0])+"/rollback", control.RollbackRequest{Version: version, StopStart: how.stopstart})
	}
	return c
}
