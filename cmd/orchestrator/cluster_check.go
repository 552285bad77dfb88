package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

func clusterCheck(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "check FILE", Short: "Read a cluster.xml of SafeKit and tell how to found that cluster", Args: cobra.ExactArgs(1),
		Long: `Read the description of a SafeKit cluster, show all mistakes in it, and tell what
to type on which server to found the same cluster here. Nothing is changed, and
neither root nor a daemon nor a network is needed.`,
		Example: "  orchestrator cluster check cluster.xml",
	})
	c.RunE = func(_ *cobra.Command, args []string) error { return a.checkCluster(args[0]) }
	return c
}

// clusterReport is what a check of a cluster.xml found.
type clusterReport struct {
	OK       bool          `json:"ok"`
	Steps    []clusterStep `json:"steps,omitempty"`
	Problems diag.Problems `json:"problems"`
}

// clusterStep is what is to be done on one server.
type clusterStep struct {
	Node    string `json:"node"`
	Command string `json:"command"`
}

func (a *app) checkCluster(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c, problems := config.ParseCluster(data, file)
	r := clusterReport{OK: c != nil, Problems: append(diag.Problems{}, problems...)}
	if c != nil {
		r.Steps = foundingSteps(c)
	}
	switch {
	case a.json:
		err = a.printJSON(r)
	default:
		r.Problems.Render(a.stderr, a.style(a.stderr))
		err = a.showSteps(r, c)
	}
	if err == nil && !r.OK {
		return silent(exitFailed)
	}
	return err
}

func (a *app) showSteps(r clusterReport, c *config.Cluster) error {
	if c == nil {
		_, err := fmt.Fprintf(a.stderr, "\norchestrator: the cluster has %s\n", count(r.Problems))
		return err
	}
	var lans []string
	for _, l := range c.Lans {
		lans = append(lans, l.Name)
	}
	fmt.Fprintf(a.stdout, "%d nodes on %s. To found this cluster:\n", len(r.Steps), strings.Join(lans, ", "))
	for _, s := range r.Steps {
		fmt.Fprintf(a.stdout, "\n  on %s:\n    %s\n", s.Node, s.Command)
	}
	_, err := fmt.Fprintln(a.stdout, "\n\"orchestrator cluster token\" on a member gives each TOKEN.")
	return err
}

// foundingSteps are the commands that make the cluster: the first node founds
// it, the others join by the first one's first address.
func foundingSteps(c *config.Cluster) []clusterStep {
	var steps []clusterStep
	for i, name := range c.Nodes() {
		command, last := "orchestrator cluster init", ""
		if i > 0 {
			_, first := c.Addresses(c.Nodes()[0])
			command, last = "orchestrator cluster join --token TOKEN", " "+shown(c.Nodes()[0], first[0])
		}
		command += " --name " + name
		lans, addresses := c.Addresses(name)
		for i, lan := range lans {
			command += fmt.Sprintf(" --address %s=%s", lan, shown(name, addresses[i]))
		}
		command += local(c, name)
		steps = append(steps, clusterStep{Node: name, Command: command + last})
	}
	return steps
}

// local are the flags for the addresses of a node that are translated on the way to it.
func local(c *config.Cluster, name string) (flags string) {
	lans, addresses := c.Local(name)
	for i, lan := range lans {
		flags += fmt.Sprintf(" --local %s=%s", lan, shown(name, addresses[i]))
	}
	return flags
}

// shown is an address, or what must be put in for a name: a cluster knows
// addresses only, so that it does not depend on DNS.
func shown(node, addr string) string {
	if _, err := netip.ParseAddr(addr); err != nil {
		return fmt.Sprintf("ADDRESS_OF_%s", strings.ToUpper(node))
	}
	return addr
}
