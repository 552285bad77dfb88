package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

func clusterStatus(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "status", Short: "Show the servers, who is alive, who is current", Args: cobra.NoArgs,
		Long: `Show the servers of the cluster as this one sees them: whether they are alive and
what that is known from, and whether they use the same configuration.`,
		Example: "  orchestrator cluster status --json",
	})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var st control.ClusterStatus
		if err := client.Get(cmd.Context(), "/v1/cluster", &st); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(st)
		}
		return a.showCluster(st)
	}
	return c
}

func (a *app) showCluster(st control.ClusterStatus) error {
	color := a.color(a.stdout)
	if _, err := fmt.Fprintf(a.stdout, "cluster %s, seen from %s; clients are shared by hash function %s\n\n", paint(color, bold, clean(st.Name)), clean(st.Node), clean(st.Hash)); err != nil {
		return err
	}
	t := table{heads: []string{"NODE", "ALIVE", "GOSSIP", "ADDRESSES", "CONFIGURATION", "EVIDENCE"}}
	for _, n := range st.Nodes {
		alive, current := tinted("yes", green), tinted("current", green)
		if !n.Alive {
			alive = tinted("no", red)
		}
		if !n.Current {
			current = tinted(cmp.Or("differs: "+strings.Join(n.Stale, ", "), "unknown"), yellow)
		}
		t.add(plain(n.Name), alive, plain(n.Member), plain(networks(n.Addresses)), current, plain(n.Evidence))
	}
	return t.write(a.stdout, color, width(a.stdout))
}

// networks are addresses with the names of their networks, the default one
// first and unnamed.
func networks(addresses map[string]string) string {
	var all []string
	for _, network := range slices.Sorted(maps.Keys(addresses)) {
		if network == defaultNetwork {
			all = slices.Insert(all, 0, addresses[network])
			continue
		}
		all = append(all, network+"="+addresses[network])
	}
	return strings.Join(all, " ")
}
