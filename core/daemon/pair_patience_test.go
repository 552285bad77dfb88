package daemon

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// The patience with the other node of a mirror is that of the configuration in use,
// also if that changed while the module runs; a silence that is being counted goes
// on by the one it began with.
func TestPatienceChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Int64
		p := newPair(t.Context(), 2, time.Second, 100*time.Millisecond, nil, pairPorts{
			state: func() core.Instance { return core.Instance{} },
			step: func(ev core.Event) error {
				if ev.Kind == core.EventPeerLost {
					lost.Add(1)
				}
				return nil
			},
			resumed: func() {},
		}, quiet())
		defer p.close()
		after := func(d time.Duration) int64 {
			time.Sleep(d) // of the bubble's clock
			synctest.Wait()
			return lost.Load()
		}
		p.put(peerSilent{reason: "silent"})
		p.put(patience{5 * time.Second})
		if got := after(1500 * time.Millisecond); got != 1 {
			t.Errorf("lost %d times by the patience of 1s", got)
		}
		p.put(peerSilent{reason: "silent again"})
		if got := after(4 * time.Second); got != 1 {
			t.Errorf("lost %d times before the patience of 5s is over", got)
		}
		if got := after(2 * time.Second); got != 2 {
			t.Errorf("lost %d times after it", got)
		}
		p.put(patience{time.Millisecond}) // less than the heartbeat itself takes
		p.put(peerSilent{reason: "silent again"})
		if got := after(200 * time.Millisecond); got != 3 {
			t.Errorf("lost %d times with hardly any patience", got)
		}
	})
}

// The pair waits for its module while it tells it something; the module, which may have
// any number of things to tell the pair meanwhile, does not wait for the pair.
func TestPairMakesNobodyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, steps := make(chan struct{}), atomic.Int64{}
		p := newPair(t.Context(), 2, time.Second, 100*time.Millisecond, nil, pairPorts{
			state:   func() core.Instance { return core.Instance{} },
			step:    func(core.Event) error { steps.Add(1); <-release; return nil },
			resumed: func() {},
		}, quiet())
		defer p.close()
		told := make(chan struct{})
		go func() {
			defer close(told)
			for range 1000 {
				p.put(peerSaid{run: 1})
			}
		}()
		synctest.Wait()
		select {
		case <-told:
		default:
			t.Error("the module waits for the pair, which waits for the module")
		}
		close(release)
		synctest.Wait()
		if got := steps.Load(); got != 1000 {
			t.Errorf("%d of 1000 statements were passed on", got)
		}
	})
}
