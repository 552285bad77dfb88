package heartbeat

import "time"

// A node that runs late asks for patience before it needs it: it lengthens its own
// timeout, which its packets carry and its peers respect, to a few times what it was
// late by. So a machine that is starved of processors is not taken for a dead
// one; what it costs is a later take-over should it die in that state. (Lifeguard
// has the same idea: Dadgar, Phillips and Currey, "Lifeguard: SWIM-ing with
// Situational Awareness", 2018.)
//
// A start makes a machine busy for a moment, and so does a backup; then it is well again, and
// patience would only be in the way of a take-over. One that is starved by the hour
// is late again and again. So lateness is forgotten soon the first time, and
// kept in mind the longer the sooner it comes back.
const (
	stretchBy    = 3                // times the lateness seen
	stretchMax   = 3                // times the configured timeout, at most
	stretchFirst = 2 * time.Second  // for how long after the last lateness, at first
	stretchFor   = 16 * time.Second // and at most: each relapse doubles it
	stretchAgain = 8                // times as long is how long a relapse counts as one
	stretchLag   = 3                // beats that tell the peers before the lease follows
)

// stretch lengthens the timeout after this node was late.
func (d *detector) stretch(now, by int64) {
	want := min(stretchBy*by, stretchMax*d.base)
	if want <= d.base {
		return
	}
	if d.timeout == d.base { // it was on time for a while, if ever it was late
		if d.calmAt == 0 || now-d.calmAt > stretchAgain*d.mindful {
			d.mindful = int64(stretchFirst)
		} else {
			d.mindful = min(2*d.mindful, int64(stretchFor))
		}
	}
	d.calmAt = now + d.mindful
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
