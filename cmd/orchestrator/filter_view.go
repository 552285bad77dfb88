package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
)

// showFilter tells how packets are filtered; names are those of the nodes, as far
// as they are known.
func showFilter(w io.Writer, s *ebpf.Snapshot, names map[uint8]string, color bool) error {
	var b strings.Builder
	if s.Layout == 0 {
		_, err := fmt.Fprintln(w, nothingFiltered)
		return err
	}
	for _, at := range s.Attachments {
		fmt.Fprintf(&b, "%s\n", clean(attachmentText(at)))
	}
	fmt.Fprintf(&b, "lease: %s\n", leaseText(s))
	for _, x := range s.Strangers {
		node := func(m ebpf.PinnedMAC) bool { return m.Interface == x.Interface && m.MAC == x.MAC }
		if !slices.ContainsFunc(s.MACs, node) { // one that began at the same time was a stranger until it was known
			fmt.Fprintf(&b, "%s\n", clean(strangerText(s, x)))
		}
	}
	for _, m := range s.Modules {
		fmt.Fprintf(&b, "\n%s: %s\n", paint(color, bold, clean(m.Name)), clean(moduleText(s, m)))
		for _, g := range m.Groups {
			fmt.Fprintf(&b, "  group %s: %s\n", clean(g.Name), clean(sharesText(g, m.Self, names)))
			writeCounts(&b, m, g.Name)
		}
		writeCounts(&b, m, "")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func attachmentText(at ebpf.PinnedAttachment) string {
	if len(at.Programs) == 0 {
		return fmt.Sprintf("interface number %d is gone, or the filter was taken off it", at.Index)
	}
	text := cmp.Or(at.Interface, fmt.Sprint("interface number ", at.Index)) + ": " + strings.Join(at.Programs, ", ")
	if at.Note != "" {
		text += " (" + at.Note + ")"
	}
	return text
}

// leaseText tells how long the node serves, to the millisecond.
func leaseText(s *ebpf.Snapshot) string {
	left := (time.Duration(s.Lease) - time.Duration(s.Now)).Round(time.Millisecond)
	switch {
	case s.Lease == 0:
		return "none yet"
	case left > 0:
		return fmt.Sprintf("runs for another %v", left)
	}
	return fmt.Sprintf("ran out %v ago", -left)
}

func moduleText(s *ebpf.Snapshot, m ebpf.PinnedModule) string {
	does := []string{fmt.Sprintf("this is node %d", m.Self)}
	switch {
	case m.Fence && s.Lease <= s.Now:
		does = append(does, "takes nothing without a lease")
	case m.Accept:
		does = append(does, "takes new connections")
	default:
		does = append(does, "takes no new connections")
	}
	if !m.Agreed {
		does = append(does, "other nodes may use another table")
	}
	return strings.Join(does, ", ")
}

// sharesText tells which part of the clients each node has.
func sharesText(g ebpf.PinnedGroup, self uint8, names map[uint8]string) string {
	owned, moving, all := map[int]int{}, 0, 0
	for _, r := range g.Rows {
		n := r.Last - r.First + 1
		owned[r.Owner] += n
		all += n
		if len(r.Previous) > 0 {
			moving += n
		}
	}
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(owned)) {
		name := cmp.Or(names[uint8(node)], fmt.Sprint("node ", node))
		switch node {
		case 0:
			name = "nobody"
		case int(self):
			name += " (here)"
		}
		parts = append(parts, fmt.Sprintf("%s %.1f %%", name, 100*float64(owned[node])/float64(all)))
	}
	text := strings.Join(parts, ", ")
	if moving > 0 {
		text += fmt.Sprintf("; in %d of %d parts others may have connections left", moving, all)
	}
	return text
}

// writeCounts tells what became of the packets of a group; "": of those that met their end
// before a group was asked.
func writeCounts(b *strings.Builder, m ebpf.PinnedModule, group string) {
	for _, c := range m.Packets {
		switch {
		case c.Group != group:
		case group == "":
			fmt.Fprintf(b, "  %-24s %d\n", clean(c.Reason), c.Packets)
		default:
			fmt.Fprintf(b, "    %-12s %-18s %d\n", clean(c.Class), clean(c.Reason), c.Packets)
		}
	}
}

// dumpFilter prints everything.
func dumpFilter(w io.Writer, s *ebpf.Snapshot, color bool) error {
	if s.Layout == 0 {
		_, err := fmt.Fprintln(w, nothingFiltered)
		return err
	}
	if _, err := fmt.Fprintf(w, "layout %d, lease %d (%s)\n", s.Layout, s.Lease, leaseText(s)); err != nil {
		return err
	}
	for _, t := range []table{dumpPrograms(s), dumpAddresses(s), dumpRules(s), dumpMACs(s), dumpStrangers(s), dumpRows(s), dumpCounters(s)} {
		if len(t.rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := t.write(w, color, 0); err != nil {
			return err
		}
	}
	return nil
}

func dumpPrograms(s *ebpf.Snapshot) table {
	t := table{heads: []string{"INTERFACE", "INDEX", "PROGRAMS"}}
	for _, at := range s.Attachments {
		t.add(plain(cmp.Or(at.Interface, "?")), plain(fmt.Sprint(at.Index)), plain(cmp.Or(strings.Join(at.Programs, " "), "none")))
	}
	return t
}

func dumpAddresses(s *ebpf.Snapshot) table {
	t := table{heads: []string{"ADDRESS", "INDEX", "MODULE", "MAC", "VIRTUAL MAC"}}
	for _, at := range s.Addresses {
		t.add(plain(at.Address.String()), plain(fmt.Sprint(at.Interface)), plain(at.Module), plain(at.MAC), plain(cmp.Or(at.Virtual, "-")))
	}
	return t
}

func dumpRules(s *ebpf.Snapshot) table {
	t := table{heads: []string{"ADDRESS", "PROTOCOL", "PORT", "GROUP", "HASH"}}
	for _, at := range s.Addresses {
		for _, r := range at.Rules {
			port := "all"
			if r.Port != 0 {
				port = fmt.Sprint(r.Port)
			}
			t.add(plain(at.Address.String()), plain(r.Protocol), plain(port), plain(r.Group), plain(string(r.Hash)))
		}
	}
	return t
}

func dumpMACs(s *ebpf.Snapshot) table {
	t := table{heads: []string{"MODULE", "NODE", "INDEX", "MAC"}}
	for _, m := range s.MACs {
		t.add(plain(m.Module), plain(fmt.Sprint(m.Node)), plain(fmt.Sprint(m.Interface)), plain(m.MAC))
	}
	return t
}

func dumpStrangers(s *ebpf.Snapshot) table {
	t := table{heads: []string{"CLAIMED", "INDEX", "BY", "SEEN"}}
	for _, x := range s.Strangers {
		t.add(plain(x.Address.String()), plain(fmt.Sprint(x.Interface)), plain(x.MAC), plain(ago(s, x.Seen)))
	}
	return t
}

func ago(s *ebpf.Snapshot, at uint64) string {
	return fmt.Sprintf("%v ago", time.Duration(s.Now-min(s.Now, at)).Round(time.Second))
}

// strangerText tells who else claims an address.
func strangerText(s *ebpf.Snapshot, x ebpf.PinnedStranger) string {
	return fmt.Sprintf("%s is also claimed by %s, which is no node of the farm (%s)", x.Address, x.MAC, ago(s, x.Seen))
}

func dumpRows(s *ebpf.Snapshot) table {
	t := table{heads: []string{"MODULE", "GROUP", "BUCKETS", "ROW", "HAND-OVER"}}
	for _, m := range s.Modules {
		for _, g := range m.Groups {
			for _, r := range g.Rows {
				t.add(plain(m.Name), plain(g.Name), plain(fmt.Sprintf("%d-%d", r.First, r.Last)), plain(r.Row), plain(r.Hand))
			}
		}
	}
	return t
}

func dumpCounters(s *ebpf.Snapshot) table {
	t := table{heads: []string{"MODULE", "GROUP", "CLASS", "REASON", "PACKETS"}}
	for _, m := range s.Modules {
		for _, c := range m.Packets {
			t.add(plain(m.Name), plain(cmp.Or(c.Group, "-")), plain(cmp.Or(c.Class, "-")), plain(c.Reason), plain(fmt.Sprint(c.Packets)))
		}
	}
	return t
}
