package daemon

import "time"

// When addresses are announced without a take-over.
const (
	// refreshInterval is the time between announcements while they matter: some
	// neighbours keep an old entry for hours if they missed those after a take-over.
	refreshInterval = time.Minute
	// refreshTime is how long they matter in vmac_directed. After that they would only
	// bring all clients to one entry node, until each has asked again.
	refreshTime = 20 * time.Minute
)

// refresh decides when the first node announces the addresses again. It has no
// clock.
type refresh struct {
	since time.Time // last take-over, or when this node became the first
	last  time.Time // last announcement
}

// due says whether to announce now, of what the node has been told until now.
func (r *refresh) due(now time.Time, first, invisible bool, takeOver time.Time) bool {
	if !first {
		*r = refresh{}
		return false
	}
	if r.since.IsZero() {
		r.since = now
	}
	if takeOver.After(r.since) {
		r.since = takeOver
	}
	if now.Sub(r.last) < refreshInterval || !invisible && now.Sub(r.since) >= refreshTime {
		return false
	}
	r.last = now
	return true
}
