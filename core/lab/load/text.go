package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Text is the report for people.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s for %.1f s\n", r.Target, r.ElapsedMS/1000)
	fresh, lasting := "new connections", "long-lived connections"
	if r.Proto == "udp" {
		fresh, lasting = "datagrams", "clients that keep their port"
	}
	if r.New.Rate > 0 {
		r.New.text(&b, fresh)
	}
	if r.Connections.Wanted > 0 {
		r.Connections.text(&b, lasting)
	}
	return b.String()
}

func (n NewConns) text(b *strings.Builder, what string) {
	fmt.Fprintf(b, "\n%s, %d/s: %d made, %d answered, %d failed%s\n", what, n.Rate, n.Attempts, n.OK, n.Failed, causes(n.Causes))
	fmt.Fprintf(b, "latency: half within %.1f ms, 90 %% %.1f ms, 99 %% %.1f ms, longest %.1f ms\n",
		n.Latency.P50, n.Latency.P90, n.Latency.P99, n.Latency.Max)
	for _, node := range slices.Sorted(maps.Keys(n.Nodes)) {
		fmt.Fprintf(b, "  %-12s %8d  %5.1f %%\n", cmp.Or(node, "(unnamed)"), n.Nodes[node], 100*float64(n.Nodes[node])/float64(max(n.OK, 1)))
	}
	for _, o := range n.Outages {
		fmt.Fprintf(b, "outage of %.0f ms at %.1f s: %d failed\n", o.MS, o.AtMS/1000, o.Failed)
	}
	if len(n.Outages) == 0 {
		b.WriteString("no outage\n")
	}
	if n.Doubled != nil {
		fmt.Fprintf(b, "answered twice: %d, %d of them by one server\n", *n.Doubled, n.Repeated)
	}
	for _, d := range n.Doubles {
		fmt.Fprintf(b, "  twice at %.1f s: by %s and by %s\n", d.AtMS/1000, d.By[0], d.By[1])
	}
	if n.NotSent > 0 {
		fmt.Fprintf(b, "not made, for lack of room on this machine: %d\n", n.NotSent)
	}
}

func causes(counts map[Cause]int64) string {
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", strings.ReplaceAll(string(cause), "_", " "), counts[cause]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (c Connections) text(b *strings.Builder, what string) {
	fmt.Fprintf(b, "\n%s: %d open of %d, %d broken, %d closed by the server in order; longest wait %.0f ms\n",
		what, c.Kept, c.Wanted, c.Broken, c.Closed, c.LongestWaitMS)
	if c.Moved > 0 {
		fmt.Fprintf(b, "  answered by another server than before: %d\n", c.Moved)
	}
	for _, node := range slices.Sorted(maps.Keys(c.Nodes)) {
		fmt.Fprintf(b, "  %-12s %8d\n", cmp.Or(node, "(unnamed)"), c.Nodes[node])
	}
	broken := map[string]int{}
	for _, one := range c.Breaks {
		broken[fmt.Sprintf("%s, %s", cmp.Or(one.Node, "(unnamed)"), strings.ReplaceAll(string(one.Cause), "_", " "))]++
	}
	for _, how := range slices.Sorted(maps.Keys(broken)) {
		fmt.Fprintf(b, "  broken: %d on %s\n", broken[how], how)
	}
}
