package accept_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

const (
	rate   = 200
	living = 300
)

// A farm of real nginx loses nodes, gets them back and is drained; the clients
// are at work all the time. The filter is attached as on real network cards.
func TestNginxFarm(t *testing.T) {
	s := nginxFarm(t, "accnginx", native)
	s.filtered(t, "xdp-native")
	c := s.client(t, rate, living)
	from, to := c.watch(t, 8*time.Second)
	c.flawless(t, "all is well", from, to)
	c.equal(t, from, to, 0.08, everybody...)

	t.Run("kill", func(t *testing.T) { s.lose(t, c, "n2", lab.Fault{Verb: lab.Kill, All: true}) })
	t.Run("cut", func(t *testing.T) { s.lose(t, c, "n3", lab.Fault{Verb: lab.Cut}) })
	t.Run("pause", func(t *testing.T) { s.lose(t, c, "n2", lab.Fault{Verb: lab.Pause}) })
	t.Run("kill of the daemon", func(t *testing.T) {
		before := s.nginx(t, "n1")
		s.lose(t, c, "n1", lab.Fault{Verb: lab.Kill})
		if after := s.nginx(t, "n1"); !slices.Equal(before, after) {
			t.Errorf("nginx did not go on: processes %v, now %v", before, after)
		}
	})
	t.Run("restart of the daemon", func(t *testing.T) { s.restartDaemon(t, c, "n1") })
	t.Run("drain", func(t *testing.T) { s.drain(t, c, "n1") })
	t.Run("daemon stops by plan", func(t *testing.T) { s.stopDaemon(t, c, "n2") })
	c.stop(t)
}

// lose makes a fault happen to a node and takes it back.
func (s *stage) lose(t *testing.T, c *traffic, node string, f lab.Fault) {
	t.Helper()
	before, _ := c.now()
	at := clock(before)
	f.Nodes = []string{node}
	if err := s.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	others := without(node)
	s.because(t, node, others[0])
	s.whole(t, others...)
	c.watch(t, time.Second) // what had begun before comes to its end
	from, to := c.watch(t, 3*time.Second)
	c.flawless(t, "without "+node, from, to)
	c.equal(t, from, to, 0.1, others...)
	sum, longest := to.OutageMS(at-1000, to.ElapsedMS)
	t.Logf("%s of %s: outage %.0f ms in all, longest %.0f ms", f.Verb, node, sum, longest)
	if sum >= 2000 {
		c.fault(t, before, "the outage took %.0f ms: %+v", sum, to.New.Outages)
	}
	if f.All || f.Verb == lab.Cut {
		c.told(t, before, to, node)
	}
	s.fault(t, lab.Heal, false, node)
	s.whole(t, everybody...)
	c.watch(t, time.Second)
	back, now := c.watch(t, 3*time.Second)
	// Connections that live on it were given up when it had been silent for long; they learn
	// it with their next packet.
	c.flawless(t, "after the return of "+node, back, now, node)
	c.equal(t, back, now, 0.1, everybody...)
	if n := now.New.Failed - to.New.Failed; n > 0 {
		c.fault(t, before, "%d connections failed during the return of %s: %v, before %v; outages %+v", n, node, now.New.Causes, to.New.Causes, now.New.Outages)
	}
	if n, sample := broken(before, now, node); n > 0 {
		c.fault(t, before, "%d long-lived connections to other nodes broke, e.g. %s", n, sample)
	}
}

// told says that all clients with a connection to a server that is gone know of it by now, as
// they are told at once.
func (c *traffic) told(t *testing.T, from, to load.Report, node string) {
	t.Helper()
	ended := map[load.Cause]int{}
	for _, b := range to.Connections.Breaks[len(from.Connections.Breaks):] {
		if b.Node == node {
			ended[b.Cause]++
		}
	}
	if all, told := from.Connections.Nodes[node], ended[load.Reset]+ended[load.Closed]; all == 0 || told < all {
		c.fault(t, from, "%d connections were on %s; of these ended: %v", all, node, ended)
	}
}

// restartDaemon kills a daemon whose next one comes at once: no connection breaks, not
// even those of its own server, which goes on.
func (s *stage) restartDaemon(t *testing.T, c *traffic, node string) {
	t.Helper()
	before, _ := c.now()
	server := s.nginx(t, node)
	s.fault(t, lab.Kill, false, node)
	s.fault(t, lab.Heal, false, node)
	s.whole(t, everybody...)
	_, now := c.watch(t, 2*time.Second)
	if after := s.nginx(t, node); !slices.Equal(server, after) {
		t.Errorf("nginx did not go on: processes %v, now %v", server, after)
	}
	if before.Connections.Nodes[node] == 0 {
		t.Errorf("no long-lived connection was on %s: the restart shows nothing", node)
	}
	if n, sample := broken(before, now); n > 0 {
		c.fault(t, before, "%d long-lived connections broke, e.g. %s", n, sample)
	}
}

// clock is the present moment on the client's clock, in ms.
func clock(r load.Report) float64 { return float64(time.Since(r.Start)) / float64(time.Millisecond) }

func without(node string) []string {
	var list []string
	for _, n := range everybody {
		if n != node {
			list = append(list, n)
		}
	}
	return list
}

// drain takes the load off a node and gives it back; nobody notices.
func (s *stage) drain(t *testing.T, c *traffic, node string) {
	t.Helper()
	before, _ := c.now()
	s.do(t, "n1", "drain", s.module, "--node", node)
	if n := s.status(t, "n1", s.module)[node]; !n.Drained || n.State != "UP" || n.Share != 0 {
		t.Errorf("after drain: %+v", n)
	}
	c.watch(t, 500*time.Millisecond)
	from, to := c.watch(t, 3*time.Second)
	c.equal(t, from, to, 0.1, without(node)...)
	if to.Connections.Nodes[node] == 0 {
		t.Errorf("no long-lived connection was on %s: the drain shows nothing", node)
	}
	s.do(t, "n1", "undrain", s.module) // those that are not drained have what is asked for
	s.whole(t, everybody...)
	c.watch(t, 500*time.Millisecond)
	back, now := c.watch(t, 3*time.Second)
	c.equal(t, back, now, 0.1, everybody...)
	c.flawless(t, "drain and undrain", before, now)
}

// stopDaemon ends a daemon with SIGTERM, as systemd does, and starts it again.
// The connections that live on the node are not looked at: nginx ends them.
func (s *stage) stopDaemon(t *testing.T, c *traffic, node string) {
	t.Helper()
	before, _ := c.now()
	s.fault(t, lab.Stop, false, node)
	s.gone(t, node)
	s.whole(t, without(node)...)
	_, away := c.watch(t, 2*time.Second)
	if pids := s.nginx(t, node); len(pids) > 0 {
		t.Errorf("nginx of %s still runs: %v", node, pids)
	}
	s.fault(t, lab.Heal, false, node)
	s.whole(t, everybody...)
	back, now := c.watch(t, 3*time.Second)
	c.equal(t, back, now, 0.1, everybody...)
	if n := now.New.Failed - before.New.Failed; n > 0 {
		c.fault(t, before, "%d connections failed, %d of them at the stop: %v, before %v; outages %+v", n, away.New.Failed-before.New.Failed, now.New.Causes, before.New.Causes, now.New.Outages)
	}
	if n, sample := broken(before, now, node); n > 0 {
		c.fault(t, before, "%d long-lived connections to other nodes broke, e.g. %s", n, sample)
	}
}

// gone waits until a node's daemon has ended.
func (s *stage) gone(t *testing.T, node string) {
	t.Helper()
	begin := time.Now()
	why := within(t, time.Minute+patient, func() string {
		for _, n := range s.Status().Nodes {
			if n.Name == node && n.Daemon != lab.DaemonExited {
				return fmt.Sprintf("%+v", n)
			}
		}
		return ""
	})
	if why != "" {
		t.Fatalf("the daemon of %s does not end: %s", node, why)
	}
	t.Logf("the daemon of %s ended within %s", node, time.Since(begin).Round(100*time.Millisecond))
}

// because asks a node why it has more to do now, after another was lost.
func (s *stage) because(t *testing.T, lost, node string) {
	t.Helper()
	story := ""
	eventually(t, "why tells of the loss of "+lost, func() string {
		story = s.do(t, node, "why", s.module)
		for _, phrase := range []string{"because " + lost + " was declared lost", "because: " + lost + " was declared lost: no heartbeat for ", " on lan default", "buckets"} {
			if !strings.Contains(story, phrase) {
				return fmt.Sprintf("no %q in\n%s", phrase, story)
			}
		}
		return ""
	})
	t.Logf("why on %s:\n%s", node, story)
}
