package accept_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

const (
	// shortly is the longest outage of a fault that leaves the server alive, in ms:
	// a lease and what a busy machine adds.
	shortly = 400
	// loss is that of a fault that takes the server away.
	loss = 1000
)

// troubles: a daemon or the filter's process dies or halts. The connections go on,
// also those on the node itself, for its kernel and its application are well. Only
// after a daemon was killed the next one starts the application anew, which ends them.
func (s *stage) troubles(t *testing.T) {
	c := s.crowd(t)
	const node = "n2"
	for _, one := range []struct {
		name     string
		do, undo func(*testing.T)
	}{
		{
			"daemon halted",
			func(t *testing.T) { s.fault(t, lab.Pause, false, node) },
			func(t *testing.T) { s.fault(t, lab.Resume, false, node) },
		},
		{
			"filter killed",
			func(t *testing.T) { s.signalFilter(t, node, syscall.SIGKILL) },
			func(*testing.T) {},
		},
		{
			"filter halted",
			func(t *testing.T) { s.signalFilter(t, node, syscall.SIGSTOP) },
			func(t *testing.T) { s.signalFilter(t, node, syscall.SIGCONT) },
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			c.t = t
			c.mark()
			one.do(t)
			c.watch(500 * time.Millisecond) // longer than any lease
			one.undo(t)
			s.whole(t, everybody...)
			c.shortly(one.name, shortly)
		})
	}
	t.Run("daemon restarted", func(t *testing.T) {
		c.t = t
		c.mark()
		s.fault(t, lab.Kill, false, node)
		s.fault(t, lab.Heal, false, node)
		s.whole(t, everybody...)
		// The next daemon starts the application anew, so the server is away for a while.
		c.shortly("a restart of the daemon", loss, node)
	})
	c.t = t
	c.stop()
}

func (s *stage) signalFilter(t *testing.T, node string, sig syscall.Signal) {
	t.Helper()
	// The daemon knows its plugins while they are halted, too.
	var p plugin
	eventually(t, "the filter of "+node+" runs", func() string {
		if p = s.plugin(t, node, "filter", "ebpf"); p.PID == 0 {
			return fmt.Sprintf("%+v", p)
		}
		return ""
	})
	if err := syscall.Kill(p.PID, sig); err != nil {
		t.Fatal(err)
	}
}

// shortly says that since mark nothing broke, but on the nodes named, or was answered
// twice, and that new requests failed for a moment at most, in ms.
func (c *crowd) shortly(what string, limit float64, but ...string) {
	c.t.Helper()
	c.watch(time.Second)
	for name, one := range c.all {
		now, _ := one.now()
		from := c.from[name]
		sum, _ := now.OutageMS(from.ElapsedMS-100, now.ElapsedMS+1)
		c.t.Logf("%s, %s: %d failed, outage %.0f ms", what, name, now.New.Failed-from.New.Failed, sum)
		if sum > limit {
			one.fault(c.t, from, "%s, %s: an outage of %.0f ms: %+v", what, name, sum, now.New.Outages)
		}
		if n, sample := broken(from, now, but...); n > 0 {
			one.fault(c.t, from, "%s, %s: %d long-lived connections broke, e.g. %s", what, name, n, sample)
		}
		one.once(c.t, what+", "+name, from, now)
	}
	c.mark()
}

// A network card goes away and a new one comes; a stranger has the address; a
// network is a VLAN.
func TestTrouble(t *testing.T) {
	s := wide(t, "acctrouble", "vmac_directed")
	t.Run("stranger", func(t *testing.T) { s.stranger(t) })
	t.Run("card", func(t *testing.T) { s.card(t, "n3") })
	t.Run("second module", func(t *testing.T) { s.sameAddress(t) })
	t.Run("vlan", func(t *testing.T) { s.vlan(t) })
	t.Run("stranger gone", func(t *testing.T) { s.strangerGone(t) })
}

// card takes a node's network card away.
func (s *stage) card(t *testing.T, node string) {
	t.Helper()
	c := s.crowd(t)
	s.fault(t, lab.Unplug, false, node)
	s.whole(t, without(node)...)
	c.shortly("without the card of "+node, loss, node)
	c.flawless("without the card of "+node, node)
	s.fault(t, lab.Heal, false, node)
	s.whole(t, everybody...)
	c.shortly("a new card for "+node, shortly, node)
	c.watch(2 * time.Second)
	for _, f := range families {
		now, _ := c.all[f.name].now()
		c.all[f.name].equal(t, c.from[f.name], now, 0.15, everybody...)
	}
	c.t = t
	c.stop()
}

// stranger lets a machine that is no node take the virtual addresses; all nodes say who
// does it.
func (s *stage) stranger(t *testing.T) {
	t.Helper()
	const mac = "02:00:0a:4d:00:fe" // the router's
	length := map[string]string{"-4": "/24", "-6": "/64"}
	for _, f := range families {
		s.must(t, lab.Router, "ip", f.flag, "address", "add", f.address+length[f.flag], "dev", "eth0")
	}
	eventually(t, "the nodes report the stranger", func() string {
		for _, f := range families {
			s.claim(t, f)
		}
		return s.addresses(t, "down", mac)
	})
	if n := s.status(t, "n1", s.module)["n1"]; n.State != "UP" {
		t.Errorf("the module does not go on: %+v", n)
	}
	for _, f := range families {
		s.must(t, lab.Router, "ip", f.flag, "address", "del", f.address+length[f.flag], "dev", "eth0")
	}
}

// strangerGone waits until no node speaks of it any more: 22 s after the last sign.
func (s *stage) strangerGone(t *testing.T) {
	t.Helper()
	if why := within(t, time.Minute, func() string { return s.addresses(t, "up", "") }); why != "" {
		t.Errorf("the stranger has gone, but not for all: %s", why)
	}
	c := s.crowd(t)
	c.flawless("after the stranger")
	c.stop()
}

// addresses answers the empty text when the resources of both virtual addresses have
// a value on all nodes, for a reason that says something.
func (s *stage) addresses(t *testing.T, want, says string) string {
	t.Helper()
	for _, node := range everybody {
		resources := s.status(t, node, s.module)[node].Resources
		for _, f := range families {
			i := slices.IndexFunc(resources, func(r struct{ Name, Value, Reason string }) bool { return r.Name == "ip."+f.address })
			if i < 0 || resources[i].Value != want || !strings.Contains(strings.ToLower(resources[i].Reason), says) {
				return fmt.Sprintf("ip.%s on %s: %+v", f.address, node, resources)
			}
		}
	}
	return ""
}

// claim makes the router ask the nodes for their addresses in the name of the virtual
// one, as whoever has an address does.
func (s *stage) claim(t *testing.T, f family) {
	t.Helper()
	s.must(t, lab.Router, "ip", f.flag, "neigh", "flush", "dev", "eth0")
	for i := range everybody {
		to := lab.NodeAddress(i + 1)
		if f.flag == "-6" {
			to = lab.NodeAddress6(i + 1)
		}
		s.run(t, lab.Router, "ping", f.flag, "-c", "1", "-W", "0.2", "-I", f.address, to.String()) // the answer goes elsewhere
	}
}

// sameAddress refuses modules that want what the stage's has, by either family; it
// does not notice.
func (s *stage) sameAddress(t *testing.T) {
	t.Helper()
	c := s.crowd(t)
	for _, f := range families {
		r := s.try(t, "n1", "module", "install", "farm.safe", "--set", "VIRTUAL_IP="+f.address, "--set", "PORT=82")
		if r.code != 1 || !strings.Contains(r.err, f.address) || !strings.Contains(r.err, s.module) {
			t.Errorf("%s twice: exit code %d\n%s", f.address, r.code, r.text())
		}
	}
	if list := ask[[]struct{ Name string }](t, s, "n2", "module", "list"); len(list) != 1 {
		t.Errorf("installed: %+v", list)
	}
	c.flawless("a module with the same address")
	c.t = t
	c.stop()
}

// vlan puts a farm's addresses on a VLAN of the same cables.
func (s *stage) vlan(t *testing.T) {
	t.Helper()
	hosts := map[string]int{lab.Client: 200, "n1": 1, "n2": 2, "n3": 3}
	for _, member := range append(slices.Clone(everybody), lab.Client) {
		r := s.run(t, member, "ip", "link", "add", "link", "eth0", "name", "eth0.10", "type", "vlan", "id", "10")
		if r.code != 0 {
			t.Skipf("NOT TESTED: this kernel has no VLAN interfaces (CONFIG_VLAN_8021Q): %s", r.err)
		}
		s.must(t, member, "ip", "link", "set", "eth0.10", "up")
		s.must(t, member, "ip", "address", "add", fmt.Sprintf("10.80.0.%d/24", hosts[member]), "dev", "eth0.10")
	}
	s.do(t, "n1", "module", "install", "web_farm.safe", "--set", "VIRTUAL_IP=10.80.0.100", "--set", "PORT=83")
	s.do(t, "n1", "start", "web_farm")
	eventually(t, "web_farm is shared", func() string {
		for _, node := range everybody {
			if n := s.status(t, "n1", "web_farm")[node]; n.Share < 0.2 {
				return fmt.Sprintf("%s: %+v", node, n)
			}
		}
		return ""
	})
	if n := s.burst(t, "10.80.0.100", 83).New; n.Failed > 0 || len(n.Nodes) != len(everybody) {
		t.Errorf("by a VLAN: %+v", n)
	}
}
