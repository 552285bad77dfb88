package accept_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// traffic is the client at work, beside a test.
type traffic struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu     sync.Mutex
	last   load.Report
	change chan struct{}
	stalls []stall
}

// stall is a time in which this process did not run though it wanted to, or in which this
// machine's processors had no room for frames.
type stall struct {
	end  time.Time
	what string
}

// calm is the longest stall of the machine that lets figures be judged: a node
// that does not run for 80 ms loses its lease, and rightly so.
const calm = 60 * time.Millisecond

// feel notes when the machine is too busy to run even this, or throws frames away.
func (c *traffic) feel() {
	const beat = 10 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	note := func(at time.Time, what string) {
		c.mu.Lock()
		c.stalls = append(c.stalls, stall{at, what})
		c.mu.Unlock()
	}
	last, lost := time.Now(), thrownAway()
	for beats := 0; ; beats++ {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		now := time.Now()
		if late := now.Sub(last) - beat; late > calm {
			note(now, fmt.Sprintf("stood still for %s", late.Round(time.Millisecond)))
		}
		last = now
		if beats%10 == 0 {
			if n := thrownAway(); n > lost {
				note(now, fmt.Sprintf("threw away %d frames", n-lost))
				lost = n
			}
		}
	}
}

// thrownAway is how many frames this machine's processors have had no room for.
func thrownAway() (n uint64) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	all, err := proc.NetSoftnetStat()
	if err != nil {
		return 0
	}
	for _, p := range all {
		n += uint64(p.Dropped)
	}
	return n
}

// fault is an error of the test, unless the machine was too busy since a sample
// to judge what clients see.
func (c *traffic) fault(t *testing.T, since load.Report, format string, args ...any) {
	t.Helper()
	begin := since.Start.Add(time.Duration(since.ElapsedMS * float64(time.Millisecond)))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.stalls {
		if s.end.After(begin.Add(-time.Second)) {
			t.Logf("NOT JUDGED, this machine %s: "+format, append([]any{s.what}, args...)...)
			return
		}
	}
	t.Errorf(format, args...)
}

// client starts a client with new connections per second and long-lived ones.
func (s *stage) client(t *testing.T, rate, connections int) *traffic {
	t.Helper()
	return s.clientOf(t, vip, load.Config{Rate: rate, Connections: connections, Doubles: true})
}

// clientOf starts a client of port 80 of an address.
func (s *stage) clientOf(t *testing.T, address string, cfg load.Config) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &traffic{cancel: cancel, done: make(chan struct{}), change: make(chan struct{})}
	to := netip.MustParseAddr(address)
	cfg.Target, cfg.Namespace = netip.AddrPortFrom(to, 80), s.ClientNamespace()
	cfg.Timeout, cfg.Patience = 500*time.Millisecond, 15*time.Second
	for i := range 17 {
		source := lab.ClientAddress(i)
		if to.Is6() {
			source = lab.ClientAddress6(i)
		}
		cfg.Sources = append(cfg.Sources, source)
	}
	go func() {
		defer close(c.done)
		_, c.err = load.Run(ctx, cfg, c.take)
	}()
	go c.feel()
	t.Cleanup(func() { cancel(); <-c.done })
	c.until(t, "all connections are open", func(r load.Report) bool { return r.Connections.Kept == cfg.Connections && r.New.OK > 0 })
	return c
}

func (c *traffic) take(r load.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = r
	close(c.change)
	c.change = make(chan struct{})
}

func (c *traffic) now() (load.Report, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.change
}

// until waits for a sample.
func (c *traffic) until(t *testing.T, what string, ok func(load.Report) bool) load.Report {
	t.Helper()
	limit := time.NewTimer(patient)
	defer limit.Stop()
	for {
		r, change := c.now()
		if ok(r) {
			return r
		}
		select {
		case <-change:
		case <-c.done:
			t.Fatalf("the client ended: %v", c.err)
		case <-limit.C:
			t.Fatalf("not within %s: %s: %+v", patient, what, r)
		}
	}
}

// watch lets the client work for a while and answers the samples at both ends.
func (c *traffic) watch(t *testing.T, d time.Duration) (from, to load.Report) {
	t.Helper()
	from, _ = c.now()
	to = c.until(t, "the client works", func(r load.Report) bool {
		return r.ElapsedMS-from.ElapsedMS >= float64(d.Milliseconds())
	})
	return from, to
}

// stop ends the client and answers all that it saw.
func (c *traffic) stop(t *testing.T) load.Report {
	t.Helper()
	c.watch(t, time.Second) // attempts under way come to their end
	return c.end(t)
}

// end is stop at once.
func (c *traffic) end(t *testing.T) load.Report {
	t.Helper()
	c.cancel()
	<-c.done
	if c.err != nil {
		t.Errorf("the client: %v", c.err)
	}
	r, _ := c.now()
	if r.New.NotSent > 0 {
		t.Logf("this machine could not make %d of the connections", r.New.NotSent)
	}
	return r
}

// broken counts connections that broke after from though they lived on other
// nodes than those named.
func broken(from, to load.Report, but ...string) (count int, sample string) {
	for _, b := range to.Connections.Breaks[len(from.Connections.Breaks):] {
		if !slices.Contains(but, b.Node) {
			count++
			sample = fmt.Sprintf("%+v", b)
		}
	}
	return count, sample
}

// equal says that the nodes had even shares between two samples, within a
// margin, and nobody else any.
func (c *traffic) equal(t *testing.T, from, to load.Report, margin float64, nodes ...string) {
	t.Helper()
	shares := to.Shares(from)
	for node, share := range shares {
		if !slices.Contains(nodes, node) && share > 0 {
			c.fault(t, from, "%s answered %.1f %% of the connections, it should none", node, 100*share)
		}
	}
	for _, node := range nodes {
		if d := shares[node] - 1/float64(len(nodes)); d > margin || d < -margin {
			c.fault(t, from, "%s has %.1f %% of the connections; all: %v", node, 100*shares[node], shares)
		}
	}
}

// flawless says that between two samples nothing failed, nothing broke, but on the nodes
// named, and nothing was answered twice.
func (c *traffic) flawless(t *testing.T, what string, from, to load.Report, but ...string) {
	t.Helper()
	if n := to.New.Failed - from.New.Failed; n > 0 {
		c.fault(t, from, "%s: %d of %d connections failed: %v, before %v; outages %+v", what, n, to.New.Attempts-from.New.Attempts, to.New.Causes, from.New.Causes, to.New.Outages)
	}
	if n, sample := broken(from, to, but...); n > 0 {
		c.fault(t, from, "%s: %d long-lived connections broke, e.g. %s", what, n, sample)
	}
	c.once(t, what, from, to)
}

// once says that between two samples nothing was answered twice.
func (c *traffic) once(t *testing.T, what string, from, to load.Report) {
	t.Helper()
	if n := to.New.Twice() - from.New.Twice(); n > 0 {
		c.fault(t, from, "%s: %d requests were answered twice: %+v", what, n, to.New.Doubles)
	}
}
