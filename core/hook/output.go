package hook

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxLine is where an endless line is broken.
const maxLine = 8 << 10

// stampLayout is the time stamp at the start of each line of output.
const stampLayout = "2006-01-02T15:04:05.000Z07:00"

// lineWriter puts a time stamp before every line and stops at a limit. It may
// be used by several goroutines; after close it swallows what comes.
type lineWriter struct {
	mu     sync.Mutex
	to     io.Writer
	left   int64
	limit  int64
	closed bool
}

func newLineWriter(to io.Writer, limit int64) *lineWriter {
	if to == nil {
		to = io.Discard
	}
	return &lineWriter{to: to, left: limit, limit: limit}
}

// line writes one line.
func (w *lineWriter) line(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	row := time.Now().Format(stampLayout) + " " + text + "\n"
	w.left -= int64(len(row))
	if w.left < 0 {
		w.closed = true
		row = fmt.Sprintf("%s output cut off here: limit of %d KiB reached\n", time.Now().Format(stampLayout), w.limit>>10)
	}
	// Nobody can act on a failed write of output: the disk is full, and the
	// hook's result is stored in the journal.
	_, _ = io.WriteString(w.to, row)
}

// close ends the output: what is written later is dropped.
func (w *lineWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// splitter is an io.Writer that passes whole lines on.
type splitter struct {
	mu   sync.Mutex
	emit func(string)
	buf  []byte
}

func (s *splitter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(s.buf, p...)
	for {
		end := bytes.IndexByte(s.buf, '\n')
		switch {
		case end >= 0:
			s.emit(string(bytes.TrimSuffix(s.buf[:end], []byte{'\r'})))
			s.buf = s.buf[end+1:]
		case len(s.buf) >= maxLine:
			s.emit(string(s.buf[:maxLine]))
			s.buf = s.buf[maxLine:]
		default:
			return len(p), nil
		}
	}
}

// flush passes on a last line without an end.
func (s *splitter) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) > 0 {
		s.emit(string(s.buf))
		s.buf = nil
	}
}

// capture keeps the first bytes that are written to it.
type capture struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	max  int
	lost bool
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := c.max - c.buf.Len()
	if len(p) > room {
		c.lost = true
		c.buf.Write(p[:room])
	} else {
		c.buf.Write(p)
	}
	return len(p), nil
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}
