package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	tableBegin = "<!-- figures: written by make bench, do not edit -->"
	tableEnd   = "<!-- end of the figures -->"
)

// insertTable puts the table between its marks in a text, or at its end when
// there are none.
func insertTable(text, table string) string {
	before, rest, found := strings.Cut(text, tableBegin)
	_, behind, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		before, behind = strings.TrimRight(text, "\n")+"\n\n", "\n"
	}
	return before + tableBegin + "\n\n" + table + "\n" + tableEnd + behind
}

func (d Document) table() string {
	var b strings.Builder
	m := d.Machine
	fmt.Fprintf(&b, "%s, %d cores, %s, Linux %s, %s.\n\n", orElse(m.CPU, "CPU unknown"), m.Cores, m.System, m.Kernel, m.Go)
	b.WriteString("| figure | target | measured | peer in the same run | peer / ours | met | measured at, load |\n|---|---|---|---|---|---|---|\n")
	for _, f := range d.Figures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s, %s |\n", f.Name, f.target(), f.measured(), f.peer(), f.ratio(), f.verdict(), f.At.Format("2006-01-02 15:04"), f.Load)
	}
	return b.String() + d.remarks()
}

// remarks are the notes, below the table: a cell has no room for them.
func (d Document) remarks() string {
	var b strings.Builder
	for _, f := range d.Figures {
		if f.Note != "" {
			fmt.Fprintf(&b, "\n- **%s**: %s", f.Name, f.Note)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n" + strings.TrimLeft(b.String(), "\n") + "\n"
}

func (f Figure) target() string {
	var parts []string
	t := f.Target
	switch {
	case t.Median != nil && t.Worst != nil:
		parts = append(parts, fmt.Sprintf("median ≤ %s, worst ≤ %s", f.with(*t.Median), f.with(*t.Worst)))
	case t.Median != nil:
		parts = append(parts, "median ≤ "+f.with(*t.Median))
	case t.Worst != nil && *t.Worst == 0:
		parts = append(parts, "0")
	case t.Worst != nil:
		parts = append(parts, "≤ "+f.with(*t.Worst))
	}
	if t.BelowPeer {
		parts = append(parts, "less than the peer")
	}
	if t.Ratio != nil {
		parts = append(parts, "peer / ours ≥ "+short(*t.Ratio))
	}
	return orElse(strings.Join(parts, ", "), "–")
}

func (f Figure) measured() string {
	if f.Skipped != "" {
		return "skipped: " + strings.Join(strings.Fields(f.Skipped), " ") // a cell is one line
	}
	return f.span(f.Values, f.Median, f.Worst)
}

func (f Figure) span(values []float64, median, worst float64) string {
	if len(values) == 1 {
		return f.with(worst)
	}
	return fmt.Sprintf("median %s, worst %s (%d)", f.with(median), f.with(worst), len(values))
}

func (f Figure) peer() string {
	if f.Peer == nil {
		return "–"
	}
	return f.Peer.Name + ": " + f.span(f.Peer.Values, f.Peer.Median, f.Peer.Worst)
}

func (f Figure) ratio() string {
	if f.Ratio == 0 {
		return "–"
	}
	return short(f.Ratio)
}

func (f Figure) verdict() string {
	switch {
	case f.Skipped != "":
		return "not measured"
	case f.Met == nil && f.Target.Ratio != nil:
		return "no peer"
	case f.Met == nil:
		return "–"
	case *f.Met:
		return "yes"
	default:
		return "**missed**"
	}
}

func (f Figure) with(v float64) string { return strings.TrimSpace(short(v) + " " + f.Unit) }

// short writes three digits or so.
func short(v float64) string {
	digits := 0
	if a := math.Abs(v); a > 0 && a < 100 {
		digits = max(0, 2-int(math.Floor(math.Log10(a))))
	}
	text := strconv.FormatFloat(v, 'f', min(digits, 4), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
