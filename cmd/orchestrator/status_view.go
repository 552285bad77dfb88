package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// showStatus writes the table of modules and nodes, and with detail what is known
// besides.
func (a *app) showStatus(w io.Writer, st control.Status, detail bool) error {
	color := a.color(a.stdout)
	if len(st.Modules) == 0 {
		_, err := fmt.Fprintf(w, "cluster %s, seen from %s: no module is installed\n", clean(st.Cluster), clean(st.Node))
		return err
	}
	t := table{heads: []string{"MODULE", "NODE", "STATE", "SHARE", "CONNECTIONS", "REASON"}}
	for _, m := range st.Modules {
		for i, n := range m.Nodes {
			name := cell{}
			if i == 0 {
				name = tinted(m.Name, bold)
			}
			t.add(row(name, m, n)...)
		}
	}
	if err := t.write(w, color, width(a.stdout)); err != nil || !detail {
		return err
	}
	for _, m := range st.Modules {
		if err := showDetail(w, m, color); err != nil {
			return err
		}
	}
	return nil
}

func row(name cell, m control.ModuleStatus, n control.ModuleNode) []cell {
	if !n.Reachable {
		return []cell{name, plain(n.Node), tinted("not reachable", red), {}, {}, plain(n.Reason)}
	}
	reason := n.Reason
	if n.Signature != "" && n.Signature != m.Signature {
		reason = strings.TrimSuffix("still with configuration "+n.Signature+"; "+reason, "; ")
	}
	share, connections := cell{}, cell{}
	switch {
	case n.Pair != nil && n.Pair.Serves:
		share, connections = plain("has the address"), plain(fmt.Sprint(n.Connections))
	case n.Pair != nil:
	case n.State != core.Stop && m.Mode == core.Farm:
		share = plain(fmt.Sprintf("%s %5.1f %%", bar(n.Share, 10), 100*n.Share))
		connections = plain(fmt.Sprint(n.Connections))
		if n.Drained {
			connections = plain(fmt.Sprintf("%d left", n.Connections))
		}
	}
	return []cell{name, plain(n.Node), state(n), share, connections, plain(reason)}
}

func state(n control.ModuleNode) cell {
	text := n.State.String() + " " + string(n.Phase)
	color := yellow
	switch {
	case n.Drained:
		text += ", drained"
	case n.State == core.Stop:
		color = dim
	case n.State != core.Wait && n.Phase == core.Ready:
		color = green
	case n.Phase == core.NotReady:
		color = red
	}
	return tinted(text, color)
}

// bar draws a part of a whole, 0 to 1, in so many cells.
func bar(part float64, cells int) string {
	eighths := int(max(0, min(1, part))*float64(cells)*8 + 0.5)
	b := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		b += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return b + strings.Repeat("·", cells-len([]rune(b)))
}

// pairText tells what a node of a mirror knows of the pair.
func pairText(p control.Pair) string {
	text := fmt.Sprintf("%s is %s %s", p.Peer, p.PeerState, p.PeerPhase)
	switch p.Link {
	case "unknown":
		text = p.Peer + " was not heard yet"
	case "lost":
		text = p.Peer + " is lost: " + cmp.Or(p.Lost, "it is silent")
	}
	if p.Replicated {
		text += fmt.Sprintf("; data here: generation %s, %s", p.Generation, cmp.Or(string(p.Standing), "no history"))
		if !p.UpToDate {
			text += ", not up to date"
		}
	}
	if p.Degraded {
		text += "; replication failed here"
	}
	if !p.Failover {
		text += "; failover is off"
	}
	return text
}

func showDetail(w io.Writer, m control.ModuleStatus, color bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: a %s module at %s, configuration %s\n", paint(color, bold, clean(m.Name)), m.Mode,
		cmp.Or(strings.Join(m.Addresses, ", "), "no address"), m.Signature)
	for _, n := range m.Nodes {
		if !n.Reachable {
			continue
		}
		fmt.Fprintf(&b, "\n%s", paint(color, bold, clean(n.Node)))
		if !n.Since.IsZero() {
			fmt.Fprintf(&b, ", %s since %s", n.State, n.Since.Local().Format("2006-01-02 15:04:05"))
		}
		b.WriteByte('\n')
		if n.Pair != nil {
			b.WriteString(clean("  "+pairText(*n.Pair)) + "\n")
			if n.Pair.Replication != nil {
				b.WriteString(clean("  "+replicationText(*n.Pair.Replication)) + "\n")
			}
		}
		if len(n.Muted) > 0 {
			fmt.Fprintf(&b, "  switched off: %s\n", strings.Join(n.Muted, ", "))
		}
		for _, r := range n.Resources {
			line := "  " + r.Name + " is " + string(r.Value)
			if r.Reason != "" {
				line += ": " + r.Reason
			}
			b.WriteString(clean(line) + "\n")
		}
		for _, f := range n.Filter {
			b.WriteString(clean("  packets: "+f) + "\n")
		}
		if len(n.Shares) > 1 {
			for _, group := range slices.Sorted(maps.Keys(n.Shares)) {
				fmt.Fprintf(&b, "  group %s: %.1f %%\n", clean(group), 100*n.Shares[group])
			}
		}
		if n.Held > 0 {
			fmt.Fprintf(&b, "  %d of 4096 parts of the clients belong to others now, and may have connections here\n", n.Held)
		}
		for _, name := range slices.Sorted(maps.Keys(n.Counters)) {
			fmt.Fprintf(&b, "  %-24s %d\n", clean(name), n.Counters[name])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
