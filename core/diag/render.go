package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Style chooses how problems look.
type Style struct {
	Color bool // ANSI colours, for terminals
	Width int  // cells of a source line that are shown; 0 means 120
}

const (
	tabCells     = 4
	defaultWidth = 120
)

// Render writes every problem with its source line and a caret under the
// place:
//
//	conf/userconfig.xml:3:12: error: attribute "prt" is unknown in <rule> [config/unknown-attribute]
//	  3 | 	<rule prt="80"/>
//	    | 	      ^^^
//	  hint: did you mean "port"?
//
// Control characters of the source are made visible, so that a document cannot
// play tricks with a terminal. A failed write is the writer's to report.
func (ps Problems) Render(w io.Writer, st Style) {
	for i, p := range ps {
		if i > 0 {
			fmt.Fprintln(w)
		}
		p.render(w, st)
	}
}

func (p Problem) render(w io.Writer, st Style) {
	fmt.Fprintf(w, "%s: %s %s\n", st.paint("1", clean(p.Pos.String())),
		st.paint(severityColor(p.Severity), string(p.Severity)+":"),
		clean(p.Message)+" "+st.paint("2", "["+p.ID+"]"))
	excerpt(w, st, p.Pos, p.Source)
	for _, r := range p.Related {
		fmt.Fprintf(w, "  %s: %s\n", clean(r.Pos.String()), clean(r.Message))
		excerpt(w, st, r.Pos, r.Source)
	}
	if p.Hint != "" {
		fmt.Fprintf(w, "  %s %s\n", st.paint("36", "hint:"), clean(p.Hint))
	}
}

func severityColor(s Severity) string {
	switch s {
	case Error:
		return "1;31"
	case Warning:
		return "1;33"
	case Note:
		return "1;36"
	}
	return "1"
}

func (st Style) paint(code, text string) string {
	if !st.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// excerpt writes the source line and the caret line under it.
func excerpt(w io.Writer, st Style, pos Position, source string) {
	if pos.Line == 0 || pos.Column == 0 || source == "" {
		return
	}
	width := st.Width
	if width <= 0 {
		width = defaultWidth
	}
	text, from, to := layout(source, pos, width)
	gutter := fmt.Sprintf("%4d", pos.Line)
	fmt.Fprintf(w, "%s | %s\n", st.paint("2", gutter), text)
	fmt.Fprintf(w, "%s | %s%s\n", strings.Repeat(" ", len(gutter)), strings.Repeat(" ", from),
		st.paint("1;31", strings.Repeat("^", max(to-from, 1))))
}

// layout turns a source line into cells of a terminal: tabs become spaces, and
// of a long line only the part around the place is kept. from and to are the
// cells of the place in the text returned.
func layout(source string, pos Position, width int) (text string, from, to int) {
	end := max(pos.End, pos.Column+1)
	var cells []string // one per cell; the second cell of a wide character is ""
	from, to = -1, -1
	column := 0
	for _, r := range source {
		column++
		if column == pos.Column {
			from = len(cells)
		}
		if column == end {
			to = len(cells)
		}
		cells = appendCells(cells, r)
	}
	if from < 0 {
		from = len(cells)
	}
	if to < 0 {
		to = max(len(cells), from+1)
	}
	return crop(cells, from, to, width)
}

func appendCells(cells []string, r rune) []string {
	switch {
	case r == '\t':
		for range tabCells {
			cells = append(cells, " ")
		}
		return cells
	case unicode.In(r, unicode.Mn, unicode.Me) && len(cells) > 0:
		cells[len(cells)-1] += string(r)
		return cells
	case wide(r):
		return append(cells, string(r), "")
	}
	return append(cells, visible(r))
}

// crop keeps width cells with the place among them.
func crop(cells []string, from, to, width int) (text string, f, t int) {
	if len(cells) <= width {
		return strings.Join(cells, ""), from, to
	}
	first := max(0, from-width/3)
	last := min(len(cells), first+width)
	first = max(0, last-width)
	head, tail := "", ""
	if first > 0 {
		head = "… "
	}
	if last < len(cells) {
		tail = " …"
	}
	shift := len([]rune(head)) - first
	return head + strings.Join(cells[first:last], "") + tail, from + shift, min(to, last) + shift
}

// clean makes control characters visible in a text that may hold a user's
// words.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func visible(r rune) string {
	return clean(string(r))
}

// wide tells the characters that take two cells in a terminal (East Asian
// Width W and F, Unicode Standard Annex 11), by block.
func wide(r rune) bool {
	switch {
	case r < 0x1100:
		return false
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f900 && r <= 0x1f9ff,
		r >= 0x20000 && r <= 0x3fffd:
		return true
	}
	return false
}
