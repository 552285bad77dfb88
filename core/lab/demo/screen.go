package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// screen writes events as lines that stay and, on a terminal, the live table
// under them.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	begin    time.Time
	table    string // stands at the cursor
}

// event writes a line that stays.
func (s *screen) event(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	elapsed := time.Since(s.begin)
	fmt.Fprintf(s.out, "%2d:%02d.%d  %s\n", int(elapsed.Minutes()), int(elapsed.Seconds())%60,
		int(elapsed.Milliseconds()/100)%10, fmt.Sprintf(format, args...))
	_, _ = io.WriteString(s.out, s.table)
}

// show replaces the table.
func (s *screen) show(v View) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.table = v.Text(true)
	_, _ = io.WriteString(s.out, s.table) // a terminal that is gone ends the program by itself
}

func (s *screen) erase() {
	if s.table != "" {
		fmt.Fprintf(s.out, "\x1b[%dF\x1b[J", strings.Count(s.table, "\n"))
	}
}

func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.table = ""
}
