package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const moduleLong = `A module describes one application: the address that clients use, how connections
are shared, how the application is started, stopped and watched. It is a
folder, or an archive of it (.safe). docs/modules.md tells how to write one.`

func moduleCommand(a *app) *cobra.Command {
	return noun("module", "What is made highly available: install, check, write", moduleLong,
		moduleInstall(a), moduleUninstall(a), moduleList(a), modulePackage(a), moduleNew(a), moduleCheck(a), moduleSchema(a), moduleArchives(a))
}

// setFlag adds --set and answers where its values go.
func setFlag(c *cobra.Command) *[]string {
	return c.Flags().StringArray("set", nil, "give a macro of the module a value, `NAME=VALUE`; may be repeated")
}

// settings reads the values of --set.
func settings(given []string) (map[string]string, error) {
	set := map[string]string{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--set %q is not NAME=VALUE", text)
		}
		if _, twice := set[name]; twice {
			return nil, usagef("--set gives %s twice", name)
		}
		set[name] = value
	}
	return set, nil
}

// setQuery is the query of the API for settings.
func setQuery(set map[string]string) url.Values {
	q := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		q.Add("set", name+"="+set[name])
	}
	return q
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func moduleUninstall(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "uninstall NAME", Short: "Remove a module from all servers", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long:    "Remove a module from all servers of the cluster. It has to be stopped on all of them.",
		Example: "  orchestrator stop web_farm\n  orchestrator module uninstall web_farm",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var out control.Outcome
		if err := client.Delete(cmd.Context(), modulePath(args[0]), &out); err != nil {
			return err
		}
		return a.outcome(out)
	}
	return c
}

func moduleList(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "list", Short: "Show what is installed", Args: cobra.NoArgs,
		Long:    "Show the modules that are installed on the cluster, with the values that were set.",
		Example: "  orchestrator module list --json",
	})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		list := []control.ModuleInfo{}
		if err := client.Get(cmd.Context(), "/v1/modules", &list); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(list)
		}
		if len(list) == 0 {
			_, err := fmt.Fprintln(a.stdout, "No module is installed. To try one: orchestrator module install web_farm.safe --set VIRTUAL_IP=ADDRESS")
			return err
		}
		t := table{heads: []string{"MODULE", "MODE", "VERSION", "SIGNATURE", "APPLIED", "BY", "SET"}}
		for _, m := range list {
			var set []string
			for _, name := range slices.Sorted(maps.Keys(m.Set)) {
				set = append(set, name+"="+m.Set[name])
			}
			t.add(tinted(m.Name, bold), plain(string(m.Mode)), plain(m.Version), plain(m.Signature),
				plain(m.Applied.Local().Format(time.DateTime)), plain(m.By), plain(strings.Join(set, " ")))
		}
		return t.write(a.stdout, a.color(a.stdout), width(a.stdout))
	}
	return c
}
