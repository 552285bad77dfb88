package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

func explainCommand(a *app) *cobra.Command {
	var address, proto string
	c := a.jsonFlag(&cobra.Command{
		Use: "explain CLIENT[:PORT]", Short: "Say which server a client meets, and why", Args: cobra.ExactArgs(1),
		Long: `Say which server the packets of a client meet, for each module and rule: the bucket
that its address (and port) falls into, the server that owns it, those that may still
have connections in it, whether it is on the move, who answers ARP for the client,
and why each server has the share that it has.

Where each connection is shared by itself (on_port), the client's port decides: give
it as CLIENT:PORT to learn the server. The tables are those of this server at this
moment.`,
		Example: `  orchestrator explain 203.0.113.7
  orchestrator explain 203.0.113.7:51000 --address 192.0.2.10:443
  orchestrator explain [2001:db8::7]:51000 --proto udp --json`,
	})
	c.Flags().StringVar(&address, "address", "", "the virtual `ADDRESS`, or ADDRESS:PORT, that the client calls (default all)")
	c.Flags().StringVar(&proto, "proto", "tcp", "the `PROTOCOL`, tcp or udp")
	completeFlag(c, "proto", always("tcp", "udp"))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if proto != "tcp" && proto != "udp" {
			return usagef("--proto %q: use tcp or udp", proto)
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		q := url.Values{"client": {args[0]}, "address": {address}, "proto": {proto}}
		var e control.Explanation
		if err := client.Get(cmd.Context(), "/v1/explain?"+q.Encode(), &e); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(e)
		}
		return a.showExplanation(e)
	}
	return c
}

func (a *app) showExplanation(e control.Explanation) error {
	color := a.color(a.stdout)
	var b strings.Builder
	fmt.Fprintf(&b, "client %s, by the tables of %s\n", paint(color, bold, clean(e.Client)), clean(e.Node))
	if e.Note != "" {
		fmt.Fprintf(&b, "%s\n", clean(e.Note))
	}
	if len(e.Paths) == 0 {
		b.WriteString("\nno module has an address that this client can reach\n")
	}
	for _, p := range e.Paths {
		explainPath(&b, p, color)
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func explainPath(b *strings.Builder, p control.Path, color bool) {
	fmt.Fprintf(b, "\n%s at %s: %s\n", paint(color, bold, clean(p.Module)), clean(p.Address), clean(p.Rule))
	if p.Group == "" {
		return
	}
	owner := p.Owner
	if owner == "" {
		owner = "nobody"
	}
	switch {
	case p.Mirror:
		fmt.Fprintf(b, "  %s is the primary\n", paint(color, green, clean(owner)))
		for _, n := range p.Nodes {
			if n.Why != "" {
				fmt.Fprintf(b, "  %s takes nothing: %s\n", clean(n.Node), clean(n.Why))
			}
		}
		return
	case p.Bucket == nil && strings.Contains(p.Rule, "on_port"):
		b.WriteString("  which server depends on the client's port: give CLIENT:PORT\n")
	case p.Bucket == nil:
		b.WriteString("  which server depends on each packet\n")
	default:
		fmt.Fprintf(b, "  bucket %d of group %s belongs to %s\n", *p.Bucket, clean(p.Group), paint(color, green, clean(owner)))
		if len(p.Previous) > 0 {
			fmt.Fprintf(b, "  connections in it may be left on %s, and stay there\n", clean(strings.Join(p.Previous, ", ")))
		}
		if p.Next != "" {
			fmt.Fprintf(b, "  it is to move to %s\n", clean(p.Next))
		}
	}
	served := slices.ContainsFunc(p.Nodes, func(n control.Standing) bool { return n.Share > 0 })
	if !served {
		b.WriteString("  nobody serves it now\n")
	}
	if p.Moving && served {
		b.WriteString("  the servers are changing their tables at this moment\n")
	}
	if p.ARP != "" {
		fmt.Fprintf(b, "  %s answers when the client, or its router, asks the network for %s\n", clean(p.ARP), clean(p.Address))
	}
	for _, n := range p.Nodes {
		fmt.Fprintf(b, "  %s has %.1f %% of the buckets with power %d", clean(n.Node), 100*n.Share, n.Power)
		if n.Why != "" {
			fmt.Fprintf(b, ": %s", clean(n.Why))
		}
		b.WriteByte('\n')
	}
}
