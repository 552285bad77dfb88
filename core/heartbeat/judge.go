package heartbeat

import (
	"fmt"
	"math/bits"
	"time"
)

// freshStarts is how often in one silence a late node begins to count anew.
// After that the time it was late is left out instead, so that a node that is
// late again and again still comes to a verdict.
const freshStarts = 3

// tick judges at now and says what to do. All that arrived before now must have
// been handed in. The result is valid until the next call.
func (d *detector) tick(now int64) *output {
	d.out.beat, d.out.lease, d.out.pings = false, 0, d.out.pings[:0]
	d.late(now)
	d.relax(now)
	if d.held && d.deadline != 0 && now >= d.deadline {
		d.held = false
		d.lapses++
		d.emit(now, Event{Kind: LeaseLapsed, Evidence: fmt.Sprintf("this node's last heartbeat was due to be followed within %s, but %s have passed",
			ms(d.timeout), ms(now-d.deadline+d.timeout))})
	}
	heard := d.heard(now)
	for _, id := range d.ids {
		d.judge(now, &d.peers[id], heard)
	}
	if d.heard(now) != d.said {
		d.urgent = true
	}
	d.beat(now)
	d.schedule(now)
	return &d.out
}

// done forgets the events that the last tick returned.
func (d *detector) done() { d.out.events = d.out.events[:0] }

// late looks whether this node itself overslept. What was silent meanwhile may
// have spoken: whole machines stop, and then nothing is queued for them.
func (d *detector) late(now int64) {
	by := now - d.due
	if by <= d.interval {
		return
	}
	d.stalls++
	d.lateBy += by
	d.stretch(now, by)
	d.emit(now, Event{Kind: SelfLate, Late: time.Duration(by),
		Evidence: fmt.Sprintf("this node's heartbeat ran %s late: its processors were busy, or it was stopped", ms(by))})
	for _, id := range d.ids {
		p := &d.peers[id]
		p.host.late(now, by)
		if p.graces++; p.graces <= freshStarts {
			p.graceFrom = now
		} else {
			p.graceFrom = min(now, max(p.graceFrom, p.heard)+by)
		}
	}
}

// judge comes to a verdict on one peer.
func (d *detector) judge(now int64, p *peer, heard uint64) {
	switch p.verdict {
	case VerdictLost:
		d.watchHost(now, p)
		return
	case VerdictNever, VerdictLeft:
		return
	}
	dead := d.processDead(p)
	if now-p.heard >= d.limit(p)/2 || dead {
		d.ask(now, p, d.interval)
	}
	if dead && p.verdict == VerdictAlive {
		d.suspect(now, p)
	}
	if now < d.judgeAt(p) {
		return
	}
	if d.dissent(p, heard) != 0 {
		// The others' views arrive a moment later: no dispute yet.
		if p.verdict == VerdictAlive && now >= d.judgeAt(p)+2*d.interval {
			d.suspect(now, p)
		}
		return
	}
	p.host.state = p.host.seen(now, d.timeout)
	if dead {
		p.host.state = HostAnswers // it refused a beat
	}
	p.evidence = d.evidence(now, p)
	p.returning = 0
	d.setVerdict(now, p, VerdictLost)
	d.emit(now, Event{Kind: Lost, Node: p.id, Incarnation: p.incarnation, Evidence: p.evidence, Host: p.host.state,
		ProcessDead: dead, SelfIsolated: d.isolated(heard), LeaseUntil: uint64(p.leaseUntil)})
	p.host.lost(now)
}

// judgeAt is when a silence has lasted long enough. Grace for having been late
// is not needed where the peer's kernel itself said that nobody listens.
func (d *detector) judgeAt(p *peer) int64 {
	from := p.heard
	if !d.processDead(p) {
		from = max(from, p.graceFrom)
	}
	return from + d.limit(p)
}

// processDead tells whether a peer's kernel refused a beat after the last one
// that came from there.
func (d *detector) processDead(p *peer) bool {
	for i := range d.networks {
		if p.paths[i].refused > p.heard {
			return true
		}
	}
	return false
}

// dissent is the set of nodes that this node hears and that still hear p.
func (d *detector) dissent(p *peer, heard uint64) (set uint64) {
	for _, id := range d.ids {
		q := &d.peers[id]
		if id != p.id && heard&bit(id) != 0 && q.view&bit(p.id) != 0 {
			set |= bit(id)
		}
	}
	return set
}

func (d *detector) suspect(now int64, p *peer) {
	p.evidence = d.evidence(now, p)
	p.host.state = p.host.seen(now, d.timeout)
	d.setVerdict(now, p, VerdictSuspect)
	d.emit(now, Event{Kind: Suspect, Node: p.id, Incarnation: p.incarnation, Evidence: p.evidence,
		ProcessDead: d.processDead(p), LeaseUntil: uint64(p.leaseUntil)})
}

// isolated tells whether this node is cut off rather than its peers.
func (d *detector) isolated(heard uint64) bool {
	for i := range d.networks {
		if !d.linkDown[i] {
			return false
		}
	}
	return bits.OnesCount64(heard) == 0
}

// beat decides whether a packet goes out now. What is new goes out at once, but
// no more often than twenty times an interval.
func (d *detector) beat(now int64) {
	urgent := d.urgent && now-d.lastUrgent >= d.interval/20
	if now < d.lastBeat+d.interval && !urgent {
		return
	}
	if urgent {
		d.lastUrgent = now
	}
	d.urgent, d.lastBeat, d.out.beat = false, now, true
	if d.held {
		d.deadline = now + d.leaseTime()
		d.out.lease = uint64(d.deadline)
	}
	d.told = min(d.told+1, stretchLag)
}

// schedule says when tick is needed again.
func (d *detector) schedule(now int64) {
	due := d.lastBeat + d.interval
	if d.urgent {
		due = min(due, d.lastUrgent+d.interval/20)
	}
	for _, id := range d.ids {
		p := &d.peers[id]
		if p.verdict == VerdictAlive || p.verdict == VerdictSuspect {
			// The bitmap changes with the silence, the verdict with judgeAt.
			for _, t := range [2]int64{p.heard + d.limit(p), d.judgeAt(p)} {
				if t > now {
					due = min(due, t)
				}
			}
		}
	}
	d.due = max(due, now+1)
	d.out.due = d.due
}
