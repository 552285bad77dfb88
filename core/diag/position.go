package diag

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Position is a place in a text. Lines and columns count from 1, columns in
// characters, not bytes. Line 0 means the file as a whole.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	End    int    `json:"end,omitempty"` // column after the last character on the same line; 0 if not known
}

// String is file:line:column, the form that editors and terminals make
// clickable.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// before orders positions by file, line and column.
func (p Position) before(q Position) bool {
	if p.File != q.File {
		return p.File < q.File
	}
	if p.Line != q.Line {
		return p.Line < q.Line
	}
	return p.Column < q.Column
}

// Source is a text whose byte offsets can be turned into positions.
type Source struct {
	File   string
	text   string
	starts []int // offset of the first byte of each line
	runes  []int // characters that begin before each block of bytes, for long lines
}

// block is the number of bytes that are counted through at most.
const block = 1 << 10

// NewSource prepares text for look-ups. file is the name shown to people.
func NewSource(file string, text []byte) *Source {
	s := &Source{File: file, text: string(text), starts: []int{0}}
	runes := 0
	for i := range len(s.text) {
		if i%block == 0 {
			s.runes = append(s.runes, runes)
		}
		if utf8.RuneStart(s.text[i]) {
			runes++
		}
		if s.text[i] == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
	return s
}

// before counts the characters that begin before an offset.
func (s *Source) before(offset int) int {
	n := offset / block
	if n == len(s.runes) {
		n--
	}
	if n < 0 {
		return 0
	}
	count := s.runes[n]
	for i := n * block; i < offset; i++ {
		if utf8.RuneStart(s.text[i]) {
			count++
		}
	}
	return count
}

// Position is the place of the bytes from..to (to not included). Offsets
// outside the text are moved to its nearest end; a range over several lines is
// cut at the end of its first.
func (s *Source) Position(from, to int) Position {
	from = min(max(from, 0), len(s.text))
	to = min(max(to, from), len(s.text))
	line := sort.SearchInts(s.starts, from+1)
	start := s.starts[line-1]
	end := start + len(s.Line(line))
	p := Position{File: s.File, Line: line, Column: 1 + s.before(from) - s.before(start)}
	if to = min(to, end); to > from {
		p.End = p.Column + s.before(to) - s.before(from)
	}
	return p
}

// Line is the text of line n without its line break, empty if there is none.
func (s *Source) Line(n int) string {
	if n < 1 || n > len(s.starts) {
		return ""
	}
	end := len(s.text)
	if n < len(s.starts) {
		end = s.starts[n] - 1
	}
	return strings.TrimSuffix(s.text[s.starts[n-1]:end], "\r")
}

// Problem makes a problem at the bytes from..to.
func (s *Source) Problem(severity Severity, id string, from, to int, message string) Problem {
	p := s.Position(from, to)
	return Problem{ID: id, Severity: severity, Message: message, Pos: p, Source: s.Line(p.Line)}
}
