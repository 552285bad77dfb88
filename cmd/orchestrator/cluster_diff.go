package main

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

func clusterDiff(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "diff FILE", Short: "Tell how a cluster.xml of SafeKit differs from this cluster", Args: cobra.ExactArgs(1),
		Long: `Compare the description of a SafeKit cluster with the cluster that this server belongs
to, and tell for each difference what to do about it. Nothing is changed. A name in the
place of an address is not looked up.`,
		Example: "  orchestrator cluster diff cluster.xml",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		wanted, problems := config.ParseCluster(data, args[0])
		if wanted == nil {
			return &control.Refusal{Kind: control.ErrInput, Text: args[0] + " has mistakes", Problems: problems}
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		var is control.ClusterStatus
		if err := client.Get(cmd.Context(), "/v1/cluster", &is); err != nil {
			return err
		}
		return a.showClusterDiff(compareCluster(is, wanted))
	}
	return c
}

// clusterChange is one difference between the cluster and a description.
type clusterChange struct {
	Path string `json:"path"` // lan[default]/node[n2]
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
	Do   string `json:"do"`

	Joins string `json:"-"` // the node that is to join; empty: it is a member
}

// onIt begins what is to be done on the server that a change is about.
const onIt = "on it: "

// compareCluster tells what differs: addresses, by network and node.
func compareCluster(is control.ClusterStatus, wanted *config.Cluster) []clusterChange {
	list := []clusterChange{}
	want := map[string]map[string]string{}
	for _, name := range wanted.Nodes() {
		want[name] = map[string]string{}
		lans, addresses := wanted.Addresses(name)
		for i, lan := range lans {
			want[name][lan] = addresses[i]
		}
	}
	known := map[string]bool{}
	for _, n := range is.Nodes {
		known[n.Name] = true
		to, stays := want[n.Name]
		for _, lan := range slices.Sorted(maps.Keys(n.Addresses)) {
			switch old, next := n.Addresses[lan], to[lan]; {
			case !stays:
				list = append(list, clusterChange{lanPlace(lan, n.Name), old, "", onIt + "orchestrator cluster leave", ""})
			case next != old:
				list = append(list, clusterChange{lanPlace(lan, n.Name), old, next, onIt + "orchestrator cluster leave, and join with the new address", ""})
			}
		}
		for _, lan := range slices.Sorted(maps.Keys(to)) {
			if _, had := n.Addresses[lan]; !had {
				list = append(list, clusterChange{lanPlace(lan, n.Name), "", to[lan], onIt + "orchestrator cluster leave, and join with all addresses", ""})
			}
		}
	}
	for _, step := range foundingSteps(wanted) {
		if known[step.Node] {
			continue
		}
		for _, lan := range slices.Sorted(maps.Keys(want[step.Node])) {
			list = append(list, clusterChange{lanPlace(lan, step.Node), "", want[step.Node][lan], onIt + joining(step.Node, want[step.Node], local(wanted, step.Node), is), step.Node})
		}
	}
	return list
}

func lanPlace(lan, node string) string { return fmt.Sprintf("lan[%s]/node[%s]", lan, node) }

// joining is the command with which a new node joins the cluster as it is.
func joining(name string, addresses map[string]string, local string, is control.ClusterStatus) string {
	command := "orchestrator cluster join --token TOKEN --name " + name
	for _, lan := range slices.Sorted(maps.Keys(addresses)) {
		command += fmt.Sprintf(" --address %s=%s", lan, shown(name, addresses[lan]))
	}
	command += local
	for _, n := range is.Nodes {
		for _, lan := range slices.Sorted(maps.Keys(n.Addresses)) {
			if _, err := netip.ParseAddr(n.Addresses[lan]); err == nil {
				return command + " " + n.Addresses[lan]
			}
		}
	}
	return command + " MEMBER"
}

func (a *app) showClusterDiff(list []clusterChange) error {
	if a.json {
		return a.printJSON(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.stdout, "The cluster is as the file describes it.")
		return err
	}
	t := table{heads: []string{"WHAT", "OLD", "NEW", "WHAT TO DO"}}
	for _, c := range list {
		t.add(plain(c.Path), plain(excerpt(c.Old)), plain(excerpt(c.New)), plain(c.Do))
	}
	return t.write(a.stdout, a.color(a.stdout), 0)
}
