package heartbeat

import (
	"testing"
	"time"
)

// A node that ran late once is not lost when it is a little later the next time;
// on time for a while, it is judged as before.
func TestLateNodeGetsPatience(t *testing.T) {
	s := settled(t, 3, "default")
	x := s.nodes[0]
	x.asleep = s.now + 60*msec
	s.run(500 * time.Millisecond)
	if got := kinds(x.events); !sameKinds(got, []Kind{SelfLate}) {
		t.Fatalf("node 1 saw %v", got)
	}
	if d := x.det; d.timeout <= d.base || d.leaseTime() != d.timeout {
		t.Fatalf("the timeout is %v and the lease %v", time.Duration(d.timeout), time.Duration(d.leaseTime()))
	}
	x.asleep = s.now + 115*msec
	s.run(time.Second)
	for _, n := range s.nodes {
		for _, k := range []Kind{Lost, LeaseLapsed} {
			if found := s.of(n.id, k, 0); k == LeaseLapsed && len(found) > 0 {
				t.Errorf("node %d: %v", n.id, found)
			}
		}
	}
	if len(s.of(2, Lost, 1))+len(s.of(3, Lost, 1)) > 0 {
		t.Errorf("node 1 was declared lost: %v", kinds(s.nodes[1].events))
	}
	s.run(stretchFirst + time.Second)
	if d := x.det; d.timeout != d.base {
		t.Errorf("after a calm time the timeout is still %v", time.Duration(d.timeout))
	}
	s.forget()
	x.asleep = s.now + 150*msec
	s.run(time.Second)
	if len(s.of(2, Lost, 1)) != 1 || len(s.of(1, LeaseLapsed, 0)) != 1 {
		t.Errorf("late after a calm time: node 1 saw %v, node 2 %v", kinds(x.events), kinds(s.nodes[1].events))
	}
	if len(s.early) > 0 {
		t.Errorf("verdicts before a lease had run out: %v", s.early)
	}
}

// The lease grows only after the peers have been told, and there is a limit.
func TestPatienceIsAskedForFirst(t *testing.T) {
	d := newDetector(&Options{Self: 1, Interval: 20 * time.Millisecond, Timeout: 100 * time.Millisecond}, false, 0)
	now := int64(0)
	d.tick(now)
	now = d.due + 500*msec
	d.tick(now)
	if d.timeout != stretchMax*d.base {
		t.Errorf("the timeout is %v", time.Duration(d.timeout))
	}
	d.held, d.deadline = true, 0
	told := 0
	for range 20 {
		now = d.due
		out := d.tick(now)
		if !out.beat {
			continue
		}
		told++
		want := d.base
		if told > stretchLag-1 { // the late tick itself sent the first beat
			want = d.timeout
		}
		if got := int64(out.lease) - now; got != want {
			t.Fatalf("beat %d: the lease is %v instead of %v", told, time.Duration(got), time.Duration(want))
		}
	}
}

// What is counted: how late this node ran, and how often it declared another one lost.
func TestLatenessAndLossAreCounted(t *testing.T) {
	s := settled(t, 3, "default")
	s.nodes[0].asleep = s.now + 150*msec
	s.run(time.Second)
	late, witness := board{now: func() int64 { return s.now }}, board{now: func() int64 { return s.now }}
	late.publish(s.nodes[0].det, Counters{})
	witness.publish(s.nodes[1].det, Counters{})
	if c := late.counters; c.Stalls != 1 || c.Late < 100*time.Millisecond || c.Late > 150*time.Millisecond || c.Lapses != 1 || c.Losses != 0 {
		t.Errorf("the late node counts %+v", c)
	}
	if c := witness.counters; c.Losses != 1 || c.Stalls != 0 || c.Late != 0 {
		t.Errorf("another one counts %+v", c)
	}
	if now := time.Duration(late.timeout); now <= time.Duration(s.nodes[0].det.base) {
		t.Errorf("its timeout is %v", now)
	}
}

// Lateness that does not come back is forgotten soon; what does is kept in mind for longer
// each time, up to a limit, and forgotten again after a long time without any.
func TestLatenessThatComesBack(t *testing.T) {
	d := newDetector(&Options{Self: 1, Interval: 20 * time.Millisecond, Timeout: 100 * time.Millisecond}, false, 0)
	now := int64(0)
	d.tick(now)
	calm := func(length time.Duration) {
		for end := now + int64(length); now < end; {
			now = d.due
			d.tick(now)
		}
	}
	// late makes the node late and answers for how long it is patient.
	late := func() time.Duration {
		now = d.due + 60*msec
		d.tick(now)
		began := now
		for d.timeout > d.base {
			calm(20 * time.Millisecond)
		}
		return time.Duration(now - began).Round(time.Second)
	}
	for i, want := range []time.Duration{2, 4, 8, 16, 16} {
		if got := late(); got != want*time.Second {
			t.Errorf("lateness %d is kept in mind for %s, want %d s", i+1, got, want)
		}
		calm(time.Second)
	}
	calm(3 * time.Minute)
	if got := late(); got != stretchFirst {
		t.Errorf("after three minutes without any it is kept in mind for %s", got)
	}
	// One busy moment is one, however often the node is late in it.
	calm(3 * time.Minute)
	for range 5 {
		now = d.due + 60*msec
		d.tick(now)
		calm(300 * time.Millisecond)
	}
	if got := late(); got != stretchFirst {
		t.Errorf("after a busy moment it is kept in mind for %s", got)
	}
}
