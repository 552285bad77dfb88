package daemon

import (
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// A silence counts in time in which this node looked; what it overslept does not.
func TestSilence(t *testing.T) {
	now := time.Unix(1000, 0)
	var s silence
	if s.look(now) {
		t.Error("nothing was begun, and it is over")
	}
	s.begin(now, 900*time.Millisecond, core.EvidenceSilent, "no heartbeat", 7)
	over := time.Duration(0)
	for d := busyTick; d <= 2*time.Second; d += busyTick {
		if s.look(now.Add(d)) {
			if over != 0 {
				t.Fatal("it is over twice")
			}
			over = d
		}
	}
	if over < 900*time.Millisecond || over > 900*time.Millisecond+busyTick {
		t.Errorf("over after %s instead of 900 ms", over)
	}

	now = now.Add(time.Minute)
	s.begin(now, 900*time.Millisecond, core.EvidenceSilent, "no heartbeat", 7)
	if s.look(now.Add(5 * time.Second)) {
		t.Error("a node that slept for 5 s takes that for the silence of the other")
	}
	s.end()
	if s.look(now.Add(time.Hour)) {
		t.Error("the other node was heard, and the silence goes on")
	}

	s.begin(now, 100*time.Millisecond, core.EvidenceDead, "goodbye", 8)
	s.begin(now, 900*time.Millisecond, core.EvidenceSilent, "no heartbeat", 9)
	if s.evidence != core.EvidenceDead || s.cause != 8 {
		t.Errorf("what is known for certain is forgotten: %+v", s)
	}
}
