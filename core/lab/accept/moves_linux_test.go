package accept_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

func target(address string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), port)
}

// crowd is clients of both families and of UDP, at work together.
type crowd struct {
	t    *testing.T
	all  map[string]*traffic
	from map[string]load.Report
}

func (s *stage) crowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{t: t, all: map[string]*traffic{
		"ipv4": s.clientOf(t, vip, load.Config{Rate: 100, Connections: living / 2, Doubles: true}),
		"ipv6": s.clientOf(t, vip6, load.Config{Rate: 100, Connections: living / 2, Doubles: true}),
		"udp":  s.clientOf(t, vip6, load.Config{Rate: 50, UDP: true}),
	}}
	c.mark()
	return c
}

// mark begins what is judged next.
func (c *crowd) mark() {
	c.from = map[string]load.Report{}
	for name, one := range c.all {
		c.from[name], _ = one.now()
	}
}

// watch lets all work for a while.
func (c *crowd) watch(d time.Duration) {
	c.t.Helper()
	from := map[string]load.Report{}
	for name, one := range c.all {
		from[name], _ = one.now()
	}
	for name, one := range c.all {
		one.until(c.t, "the clients work", func(r load.Report) bool {
			return r.ElapsedMS-from[name].ElapsedMS >= float64(d.Milliseconds())
		})
	}
}

// stop ends the clients.
func (c *crowd) stop() {
	c.t.Helper()
	for _, one := range c.all {
		one.end(c.t)
	}
}

// flawless says that since mark nothing failed, was answered twice or broke, but
// long-lived connections on the nodes named.
func (c *crowd) flawless(what string, but ...string) {
	c.t.Helper()
	c.watch(time.Second) // what has begun comes to its end
	for name, one := range c.all {
		now, _ := one.now()
		from := c.from[name]
		if n := now.New.Failed - from.New.Failed; n > 0 {
			one.fault(c.t, from, "%s, %s: %d failed: %v, before %v; outages %+v", what, name, n, now.New.Causes, from.New.Causes, now.New.Outages)
		}
		if n, sample := broken(from, now, but...); n > 0 {
			one.fault(c.t, from, "%s, %s: %d long-lived connections broke, e.g. %s", what, name, n, sample)
		}
		one.once(c.t, what+", "+name, from, now)
	}
	c.mark()
}

// lives says how many long-lived connections are on a node.
func (c *crowd) lives(node string) int {
	sum := 0
	for _, one := range c.all {
		r, _ := one.now()
		sum += r.Connections.Nodes[node]
	}
	return sum
}

// moves: whatever is done to the farm by plan, nobody notices.
func (s *stage) moves(t *testing.T) {
	c := s.crowd(t)
	t.Run("drain", func(t *testing.T) {
		c.t = t
		said := s.do(t, "n1", "drain", s.module, "--node", "n3", "--deadline", "100ms")
		if c.lives("n3") == 0 || !strings.Contains(said, "connections left") {
			t.Errorf("no long-lived connection was on n3, so the drain shows nothing; it said %q", said)
		}
		c.flawless("drain")
		s.do(t, "n1", "undrain", s.module, "--node", "n3")
		s.whole(t, everybody...)
		c.flawless("undrain")
	})
	t.Run("weights", func(t *testing.T) { c.t = t; s.weights(t, c) })
	t.Run("rolling restart", func(t *testing.T) {
		c.t = t
		for _, node := range everybody {
			s.fault(t, lab.Stop, false, node)
			s.gone(t, node)
			s.fault(t, lab.Heal, false, node)
			s.whole(t, everybody...)
			c.flawless("restart of "+node, node)
		}
	})
	c.t = t
	c.stop()
}

// weights changes the powers of a farm at work: first n3 gets a share, then n1 and n3
// change places.
func (s *stage) weights(t *testing.T, c *crowd) {
	t.Helper()
	c.mark()
	s.reconfigure(t, `name="n3" power="0"`, `name="n3" power="4"`)
	eventually(t, "n3 has half of the uneven group", func() string {
		n := s.burst(t, vip, 81).New
		if share := float64(n.Nodes["n3"]) / float64(n.OK); n.Failed > 0 || share < 0.4 || share > 0.6 {
			return describe(n)
		}
		return ""
	})
	c.flawless("a change of powers")
	s.reconfigure(t, `name="n3" power="4"`, `name="n3" power="0"`)
	eventually(t, "n3 has nothing of the uneven group", func() string {
		if n := s.burst(t, vip6, 81).New; n.Failed > 0 || n.Nodes["n3"] > 0 {
			return describe(n)
		}
		return ""
	})
	c.flawless("a change of powers back")
}

// reconfigure changes the module's configuration while it runs.
func (s *stage) reconfigure(t *testing.T, old, text string) {
	t.Helper()
	path := filepath.Join(s.root, s.name, "n1", "home", "modules", s.module, filepath.FromSlash(userconfig))
	config, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(config), old) {
		t.Fatalf("no %q in %s: %v", old, path, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(config), old, text, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.try(t, "n1", "config", "apply", s.module); r.code != 0 {
		t.Fatalf("config apply: %s", r.text())
	}
}

func describe(n load.NewConns) string { return fmt.Sprintf("%+v", n) }
