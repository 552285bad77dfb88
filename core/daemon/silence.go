package daemon

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// silence measures how long the other node of a mirror has not been heard. Only
// time counts in which this node was awake: it looks often, and of a long pause
// between two looks only a part counts, since what was said meanwhile is yet to be
// read. It has no clock.
type silence struct {
	counting bool
	left     time.Duration
	at       time.Time // the last look
	evidence core.Evidence
	reason   string
	cause    int64
}

// napTime is what counts of a pause between two looks at most.
const napTime = 2 * busyTick

// begin counts from now on. What is known for certain is not counted anew.
func (s *silence) begin(now time.Time, wait time.Duration, evidence core.Evidence, reason string, cause int64) {
	if s.counting && s.evidence == core.EvidenceDead && evidence != core.EvidenceDead {
		return
	}
	*s = silence{true, wait, now, evidence, reason, cause}
}

func (s *silence) end() { s.counting = false }

// look reports, once, that the silence has lasted long enough.
func (s *silence) look(now time.Time) bool {
	if !s.counting {
		return false
	}
	s.left -= min(max(0, now.Sub(s.at)), napTime)
	s.at = now
	if s.left > 0 {
		return false
	}
	s.counting = false
	return true
}
