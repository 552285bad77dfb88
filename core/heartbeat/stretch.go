package heartbeat

import "time"

// A node that runs late asks for patience before it needs it: it lengthens its own
// timeout, which its packets carry and its peers respect, to a few times what it was
// late by. So a machine that is starved of processors is not taken for a dead
// one; what it costs is a later take-over should it die in that state. (Lifeguard
// has the same idea: Dadgar, Phillips and Currey, "Lifeguard: SWIM-ing with
// Situational Awareness", 2018.)
const (
	stretchBy  = 3                // times the lateness seen
	stretchMax = 3                // times the configured timeout, at most
	stretchFor = 10 * time.Second // after the last lateness
	stretchLag = 3                // beats that tell the peers before the lease follows
)

// stretch lengthens the timeout after this node was late.
func (d *detector) stretch(now, by int64) {
	want := min(stretchBy*by, stretchMax*d.base)
	if want <= d.base {
		return
	}
	d.calmAt = now + int64(stretchFor)
	if want > d.timeout {
		d.before = d.leaseTime()
		d.timeout, d.told, d.urgent = want, 0, true
	}
}

// relax goes back to the configured timeout when this node has been on time for a
// while.
func (d *detector) relax(now int64) {
	if d.timeout > d.base && now >= d.calmAt {
		d.timeout = d.base
	}
}

// leaseTime is how long a lease lasts now: never longer than what the peers have
// been told of repeatedly, as they count by that.
func (d *detector) leaseTime() int64 {
	if d.told < stretchLag {
		return min(d.before, d.timeout)
	}
	return d.timeout
}
