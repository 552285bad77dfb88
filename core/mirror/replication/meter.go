package replication

import (
	"sync"
	"time"
)

// metered is how often a meter looks, and looks how many of them its mean is over.
const (
	metered = time.Second
	looks   = 4
)

// meter answers how fast counters grow: the mean of the last three seconds.
type meter struct {
	mu   sync.Mutex
	seen []reading // the latest last
}

// reading is what the counters were.
type reading struct {
	at     time.Time
	sent   uint64 // bytes of the session's stream
	copied int64  // bytes that its resynchronisation has compared
}

// read notes what the counters are. A counter that is lower than before began anew, with
// another session: what was seen before says nothing about it.
func (m *meter) read(r reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.seen); n > 0 && (r.sent < m.seen[n-1].sent || r.copied < m.seen[n-1].copied) {
		m.seen = nil
	}
	m.seen = append(m.seen, r)
	m.seen = m.seen[max(0, len(m.seen)-looks):]
}

// rates are bytes a second.
func (m *meter) rates() (sent, copied int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) < 2 {
		return 0, 0
	}
	first, last := m.seen[0], m.seen[len(m.seen)-1]
	span := last.at.Sub(first.at).Seconds()
	if span <= 0 {
		return 0, 0
	}
	return int64(float64(last.sent-first.sent) / span), int64(float64(last.copied-first.copied) / span)
}
