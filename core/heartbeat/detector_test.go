package heartbeat

import (
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// settled is a cluster whose nodes all know each other.
func settled(t *testing.T, n int, names ...string) *sim {
	t.Helper()
	s := newSim(n, uint64(n), names...)
	s.run(300 * time.Millisecond)
	for id := 1; id <= n; id++ {
		ups := s.of(id, Up, 0)
		if len(ups) != n-1 {
			t.Fatalf("node %d saw %d nodes come up instead of %d", id, len(ups), n-1)
		}
		for _, e := range ups {
			if !e.First {
				t.Fatalf("node %d: %+v is not the first", id, e)
			}
		}
	}
	s.forget()
	return s
}

// TestFaults runs one fault in a settled cluster and compares what the
// survivors report, in order, and what they say of it.
func TestFaults(t *testing.T) {
	tests := []struct {
		name     string
		nodes    int
		networks []string
		fault    func(s *sim) // about the last node unless said otherwise
		want     map[int][]Kind
		evidence []string // in the first node's Lost
		host     HostState
		dead     bool
	}{
		{
			name: "process killed, its kernel says so", nodes: 3, networks: []string{"default"},
			fault:    func(s *sim) { s.nodes[2].alive, s.nodes[2].refuses = false, true },
			want:     map[int][]Kind{1: {Suspect, Lost}, 2: {Suspect, Lost}},
			evidence: []string{"no heartbeat for 1", "on lan default (last seq ", "its process is dead", "node 2 does not hear it either", "answered a ping"},
			host:     HostAnswers, dead: true,
		},
		{
			name: "process stopped", nodes: 3, networks: []string{"default"},
			fault: func(s *sim) { s.nodes[2].asleep = s.now + int64(time.Hour) },
			want:  map[int][]Kind{1: {Lost}, 2: {Lost}}, host: HostAnswers, evidence: []string{"its kernel answered a ping"},
		},
		{
			name: "machine dead", nodes: 3, networks: []string{"default", "backup"},
			fault: func(s *sim) { s.nodes[2].alive, s.nodes[2].host = false, false },
			want:  map[int][]Kind{1: {Lost, HostGone}, 2: {Lost, HostGone}}, host: HostSilent,
			evidence: []string{" and 1", "on lan backup (last seq ", "its kernel answered none of"},
		},
		{
			name: "two nodes, machine dead", nodes: 2, networks: []string{"default"},
			fault: func(s *sim) { s.nodes[1].alive, s.nodes[1].host = false, false },
			want:  map[int][]Kind{1: {Lost, HostGone}}, host: HostSilent,
		},
		{
			name: "two of four die at once", nodes: 4, networks: []string{"default"},
			fault: func(s *sim) {
				for _, x := range s.nodes[2:] {
					x.alive, x.host = false, false
				}
			},
			want: map[int][]Kind{1: {Lost, Lost, HostGone, HostGone}, 2: {Lost, Lost, HostGone, HostGone}}, host: HostSilent,
		},
		{
			name: "one of seven is cut off", nodes: 7, networks: []string{"default"},
			fault: func(s *sim) { s.nodes[6].cut[0] = true },
			want: map[int][]Kind{1: {Lost, HostGone}, 6: {Lost, HostGone},
				7: {Lost, Lost, Lost, Lost, Lost, Lost, HostGone, HostGone, HostGone, HostGone, HostGone, HostGone}}, host: HostSilent,
		},
		{
			name: "one of two networks is cut", nodes: 3, networks: []string{"default", "backup"},
			fault: func(s *sim) { s.nodes[2].cut[0] = true },
			want:  map[int][]Kind{1: nil, 2: nil, 3: nil},
		},
		{
			name: "goodbye", nodes: 3, networks: []string{"default", "backup"},
			fault: func(s *sim) { sayGoodbye(s, 3) },
			want:  map[int][]Kind{1: {Goodbye}, 2: {Goodbye}},
		},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := settled(t, c.nodes, c.networks...)
			c.fault(s)
			s.run(time.Second)
			for id, want := range c.want {
				if got := kinds(s.nodes[id-1].events); !sameKinds(got, want) {
					t.Errorf("node %d saw %v instead of %v", id, got, want)
				}
			}
			for _, e := range s.early {
				t.Error("double owner: ", e)
			}
			lost := s.of(1, Lost, 0)
			if len(lost) == 0 {
				return
			}
			if lost[0].Host != c.host || lost[0].ProcessDead != c.dead || lost[0].LeaseUntil > lost[0].At {
				t.Errorf("lost with host %q, process dead %v, lease until %d at %d", lost[0].Host, lost[0].ProcessDead, lost[0].LeaseUntil, lost[0].At)
			}
			for _, text := range c.evidence {
				if !strings.Contains(lost[0].Evidence, text) {
					t.Errorf("evidence %q does not say %q", lost[0].Evidence, text)
				}
			}
		})
	}
}

// sayGoodbye ends a node's process in good order.
func sayGoodbye(s *sim, id int) {
	x := s.nodes[id-1]
	pk := new(packet)
	x.det.fill(s.now, pk)
	pk.goodbye = true
	for _, to := range x.det.ids {
		s.send(x, s.nodes[to-1], 0, func(to *simNode) { to.det.receive(s.now, 0, pk) })
	}
	x.alive = false
}

func kinds(events []Event) (list []Kind) {
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

func sameKinds(a, b []Kind) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestLostTakesTheTimeoutAndNoLonger(t *testing.T) {
	for _, n := range []int{2, 3, 7} {
		s := settled(t, n, "default")
		s.nodes[n-1].alive = false
		died := s.now
		s.run(time.Second)
		for id := 1; id < n; id++ {
			lost := s.of(id, Lost, core.NodeID(n))
			if len(lost) != 1 {
				t.Fatalf("%d nodes: node %d lost it %d times", n, id, len(lost))
			}
			if took := int64(lost[0].At) - died; took < 80*msec || took > 140*msec {
				t.Errorf("%d nodes: node %d took %s", n, id, ms(took))
			}
		}
	}
}

// A node that cannot hear another does not decide against one that can.
func TestDisagreement(t *testing.T) {
	s := settled(t, 3, "default")
	s.delay = func(from, to, _ int) int64 {
		if from+to == 4 { // 1 and 3
			return -1
		}
		return 200_000
	}
	s.run(time.Second)
	if got := kinds(s.nodes[0].events); !sameKinds(got, []Kind{Suspect}) {
		t.Fatalf("node 1 saw %v", got)
	}
	if e := s.nodes[0].events[0]; e.ProcessDead || !strings.Contains(e.Evidence, "node 2 still hears it") {
		t.Errorf("evidence %q", e.Evidence)
	}
	s.nodes[2].alive, s.nodes[2].host = false, false
	s.run(time.Second)
	for id := 1; id <= 2; id++ {
		if len(s.of(id, Lost, 3)) != 1 {
			t.Errorf("node %d: %v", id, kinds(s.nodes[id-1].events))
		}
	}
	s.forget()
	s.boot(3, 999, 3, "default")
	s.delay = func(int, int, int) int64 { return 200_000 }
	s.run(time.Second)
	if ups := s.of(1, Up, 3); len(ups) != 1 || ups[0].First {
		t.Errorf("node 1 saw %v", kinds(s.nodes[0].events))
	}
}

// A node that was stopped suspects itself, gives the others a fresh start, and
// renews its lease no more until it is told to.
func TestOwnStall(t *testing.T) {
	s := settled(t, 3, "default")
	x := s.nodes[0]
	x.asleep = s.now + 500*msec
	s.at(499*msec, func() { x.inbox = nil }) // a stopped machine receives nothing
	s.run(510 * time.Millisecond)
	if got := kinds(x.events); !sameKinds(got, []Kind{SelfLate, LeaseLapsed}) {
		t.Fatalf("node 1 saw %v", got)
	}
	if late := x.events[0].Late; late < 450*time.Millisecond || !strings.Contains(x.events[0].Evidence, "late") {
		t.Errorf("late by %v: %s", late, x.events[0].Evidence)
	}
	lease := x.lease
	s.run(500 * time.Millisecond)
	if x.lease != lease {
		t.Error("the lease was renewed without Resume")
	}
	if got := kinds(x.events[2:]); len(got) != 0 {
		t.Errorf("afterwards node 1 saw %v", got)
	}
	if got := kinds(s.nodes[1].events); !sameKinds(got, []Kind{Lost, Up, Digest}) {
		t.Errorf("node 2 saw %v", got)
	}
	x.det.resume(s.now, s.now-200*msec)
	s.run(50 * time.Millisecond)
	if x.lease != lease || len(s.of(1, LeaseLapsed, 0)) != 2 {
		t.Error("a stale order to resume was obeyed")
	}
	x.det.resume(s.now, s.now)
	s.run(200 * time.Millisecond)
	if x.lease < s.now {
		t.Error("the lease is not renewed after Resume")
	}
}

// A node that is late again and again still sees that a peer is gone.
func TestLateNodeStillJudges(t *testing.T) {
	s := settled(t, 2, "default")
	s.nodes[1].alive, s.nodes[1].host = false, false
	for range 40 {
		s.nodes[0].asleep = s.now + 50*msec
		s.run(80 * time.Millisecond)
	}
	if len(s.of(1, Lost, 2)) != 1 || len(s.of(1, HostGone, 2)) != 1 {
		t.Errorf("node 1 saw %v", kinds(s.nodes[0].events))
	}
}

// A refusal that a node reads as it wakes up, when the silence has lasted long enough, is word
// of the host: there was no time to ask it.
func TestLateNodeHearsOfARefusal(t *testing.T) {
	s := settled(t, 2, "default")
	s.nodes[1].alive, s.nodes[1].refuses = false, true
	s.run(20 * time.Millisecond) // a beat is sent, and refused
	s.nodes[0].asleep = s.now + 500*msec
	s.run(time.Second)
	if lost := s.of(1, Lost, 2); len(lost) != 1 || lost[0].Host != HostAnswers || !lost[0].ProcessDead {
		t.Errorf("node 1 saw %+v", s.nodes[0].events)
	}
}

func TestWithoutLease(t *testing.T) {
	o := Options{Self: 1, Incarnation: 1, Key: make([]byte, keyLen), WithoutLease: true, Events: func(Event) {}}
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	d := newDetector(&o, true, msec)
	if out := d.tick(msec); !out.beat || out.lease != 0 {
		t.Errorf("first beat: %+v", out)
	}
	d.resume(2*msec, msec)
	if out := d.tick(2 * msec); !out.beat || out.lease != uint64(102*msec) {
		t.Errorf("after Resume: %+v", out)
	}
}

// TestFlapping cuts and heals a cable again and again: each time one Lost and
// one Up, and a single packet in between does not count as back.
func TestFlapping(t *testing.T) {
	s := settled(t, 3, "default")
	for range 5 {
		s.forget()
		s.nodes[2].cut[0] = true
		s.run(200 * time.Millisecond)
		s.nodes[2].cut[0] = false
		s.run(200 * time.Millisecond)
		for id := 1; id <= 2; id++ {
			if got := kinds(s.nodes[id-1].events); !sameKinds(got, []Kind{Lost, Up, Digest}) {
				t.Fatalf("node %d saw %v", id, got)
			}
		}
	}
	s.nodes[2].cut[0] = true
	s.run(time.Second)
	s.forget()
	for range 5 { // at most packets of one interval each 300 ms
		s.nodes[2].cut[0] = false
		s.run(8 * time.Millisecond)
		s.nodes[2].cut[0] = true
		s.run(292 * time.Millisecond)
	}
	if ups := s.of(1, Up, 3); len(ups) != 0 {
		t.Errorf("node 1 saw %v", kinds(s.nodes[0].events))
	}
}

func TestNewIncarnation(t *testing.T) {
	s := settled(t, 3, "default")
	old := new(packet)
	s.nodes[2].det.fill(s.now, old)
	s.boot(3, 500, 3, "default")
	s.run(200 * time.Millisecond)
	got := s.nodes[0].events
	if !sameKinds(kinds(got), []Kind{Lost, Up, Digest}) {
		t.Fatalf("node 1 saw %v", kinds(got))
	}
	if !got[0].ProcessDead || !strings.Contains(got[0].Evidence, "its process was restarted") || got[0].Incarnation != 103 {
		t.Errorf("lost: %+v", got[0])
	}
	if got[1].First || got[1].Incarnation != 500 {
		t.Errorf("up: %+v", got[1])
	}
	if err := s.nodes[0].det.receive(s.now, 0, old); err != errReplay {
		t.Errorf("a packet of the old incarnation: %v", err)
	}
	again := new(packet)
	s.nodes[2].det.fill(s.now, again)
	s.nodes[0].det.receive(s.now, 0, again)
	if err := s.nodes[0].det.receive(s.now, 0, again); err != errReplay {
		t.Errorf("the same packet twice: %v", err)
	}
}

func TestDigest(t *testing.T) {
	s := settled(t, 3, "default", "backup")
	s.nodes[0].det.setDigest([]byte("table 7"))
	s.nodes[0].det.due = s.now // the loop is woken
	s.run(5 * time.Millisecond)
	for id := 2; id <= 3; id++ {
		got := s.of(id, Digest, 1)
		if len(got) != 1 || string(got[0].Payload) != "table 7" {
			t.Errorf("node %d at once: %+v", id, got)
		}
	}
	s.run(200 * time.Millisecond)
	if n := len(s.of(2, Digest, 1)); n != 1 {
		t.Errorf("an unchanged digest was reported %d times", n)
	}
}

func TestHostBack(t *testing.T) {
	s := settled(t, 2, "default")
	s.nodes[1].asleep = s.now + int64(time.Hour)
	s.nodes[1].host = false
	s.run(time.Second)
	s.nodes[1].host = true
	s.run(time.Second)
	if got := kinds(s.nodes[0].events); !sameKinds(got, []Kind{Lost, HostGone, HostBack}) {
		t.Errorf("node 1 saw %v", got)
	}
}

func TestIsolated(t *testing.T) {
	s := settled(t, 3, "default", "backup")
	x := s.nodes[0]
	for i := range 2 {
		x.cut[i] = true
		x.det.setLink(i, true)
	}
	s.run(time.Second)
	lost := s.of(1, Lost, 0)
	if len(lost) != 2 || !lost[1].SelfIsolated || !strings.Contains(lost[1].Evidence, "this node's own link on lan default is down") {
		t.Errorf("node 1: %+v", lost)
	}
	if lost := s.of(2, Lost, 1); len(lost) != 1 || lost[0].SelfIsolated {
		t.Errorf("node 2: %+v", lost)
	}
}

// A peer whose timeout is longer keeps its lease longer.
func TestLongerTimeoutOfPeerIsRespected(t *testing.T) {
	s := settled(t, 2, "default")
	s.nodes[1].det.timeout = 300 * msec
	s.run(100 * time.Millisecond)
	s.nodes[1].alive = false
	s.run(time.Second)
	if len(s.of(1, Lost, 2)) != 1 || len(s.early) != 0 {
		t.Errorf("node 1 saw %v; %v", kinds(s.nodes[0].events), s.early)
	}
}

func TestSetNetworks(t *testing.T) {
	s := settled(t, 3, "default")
	for _, x := range s.nodes {
		gone := x.det.setNetworks(s.now, simNetworks(x.id, 3, "backup", "default"))
		if len(gone) != 0 {
			t.Errorf("node %d forgot %v", x.id, gone)
		}
	}
	s.run(300 * time.Millisecond)
	for _, x := range s.nodes {
		if len(x.events) != 0 {
			t.Errorf("node %d saw %v", x.id, kinds(x.events))
		}
	}
	b := board{now: func() int64 { return s.now }}
	b.publish(s.nodes[0].det, Counters{})
	st := b.status()
	if len(st) != 2 || len(st[0].Networks) != 2 || st[0].Networks[0].Network != "backup" || !st[0].Networks[0].HearsUs {
		t.Errorf("status %+v", st)
	}
	gone := s.nodes[0].det.setNetworks(s.now, simNetworks(1, 2, "default"))
	if len(gone) != 1 || gone[0] != 3 {
		t.Errorf("forgot %v", gone)
	}
	s.run(300 * time.Millisecond)
	if len(s.nodes[0].events) != 0 {
		t.Errorf("node 1 saw %v", kinds(s.nodes[0].events))
	}
}

// Where the peer's kernel said that nobody listens, a late node needs no fresh
// start; where only silence speaks, it does.
func TestRefusalNeedsNoGrace(t *testing.T) {
	for _, refuses := range []bool{true, false} {
		s := settled(t, 2, "default")
		s.nodes[1].alive, s.nodes[1].refuses = false, refuses
		died := s.now
		s.run(45 * time.Millisecond)
		s.nodes[0].asleep = s.now + 50*msec
		s.run(time.Second)
		lost := s.of(1, Lost, 2)
		if len(lost) != 1 || len(s.of(1, SelfLate, 0)) != 1 {
			t.Fatalf("node 1 saw %v", kinds(s.nodes[0].events))
		}
		if took := int64(lost[0].At) - died; (took < 110*msec) != refuses {
			t.Errorf("refused %v: it took %s", refuses, ms(took))
		}
	}
}
