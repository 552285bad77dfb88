package daemon

import (
	"fmt"
	"sync"
	"time"
)

const (
	// strangersEvery limits how often the journal tells of nodes that were not let in, and
	// strangerLength how much (in bytes): anybody can ask, and nobody shall fill the journal.
	strangersEvery = time.Minute
	strangerLength = 300
)

// strangers counts the nodes that asked to be let in, and were not.
type strangers struct {
	mu      sync.Mutex
	refused int
	told    time.Time
}

// refuse counts one more, and answers how many are to be told now; 0 if none.
func (s *strangers) refuse(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	if !s.told.IsZero() && now.Sub(s.told) < strangersEvery {
		return 0
	}
	n := s.refused
	s.refused, s.told = 0, now
	return n
}

// strangerText is what the journal says of the last of n.
func strangerText(name string, n int, err error) string {
	others := ""
	if n > 1 {
		others = fmt.Sprintf(" So were %d others since the last of these messages.", n-1)
	}
	return fmt.Sprintf("A node that calls itself %q was not let in: %s.%s", cut(name, 63), cut(err.Error(), strangerLength), others)
}

// cut shortens a text of somebody who need not mean well.
func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return text[:length] + "…"
}
