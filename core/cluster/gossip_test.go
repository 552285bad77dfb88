package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// patience is how long a test waits for what must come; only a failure takes
// that long.
const patience = 60 * time.Second

var (
	testKey  = bytes.Repeat([]byte{7}, keySize)
	loopback = netip.MustParseAddr("127.0.0.1")
)

// real is a Cluster over memberlist on loopback and what it has reported.
type real struct {
	*Cluster
	port   netip.AddrPort
	mu     sync.Mutex
	events []Event
	grew   chan struct{}
}

func startReal(t *testing.T, o Options) *real {
	t.Helper()
	if !o.Bind.IsValid() {
		o.Bind = netip.AddrPortFrom(loopback, 0)
	}
	o.Name, o.Log = fmt.Sprint("web", o.Self), quiet
	if o.Cluster == "" {
		o.Cluster = "f00d"
	}
	if o.Key == nil {
		o.Key = testKey
	}
	o.Meta = func() []byte { return []byte(fmt.Sprint("m", o.Self)) }
	o.Digest = func() []byte { return []byte(fmt.Sprint("d", o.Self)) }
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &real{Cluster: c, port: c.Members()[0].Address, grew: make(chan struct{}, 1)}
	for _, m := range c.Members() {
		if m.Node == o.Self {
			r.port = m.Address
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range c.Events() {
			r.mu.Lock()
			r.events = append(r.events, e)
			r.mu.Unlock()
			select {
			case r.grew <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return r
}

func (r *real) asPeer() Peer {
	return Peer{Number: r.self.Number, Name: r.self.Name, Addresses: []netip.AddrPort{r.port}}
}

// await waits for the first event that fits and forgets it and all before it.
func (r *real) await(t *testing.T, what string, fits func(Event) bool) Event {
	t.Helper()
	end := time.After(patience)
	for {
		r.mu.Lock()
		for i, e := range r.events {
			if fits(e) {
				r.events = r.events[i+1:]
				r.mu.Unlock()
				return e
			}
		}
		r.mu.Unlock()
		select {
		case <-r.grew:
		case <-end:
			t.Fatalf("node %d waits in vain for: %s (members %s)", r.self.Number, what, status(r.Cluster))
		}
	}
}

// has reports whether an event that fits waits.
func (r *real) has(fits func(Event) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.events, fits)
}

func kindOf(k EventKind, n core.NodeID) func(Event) bool {
	return func(e Event) bool { return e.Kind == k && e.Node == n }
}

func introduce(nodes ...*real) {
	var peers []Peer
	for _, r := range nodes {
		peers = append(peers, r.asPeer())
	}
	for _, r := range nodes {
		r.UpdatePeers(peers)
	}
}

func realTrio(t *testing.T) [4]*real {
	t.Helper()
	var rs [4]*real
	for n := core.NodeID(1); n <= 3; n++ {
		rs[n] = startReal(t, Options{Self: n})
	}
	introduce(rs[1:]...)
	return rs
}

func TestGossipJoinsAndCarries(t *testing.T) {
	rs := realTrio(t)
	for n := core.NodeID(1); n <= 3; n++ {
		for other := core.NodeID(1); other <= 3; other++ {
			if n != other {
				r := rs[n]
				waitFor(t, fmt.Sprint(n, " sees ", other), func() bool { return strings.Contains(status(r.Cluster), fmt.Sprint(other, "=alive")) })
			}
		}
	}
	if e := rs[1].await(t, "state of another", func(e Event) bool { return e.Kind == RemoteState }); string(e.Payload) != fmt.Sprint("d", e.Node) {
		t.Errorf("state of node %d: %s", e.Node, e.Payload)
	}
	for _, m := range rs[1].Members() {
		if string(m.Meta) != fmt.Sprint("m", m.Node) || m.Name != fmt.Sprint("web", m.Node) || m.Address != rs[m.Node].port {
			t.Errorf("%+v", m)
		}
	}

	big := make([]byte, MaxPayload)
	rand.NewChaCha8([32]byte{}).Read(big)
	if err := rs[1].Send(2, "big", big); err != nil {
		t.Fatal(err)
	}
	if e := rs[2].await(t, "a large message", kindOf(Message, 1)); e.Name != "big" || !bytes.Equal(e.Payload, big) {
		t.Error("the large message differs")
	}
	if err := rs[1].Broadcast("all", make([]byte, MaxFast)); err != nil {
		t.Fatal(err)
	}
	for _, r := range rs[2:] {
		r.await(t, "a broadcast", func(e Event) bool { return e.Name == "all" && len(e.Payload) == MaxFast })
	}
	rs[3].Handle("sum", func(_ context.Context, from core.NodeID, b []byte) ([]byte, error) {
		if len(b) == 0 {
			return nil, errors.New("nothing to sum")
		}
		return fmt.Appendf(nil, "%d:%d", from, len(b)), nil
	})
	if b, err := rs[1].Call(t.Context(), 3, "sum", big); err != nil || string(b) != fmt.Sprint("1:", MaxPayload) {
		t.Errorf("%s, %v", b, err)
	}
	var remote *RemoteError
	if _, err := rs[2].Call(t.Context(), 3, "sum", nil); !errors.As(err, &remote) || remote.Node != 3 {
		t.Errorf("%v", err)
	}
	// A packet may be lost, so it is sent until it comes.
	waitFor(t, "a fast message", func() bool {
		if err := rs[2].SendFast(1, "fast", []byte("x")); err != nil {
			t.Fatal(err)
		}
		rs[1].mu.Lock()
		defer rs[1].mu.Unlock()
		return len(rs[1].events) > 0 && rs[1].events[len(rs[1].events)-1].Name == "fast"
	})
}

// waitFor polls what has no event of its own.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("in vain: ", what)
		}
	}
}

func TestGossipLeaveKillAndRejoin(t *testing.T) {
	rs := realTrio(t)
	rs[1].await(t, "node 2", kindOf(Joined, 2))
	waitFor(t, "all see all", func() bool {
		return status(rs[1].Cluster) == "1=alive 2=alive 3=alive" && status(rs[2].Cluster) == status(rs[1].Cluster) && status(rs[3].Cluster) == status(rs[1].Cluster)
	})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := rs[3].Leave(ctx); err != nil {
		t.Fatal(err)
	}
	rs[3].Close()
	if e := rs[1].await(t, "node 3 leaves", kindOf(Left, 3)); !e.Graceful {
		t.Error("the leave looked like a failure")
	}
	rs[3] = startReal(t, Options{Self: 3, Bind: rs[3].port, Peers: []Peer{rs[1].asPeer(), rs[2].asPeer()}})
	rs[1].await(t, "node 3 comes back from its leave", kindOf(Joined, 3))

	rs[2].Close() // without a word
	if e := rs[1].await(t, "node 2 is missed", kindOf(Left, 2)); e.Graceful {
		t.Error("the failure looked like a leave")
	}
	if err := rs[1].Send(2, "k", nil); err == nil {
		t.Error("a message to a dead node was sent")
	}
	// Node 2 returns and knows nobody: the others find it by themselves.
	rs[2] = startReal(t, Options{Self: 2, Bind: rs[2].port})
	rs[1].await(t, "node 2 comes back", kindOf(Joined, 2))
	rs[3].await(t, "node 2 comes back", kindOf(Joined, 2))
	waitFor(t, "a state exchange with node 2", func() bool { return rs[1].has(kindOf(RemoteState, 2)) || rs[3].has(kindOf(RemoteState, 2)) })
	if err := rs[3].Leave(ctx); err != nil {
		t.Fatal(err)
	}
	rs[3].Close()
	if err := rs[3].Leave(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("leave after close: %v", err)
	}
}

func TestGossipKeepsStrangersOut(t *testing.T) {
	member := startReal(t, Options{Self: 1})
	for what, o := range map[string]Options{
		"wrong key":     {Self: 2, Key: bytes.Repeat([]byte{8}, keySize)},
		"wrong cluster": {Self: 2, Cluster: "beef"},
	} {
		s := startReal(t, o)
		member.UpdatePeers([]Peer{s.asPeer()})
		s.UpdatePeers([]Peer{member.asPeer()})
		address := s.port.String()
		if _, err := s.carrier.(*gossip).list.Join([]string{listName(1, "web1") + "/" + member.port.String()}); err == nil {
			t.Errorf("%s: joined", what)
		}
		if _, err := member.carrier.(*gossip).list.Join([]string{listName(2, "web2") + "/" + address}); err == nil {
			t.Errorf("%s: was joined", what)
		}
		if _, err := s.Call(withTimeout(t, 300*time.Millisecond), 1, "k", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		if got := status(member.Cluster); got != "1=alive 2=unknown" {
			t.Errorf("%s: %s", what, got)
		}
		s.Close()
	}
	// With key and cluster, but not in the configuration.
	s := startReal(t, Options{Self: 4})
	s.UpdatePeers([]Peer{member.asPeer()})
	s.await(t, "the member", kindOf(Joined, 1))
	if got := status(member.Cluster); strings.Contains(got, "4") {
		t.Error(got)
	}
}

func withTimeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// The first network of node 2 is dead: all goes over the second.
func TestGossipUsesTheOtherNetwork(t *testing.T) {
	one, two := startReal(t, Options{Self: 1}), startReal(t, Options{Self: 2, Advertise: netip.MustParseAddr("127.0.0.9")})
	dead := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), two.port.Port())
	alive := netip.AddrPortFrom(loopback, two.port.Port())
	two.UpdatePeers([]Peer{one.asPeer()})
	one.UpdatePeers([]Peer{{Number: 2, Name: "web2", Addresses: []netip.AddrPort{dead, alive}}})
	one.await(t, "node 2", kindOf(Joined, 2))
	two.await(t, "node 1", kindOf(Joined, 1))
	if err := one.Send(2, "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	two.await(t, "a message", kindOf(Message, 1))
	waitFor(t, "a packet", func() bool {
		_ = one.SendFast(2, "fast", nil)
		two.mu.Lock()
		defer two.mu.Unlock()
		return len(two.events) > 0 && two.events[len(two.events)-1].Name == "fast"
	})
	if got := status(one.Cluster); got != "1=alive 2=alive" {
		t.Error(got)
	}
}

func TestDialFirst(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	good := l.Addr().String()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bad := closed.Addr().String()
	closed.Close()
	defer l.Close()
	ctx := withTimeout(t, patience)
	for _, list := range [][]string{{good}, {bad, good}, {good, bad}, {bad, bad, good}} {
		c, winner, err := dialFirst(ctx, list)
		if err != nil || winner != good {
			t.Fatalf("%v: %s, %v", list, winner, err)
		}
		c.Close()
	}
	if _, _, err := dialFirst(ctx, []string{bad, bad}); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("%v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := dialFirst(over, []string{good}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestPortInUse(t *testing.T) {
	a := startReal(t, Options{Self: 1})
	_, err := New(Options{Self: 2, Name: "web2", Cluster: "f00d", Key: testKey, Bind: a.port, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), a.port.String()) {
		t.Errorf("%v", err)
	}
}
