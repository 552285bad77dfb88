package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// View is all that the live table shows.
type View struct {
	Address string
	Title   string
	Elapsed time.Duration
	Rows    []Row
	// Answered and Failed are new connections in the last second.
	Answered, Failed float64
	// OutageMS and Requests are what failed in this act.
	OutageMS    float64
	Requests    int64
	Open        int // long-lived connections
	Broken      int // of those that lived on a server that failed
	BrokenOther int
}

// Row is one server.
type Row struct {
	Node  string
	State string // as the cluster says
	Mark  string // what we did to it; shown instead of State
	Share float64
	New   float64 // connections in the last second
	Open  int     // long-lived connections
}

// The parts of a terminal's colours that we use (ECMA-48).
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

const barWidth = 30

// Text draws the view; each line ends with a line feed.
func (v View) Text(color bool) string {
	paint := func(style, text string) string {
		if !color || style == "" {
			return text
		}
		return style + text + plain
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n %s  %d:%02d\n\n", paint(bold, v.Title), int(v.Elapsed.Minutes()), int(v.Elapsed.Seconds())%60)
	fmt.Fprintf(&b, " %-8s%-12s%-*s      new/s  long-lived\n", "server", "state", barWidth+3, "share of new connections")
	for _, r := range v.Rows {
		state, style := r.State, yellow
		if state == "UP" {
			style = green
		}
		if r.Mark != "" {
			state, style = r.Mark, red
		}
		fmt.Fprintf(&b, " %-8s%s%s%5.0f %% %9.0f %11d\n", r.Node, paint(style, pad(state, 12)), paint(style, bar(r.Share)), r.Share*100, r.New, r.Open)
	}
	failed := paint(map[bool]string{true: red, false: green}[v.Failed > 0], fmt.Sprintf("%.0f failed", v.Failed))
	fmt.Fprintf(&b, "\n clients of %s: %.0f answered, %s in the last second\n", v.Address, v.Answered, failed)
	fmt.Fprintf(&b, " this act: outage %s, %d requests failed\n", outage(v.OutageMS), v.Requests)
	fmt.Fprintf(&b, " long-lived connections: %d open, %d broken with their server, %d on other servers\n", v.Open, v.Broken, v.BrokenOther)
	return b.String()
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// bar shows a share in halves of a cell.
func bar(share float64) string {
	halves := int(min(max(share, 0), 1)*barWidth*2 + 0.5)
	text := strings.Repeat("█", halves/2)
	if halves%2 == 1 {
		text += "▌"
	}
	return pad(text, barWidth)
}
