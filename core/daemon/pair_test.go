package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// pairBench is a pair with a gate, whose module, filter and network only note what
// happens, in order.
type pairBench struct {
	mu    sync.Mutex
	in    core.Instance
	story []string
	deaf  bool // the filter does not obey
	*pair
}

func (b *pairBench) say(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.story = append(b.story, text)
}

func (b *pairBench) set(change func(in *core.Instance)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.in)
}

// after lets time pass and answers what happened meanwhile.
func (b *pairBench) after(d time.Duration) []string {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	story := b.story
	b.story = nil
	return story
}

func (b *pairBench) expect(t *testing.T, what string, d time.Duration, want ...string) {
	t.Helper()
	if got := b.after(d); !slices.Equal(got, want) {
		t.Errorf("%s: %q instead of %q", what, got, want)
	}
}

// newPairBench is a primary whose secondary has heard all that it said.
func newPairBench(t *testing.T) *pairBench {
	b := &pairBench{}
	b.in.State, b.in.Phase = core.Prim, core.Ready
	b.in.Pair.Link = core.LinkHeard
	b.in.Pair.Self = core.PeerState{Life: 7, Seq: 40}
	b.in.Pair.Peer = core.PeerState{State: core.Second, HeardLife: 7, HeardSeq: 40}
	g := &gate{module: "m", self: 1, ctx: t.Context(), set: func(_ context.Context, table sdk.FilterTable) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.deaf {
			return errors.New("deaf")
		}
		word := "shut"
		if table.Accept && table.Agreed && table.Groups[gateGroup][0] == 1 && len(table.Groups[gateGroup]) == share.Buckets && len(table.MACs[1]) == 1 {
			word = "open"
		}
		b.story = append(b.story, word)
		return nil
	}}
	b.pair = newPair(t.Context(), 2, time.Second, 100*time.Millisecond, g, pairPorts{
		state: func() core.Instance { b.mu.Lock(); defer b.mu.Unlock(); return b.in },
		step: func(ev core.Event) error {
			b.say(string(ev.Kind) + map[core.Evidence]string{core.EvidenceDead: " dead"}[ev.Evidence])
			if ev.Kind == core.EventLease {
				b.set(func(in *core.Instance) { in.Pair.Self.Lapsed = true; in.Pair.Self.Seq++ })
			}
			return nil
		},
		resumed: func() { b.say("resumed") },
		address: func() { b.say("announced") },
		hush:    func() { b.say("hushed") },
		note:    func(string, string) { b.say("noted") },
	}, quiet())
	if err := g.start([]share.MAC{{2}}); err != nil {
		t.Fatal(err)
	}
	b.expect(t, "the network is set up", 0, "open")
	return b
}

// A lapse shuts the gate before the lease is renewed; it opens when the other node has
// heard of the lapse and is no primary.
func TestPairLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPairBench(t)
		defer b.close()
		b.put(selfLapsed{})
		b.expect(t, "a lapse", 10*time.Second, "hushed", "shut", "lease", "resumed")
		b.set(func(in *core.Instance) { in.Pair.Peer.State, in.Pair.Peer.HeardSeq = core.Alone, 41 })
		b.expect(t, "the other node took over", time.Second)
		b.set(func(in *core.Instance) { in.Pair.Peer.State = core.Second })
		b.expect(t, "it did not", time.Second, "open", "announced")

		b.set(func(in *core.Instance) { in.Pair.Link = core.LinkLost })
		b.put(selfLapsed{})
		b.expect(t, "a lapse with nobody to hear", 200*time.Millisecond, "hushed", "shut", "lease", "resumed")
		b.expect(t, "it has listened", 200*time.Millisecond, "open", "announced")

		b.set(func(in *core.Instance) { in.State = core.Second })
		b.put(selfLapsed{})
		b.expect(t, "a lapse of the secondary", time.Second, "resumed")
	})
}

// While nothing reaches the address the gate stays shut, and the node listens when
// something does.
func TestPairIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPairBench(t)
		defer b.close()
		b.set(func(in *core.Instance) { in.Pair.Link = core.LinkLost })
		b.put(selfCut{why: "no carrier"})
		b.expect(t, "the cable is out", 10*time.Second, "hushed", "shut", "lease")
		b.put(selfCut{})
		b.expect(t, "the cable is back", time.Second)
		b.put(selfLapsed{})
		b.expect(t, "it is late meanwhile", time.Second, "hushed", "shut", "lease", "resumed")
		b.expect(t, "it has listened", time.Second, "open", "announced")

		b.put(selfCut{why: "no carrier"})
		b.put(selfCut{})
		b.set(func(in *core.Instance) {
			in.Pair.Link, in.Pair.Peer.State = core.LinkHeard, core.Alone
		})
		b.expect(t, "it hears that the other one took over", 10*time.Second, "hushed", "shut", "lease")
	})
}

// A filter that does not obey is asked again, and the journal hears of it once.
func TestPairAsksTheFilterAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPairBench(t)
		defer b.close()
		b.mu.Lock()
		b.deaf = true
		b.mu.Unlock()
		b.put(selfLapsed{})
		b.expect(t, "a deaf filter", time.Second, "hushed", "noted", "lease", "resumed")
		if b.gate.serves() {
			t.Error("the gate is said to serve")
		}
		b.mu.Lock()
		b.deaf = false
		b.mu.Unlock()
		b.expect(t, "it hears", time.Second, "shut", "noted")
	})
}

// What is known of the other node's daemon, and when it is taken for lost.
func TestPairHearsOfTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPairBench(t)
		defer b.close()
		b.put(peerUp{run: 5})
		b.put(peerSaid{run: 5, state: core.PeerState{State: core.Second}})
		b.expect(t, "a statement", time.Second, "peer")
		b.put(peerSilent{reason: "no heartbeat"})
		b.expect(t, "a short silence", 800*time.Millisecond)
		b.put(peerUp{run: 5})
		b.expect(t, "it is heard again", 10*time.Second)
		b.put(peerSilent{reason: "no heartbeat"})
		b.expect(t, "a long silence", 2*time.Second, "peer-lost")

		b.put(peerSaid{run: 5, state: core.PeerState{State: core.Alone}})
		b.put(peerSaid{run: 5, state: core.PeerState{State: core.Wait}})
		b.expect(t, "it gives the address up", time.Second, "peer", "peer", "announced")

		b.put(peerUp{run: 6})
		b.expect(t, "it was started anew and has no module yet", time.Second, "peer-lost dead")
		b.put(peerSaid{run: 6, state: core.PeerState{State: core.Wait}})
		b.put(peerUp{run: 7})
		b.put(peerSaid{run: 7, state: core.PeerState{State: core.Wait}})
		b.expect(t, "started anew, and soon back", time.Second, "peer", "peer")
		b.put(peerSilent{dead: true, reason: "goodbye"})
		b.expect(t, "goodbye", time.Second, "peer-lost dead")
	})
}
