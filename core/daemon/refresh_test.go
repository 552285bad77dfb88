package daemon

import (
	"testing"
	"time"
)

// TestRefresh counts announcements in an hour of looking every 2 seconds.
func TestRefresh(t *testing.T) {
	begin := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name             string
		first, invisible bool
		takeOvers        []time.Duration
		want             int
	}{
		{"not the first", false, true, nil, 0},
		{"directed", true, false, nil, 20},
		{"directed, take-over", true, false, []time.Duration{0, 40 * time.Minute}, 40},
		{"directed, take-over soon", true, false, []time.Duration{10 * time.Minute}, 30},
		{"invisible", true, true, nil, 60},
	} {
		var r refresh
		count := 0
		var takeOver time.Time
		for after := time.Duration(0); after < time.Hour; after += patrolInterval {
			for _, at := range c.takeOvers {
				if after == at {
					takeOver = begin.Add(after)
				}
			}
			if r.due(begin.Add(after), c.first, c.invisible, takeOver) {
				count++
			}
		}
		if count != c.want {
			t.Errorf("%s: %d announcements instead of %d", c.name, count, c.want)
		}
	}
	r := refresh{since: begin.Add(-time.Hour), last: begin.Add(-time.Minute)}
	r.due(begin, false, false, time.Time{})
	if !r.due(begin.Add(patrolInterval), true, false, time.Time{}) {
		t.Error("a node that becomes the first does not announce")
	}
}
