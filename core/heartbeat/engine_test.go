package heartbeat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// tape is a wire that records. carry, if set, gets the packets.
type tape struct {
	log   []string
	carry func(network int, node core.NodeID, b []byte)
	fail  error // of use
	down  bool
}

func (w *tape) send(network int, node core.NodeID, b []byte) error {
	w.log = append(w.log, fmt.Sprintf("send %d on %d", node, network))
	if w.carry != nil {
		w.carry(network, node, b)
	}
	if node == 3 {
		return errors.New("unreachable")
	}
	return nil
}
func (w *tape) ping(p ping)                 { w.log = append(w.log, fmt.Sprintf("ping %d on %d", p.node, p.network)) }
func (w *tape) linkDown(int) bool           { return w.down }
func (w *tape) use([]Network) (bool, error) { return true, w.fail }

// testEngine is a node of three on two networks, at the time now.
func testEngine(t *testing.T, self int, w *tape, now *int64, events func(Event), onBeat func(uint64), digest ...byte) *engine {
	t.Helper()
	o := Options{Self: core.NodeID(self), Incarnation: 10, Key: make([]byte, keyLen), Networks: simNetworks(self, 3, "default", "backup"),
		Events: events, OnBeat: onBeat, Digest: digest}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(o.check())
	clock := func() int64 { return *now }
	e, err := newEngine(o, clock)
	must(err)
	must(e.open(w, clock))
	return e
}

// TestLeaseComesBeforeTheBeat also holds the lease's length and the counters.
func TestLeaseComesBeforeTheBeat(t *testing.T) {
	now := 1000 * msec
	w := &tape{}
	e := testEngine(t, 1, w, &now, func(Event) {}, func(deadline uint64) {
		w.log = append(w.log, fmt.Sprintf("lease %d ms", int64(deadline)/msec))
	})
	if due := e.step(now); due != now+20*msec {
		t.Errorf("due after %s", ms(due-now))
	}
	want := []string{"lease 1100 ms", "send 2 on 0", "send 3 on 0", "send 2 on 1", "send 3 on 1"}
	if !slices.Equal(w.log, want) {
		t.Errorf("%v instead of %v", w.log, want)
	}
	if e.count.Sent != 2 || e.count.SendErrors != 2 {
		t.Errorf("%+v", e.count)
	}
	w.log = nil
	now += 500 * msec
	e.step(now) // lapsed
	e.goodbye(now)
	if slices.ContainsFunc(w.log, func(s string) bool { return strings.HasPrefix(s, "lease") }) || len(w.log) != 12 {
		t.Errorf("after the lapse: %v", w.log)
	}
}

// TestPacketsAreSortedOut carries packets of one engine to another.
func TestPacketsAreSortedOut(t *testing.T) {
	now := 1000 * msec
	var last []byte
	sender := testEngine(t, 2, &tape{carry: func(network int, node core.NodeID, b []byte) {
		if network == 0 && node == 1 {
			last = append(last[:0], b...)
		}
	}}, &now, func(Event) {}, nil, 7)
	var got []Kind
	e := testEngine(t, 1, &tape{}, &now, func(ev Event) {
		got = append(got, ev.Kind)
		if ev.Kind == Digest && !slices.Equal(ev.Payload, []byte{7}) {
			t.Errorf("the first digest is %v", ev.Payload)
		}
	}, nil)

	sender.step(now)
	e.receive(now, 0, last)
	e.receive(now, 0, last) // once more
	e.receive(now, 1, last) // on another network
	e.receive(now, 0, []byte("hello"))
	last[2]++
	e.receive(now, 0, last)
	e.step(now)
	if c := e.count; c.Received != 1 || c.Replayed != 1 || c.Foreign != 2 || c.Version != 1 {
		t.Errorf("%+v", c)
	}
	sender.goodbye(now)
	e.receive(now, 0, last)
	e.step(now)
	if !slices.Equal(got, []Kind{Up, Digest, Goodbye}) {
		t.Errorf("saw %v", got)
	}
}

// TestFailedChangeOfNetworks keeps the old ones.
func TestFailedChangeOfNetworks(t *testing.T) {
	now := 1000 * msec
	w := &tape{}
	e := testEngine(t, 1, w, &now, func(Event) {}, nil)
	for _, c := range []struct {
		fail error
		want int
	}{{errors.New("port taken"), 2}, {nil, 1}} {
		w.fail = c.fail
		order := &networkOrder{simNetworks(1, 2, "default"), make(chan error, 1)}
		e.networks.Store(order)
		e.step(now)
		if err := <-order.done; err != c.fail {
			t.Errorf("answered %v", err)
		}
		if len(e.det.networks) != c.want || len(e.board.networks) != c.want {
			t.Errorf("%d networks after %v", len(e.det.networks), c.fail)
		}
		now += 10 * msec
	}
}
