package diag

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const document = "<safe>\r\n\t<rule\tprt=\"80\"/>\n<!-- größer 日本 --> <x/>\n</safe>"

func TestPosition(t *testing.T) {
	s := NewSource("f.xml", []byte(document))
	for _, tc := range []struct {
		text string
		want string
		end  int
	}{
		{"<safe>", "f.xml:1:1", 7},
		{"prt", "f.xml:2:8", 11},
		{"<x/>", "f.xml:3:20", 24}, // columns count characters, not bytes
		{"</safe>", "f.xml:4:1", 8},
	} {
		from := strings.Index(document, tc.text)
		got := s.Position(from, from+len(tc.text))
		if got.String() != tc.want || got.End != tc.end {
			t.Errorf("%s: got %v end %d, want %s end %d", tc.text, got, got.End, tc.want, tc.end)
		}
	}
	if got := s.Position(1<<20, 1<<21).String(); got != "f.xml:4:8" {
		t.Errorf("an offset past the end: got %s", got)
	}
	if got := s.Position(0, len(document)).End; got != 7 {
		t.Errorf("a range over lines ends at column %d, want 7", got)
	}
	if got := s.Line(1); got != "<safe>" {
		t.Errorf("line 1 is %q", got)
	}
}

// Columns of long lines are counted from marks in between.
func TestPositionInLongLine(t *testing.T) {
	line := strings.Repeat("aé日", 2000)
	s := NewSource("f.xml", []byte("x\n"+line+"\n"))
	for i, want := 0, 1; i < len(line); want++ {
		_, n := utf8.DecodeRuneInString(line[i:])
		if got := s.Position(2+i, 2+i+n); got.Line != 2 || got.Column != want || got.End != want+1 {
			t.Fatalf("byte %d: got %+v, want column %d", i, got, want)
		}
		i += n
	}
}

// The caret must stand under the character it names, whatever is before it.
func TestRenderCaret(t *testing.T) {
	s := NewSource("f.xml", []byte(document))
	at := func(text string) Problem {
		from := strings.Index(document, text)
		return s.Problem(Error, "config/x", from, from+len(text), "wrong")
	}
	tab, wideChars := at("prt"), at("<x/>")
	tab.Hint = "did you mean \"port\"?"
	wideChars.Related = []Related{{Message: "first here", Pos: s.Position(0, 6), Source: s.Line(1)}}
	got := Problems{tab, wideChars}.Error()
	want := strings.Join([]string{
		`f.xml:2:8: error: wrong [config/x]`,
		`   2 |     <rule    prt="80"/>`,
		`     |              ^^^`,
		`  hint: did you mean "port"?`,
		``,
		`f.xml:3:20: error: wrong [config/x]`,
		`   3 | <!-- größer 日本 --> <x/>`,
		`     |                      ^^^^`, // two wide characters shift by two
		`  f.xml:1:1: first here`,
		`   1 | <safe>`,
		`     | ^^^^^^`,
	}, "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRenderCropsLongLines(t *testing.T) {
	line := strings.Repeat("a", 5000) + "WRONG" + strings.Repeat("b", 5000)
	s := NewSource("f", []byte(line))
	out := Problems{s.Problem(Error, "config/x", 5000, 5005, "m")}.Error()
	lines := strings.Split(out, "\n")
	if len([]rune(lines[1])) > defaultWidth+20 {
		t.Fatalf("line of %d characters shown", len(lines[1]))
	}
	runes := []rune(lines[1])
	from := strings.Index(lines[2], "^")
	if got := string(runes[from : from+5]); got != "WRONG" || !strings.HasSuffix(lines[2], "^^^^^") {
		t.Errorf("caret under %q:\n%s", got, out)
	}
}

func TestRenderHidesTerminalTricks(t *testing.T) {
	s := NewSource("f\x1b[2J", []byte("a\x1b[31mb\u202e"))
	out := Problems{s.Problem(Error, "config/x", 0, 1, "no \x1b]0;title\a")}.Error()
	if strings.ContainsAny(out, "\x1b\a\u202e") {
		t.Errorf("control characters reach the terminal: %q", out)
	}
	var b strings.Builder
	Problems{s.Problem(Warning, "config/x", 0, 1, "m")}.Render(&b, Style{Color: true})
	if !strings.Contains(b.String(), "\x1b[1;33mwarning:\x1b[0m") {
		t.Errorf("no colour: %q", b.String())
	}
}

func TestSortErrAndJSON(t *testing.T) {
	at := func(line, column int, id string, sev Severity) Problem {
		return Problem{ID: id, Severity: sev, Message: "m", Pos: Position{File: "f", Line: line, Column: column}}
	}
	ps := Problems{at(2, 1, "b", Note), at(1, 9, "a", Warning), at(2, 1, "a", Note), at(1, 9, "a", Warning)}
	ps.Sort()
	var order []string
	for _, p := range ps {
		order = append(order, fmt.Sprintf("%v %s", p.Pos, p.ID))
	}
	if d := cmp.Diff([]string{"f:1:9 a", "f:2:1 a", "f:2:1 b"}, order); d != "" {
		t.Error(d)
	}
	if ps.Refused() || ps.Err() != nil {
		t.Error("warnings and notes refuse")
	}
	ps = append(ps, at(3, 1, "c", Error))
	if ps.Err() == nil {
		t.Error("an error does not refuse")
	}
	out, err := json.Marshal(ps[3])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"c","severity":"error","message":"m","position":{"file":"f","line":3,"column":1}}`
	if string(out) != want {
		t.Errorf("got %s", out)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"virtual_addr", "virtual_interface", "port", "proto", "filter"}
	for word, want := range map[string]string{
		"virtual_adr": "virtual_addr", "prot": "port", "prt": "port", "PORT": "port", "filtre": "filter",
		"banana": "", "oprt": "port", "": "", "virtualinterface": "virtual_interface",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
