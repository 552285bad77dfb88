package pluginhost

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// maxLine is the longest line of a plugin's log; longer ones are cut.
const maxLine = 8 << 10

// logReader passes on what a plugin writes to its standard error: JSON lines as
// slog and hclog write them, with their level, or any text.
type logReader struct {
	log  *slog.Logger
	tail *tail
}

func (l *logReader) read(r io.Reader) {
	b := bufio.NewReaderSize(r, maxLine)
	cut := false
	for {
		line, more, err := b.ReadLine()
		if err != nil {
			return
		}
		if !cut { // the rest of a line that was too long is left out
			l.line(line)
		}
		cut = more
	}
}

func (l *logReader) line(line []byte) {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		if text := strings.TrimSpace(string(line)); text != "" {
			l.tail.add(text)
			l.log.Warn(text)
		}
		return
	}
	level, message := slog.LevelInfo, ""
	var attrs []slog.Attr
	for k, v := range fields {
		switch text, _ := v.(string); strings.TrimPrefix(k, "@") {
		case "level":
			_ = level.UnmarshalText([]byte(text)) // an odd level is info
		case "msg", "message":
			message = text
		case "time", "timestamp":
		default:
			attrs = append(attrs, slog.Any(k, v))
		}
	}
	l.log.LogAttrs(context.Background(), level, message, attrs...)
}

// tail keeps the beginning of the plain text that a process wrote: for a Go
// program that crashed, the panic and not its stack.
type tail struct {
	mu   sync.Mutex
	text string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const limit = 200
	if t.text == "" || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
		t.text = line[:min(len(line), limit)]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text
}
