package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// terminal says whether w is a terminal that understands ECMA-48 control
// sequences.
func (a *app) terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && a.get("TERM") != "dumb" && enableSequences(f)
}

// color says whether to write colours to w; see no-color.org.
func (a *app) color(w io.Writer) bool { return a.get("NO_COLOR") == "" && a.terminal(w) }

// width is the number of cells in a line of w; 0 when it is no terminal.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// style is how problems are shown on w.
func (a *app) style(w io.Writer) diag.Style { return diag.Style{Color: a.color(w), Width: width(w)} }

// paint wraps text in a colour (SGR parameters) if color is set.
func paint(color bool, code, text string) string {
	if !color || text == "" || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Colours as SGR parameters.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// printJSON writes one JSON document to standard output.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
