package daemon

import "time"

// Pace of a loop's ticks: while something is under way, and at rest.
const (
	busyTick = 20 * time.Millisecond
	idleTick = 250 * time.Millisecond
)

// pace ticks for a loop: slowly at first.
type pace struct {
	*time.Ticker
	between time.Duration
}

func newPace() *pace { return &pace{time.NewTicker(idleTick), idleTick} }

// set lets it tick fast or slowly. What stays as it is does not begin anew: a loop that is told
// something all the time has its ticks, too.
func (p *pace) set(busy bool) {
	between := idleTick
	if busy {
		between = busyTick
	}
	if between != p.between {
		p.between = between
		p.Reset(between)
	}
}
