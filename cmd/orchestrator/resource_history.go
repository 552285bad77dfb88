package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

func resourceHistory(a *app) *cobra.Command {
	var (
		node  string
		limit int
	)
	c := a.jsonFlag(&cobra.Command{
		Use: "history MODULE [NAME]", Short: "Show what resources were, and why", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: inOrder(a.installed, a.resources),
		Long: `Show the last changes of a resource, or of all resources of a module: when it became
what, and what was seen. The oldest come first. They are kept as long as the journal:
90 days, or 200,000 entries of all kinds. "orchestrator log MODULE" tells what they led to.`,
		Example: "  orchestrator resource history web_farm tcp.web\n  orchestrator resource history web_farm --node n2 --lines 5",
	})
	c.Flags().StringVar(&node, "node", "", "what the server `NODE` has seen (default this one)")
	completeFlag(c, "node", a.nodes)
	c.Flags().IntVarP(&limit, "lines", "n", 20, "at most so many changes of each resource")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if limit <= 0 {
			return usagef("--lines %d is not positive", limit)
		}
		q := url.Values{"limit": {strconv.Itoa(limit)}}
		if len(args) > 1 {
			q.Set("resource", args[1])
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		var list []control.ResourceChange
		if err := client.Get(cmd.Context(), onNode(node, modulePath(args[0])+"/history?"+q.Encode()), &list); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(list)
		}
		if len(list) == 0 {
			_, err := fmt.Fprintf(a.stdout, "Nothing is known of %s; orchestrator status %s shows the resources that there are.\n", strings.Join(args, " "), args[0])
			return err
		}
		return a.showResourceHistory(list)
	}
	return c
}

func (a *app) showResourceHistory(list []control.ResourceChange) error {
	t := table{heads: []string{"TIME", "RESOURCE", "VALUE", "REASON"}}
	for _, c := range list {
		value := plain(string(c.Value))
		switch c.Value {
		case core.ResUp:
			value = tinted("up", green)
		case core.ResDown:
			value = tinted("down", red)
		}
		t.add(plain(c.Time.Local().Format("2006-01-02 15:04:05.000")), plain(c.Resource), value, plain(c.Reason))
	}
	return t.write(a.stdout, a.color(a.stdout), width(a.stdout))
}

// onNode is the path of the API for what a server tells; of this one if node is empty.
func onNode(node, path string) string {
	if node == "" {
		return path
	}
	return "/v1/nodes/" + url.PathEscape(node) + path[len("/v1"):]
}
