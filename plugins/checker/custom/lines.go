package custom

import (
	"bytes"
	"strings"
)

// longest line that is kept; the rest of a longer one is left out.
const longest = 400

// lines cuts output into lines and hands over those that are not empty.
type lines struct {
	take func(string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, more, whole := bytes.Cut(b, []byte("\n"))
		if room := longest - len(l.rest); room > 0 {
			l.rest = append(l.rest, line[:min(room, len(line))]...)
		}
		if !whole {
			return n, nil
		}
		l.flush()
		b = more
	}
}

// flush hands over what has no end of line yet.
func (l *lines) flush() {
	line := strings.ToValidUTF8(strings.TrimSpace(string(l.rest)), "?")
	l.rest = l.rest[:0]
	if line != "" {
		l.take(line)
	}
}
