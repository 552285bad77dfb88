package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// What happens to a virtual address before and while it is held: a stranger has it, an
// interface is not there, somebody flushes it, the cable of its network is out
// while the nodes still hear each other by another one.
func TestAddress(t *testing.T) {
	s := build(t, "accaddress", "web_farm", func(o *lab.Options) { o.Networks = 2 })
	s.do(t, "n1", "module", "install", "web_farm.safe", "--set", "VIRTUAL_IP="+vip)
	t.Run("stranger at the start", func(t *testing.T) { s.taken(t) })
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	t.Run("no such interface", func(t *testing.T) {
		s.unplaced(t, shipped(t).with(t, userconfig, "<interface>", `<interface name="eth9">`), "10.77.0.101", `no interface "eth9"; it has eth0`)
	})
	t.Run("no such network", func(t *testing.T) {
		s.unplaced(t, shipped(t), "10.99.0.100", "in none of this node's networks; there is 10.77.0.0/24 on eth0")
	})
	t.Run("flushed", func(t *testing.T) { s.flushed(t, "n2") })
	t.Run("cable of its network", func(t *testing.T) { s.dark(t, "n2") })
}

// taken starts the module while the client has its address.
func (s *stage) taken(t *testing.T) {
	t.Helper()
	s.must(t, lab.Client, "ip", "address", "add", vip+"/32", "dev", "eth0")
	r := s.try(t, "n1", "start", s.module)
	if r.code == 0 || !strings.Contains(r.text(), vip+" is in use by 02:00:0a:4d:00:c8 on eth0, which is no node of this cluster") {
		t.Errorf("exit code %d\n%s", r.code, r.text())
	}
	for _, node := range everybody {
		if s.has(t, node, vip) {
			t.Errorf("%s has the address all the same", node)
		}
	}
	s.must(t, lab.Client, "ip", "address", "del", vip+"/32", "dev", "eth0")
}

// unplaced starts a module whose address has no place here; the one that runs does not
// notice.
func (s *stage) unplaced(t *testing.T, f files, address, says string) {
	t.Helper()
	c := s.client(t, rate, 50)
	before, _ := c.now()
	archive := filepath.Join(t.TempDir(), "other.safe")
	if err := os.WriteFile(archive, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", archive, "--set", "VIRTUAL_IP="+address, "--set", "PORT=81")
	if r := s.try(t, "n1", "start", "other"); r.code == 0 || !strings.Contains(r.text(), says) {
		t.Errorf("exit code %d\n%s", r.code, r.text())
	}
	s.do(t, "n1", "module", "uninstall", "other")
	_, now := c.watch(t, time.Second)
	c.flawless(t, "a module without a place", before, now)
	c.stop(t)
}

// flushed takes a node's addresses away and sets its own again; the virtual one comes by
// itself, and clients notice nothing.
func (s *stage) flushed(t *testing.T, node string) {
	t.Helper()
	c := s.client(t, rate, 50)
	s.must(t, node, "ip", "address", "del", vip+"/32", "dev", "eth0")
	eventually(t, "the address is back", func() string {
		if !s.has(t, node, vip) {
			return s.must(t, node, "ip", "address", "show", "dev", "eth0")
		}
		return ""
	})
	if log := s.do(t, node, "log", s.module); !strings.Contains(log, vip+" was not on eth0 any more and was put back") {
		t.Errorf("the journal does not tell:\n%s", log)
	}
	s.whole(t, everybody...)
	c.watch(t, time.Second)
	c.stop(t)
}

// dark takes the cable out by which clients reach a node. Its heartbeats still arrive by
// the other network, so it says itself that nothing reaches it.
func (s *stage) dark(t *testing.T, node string) {
	t.Helper()
	c := s.client(t, rate, 50)
	from, _ := c.now()
	if err := s.Do(t.Context(), lab.Fault{Verb: lab.Cut, Nodes: []string{node}, Network: 1}); err != nil {
		t.Fatal(err)
	}
	s.whole(t, without(node)...)
	_, now := c.watch(t, 2*time.Second)
	if sum, _ := now.OutageMS(from.ElapsedMS, now.ElapsedMS+1); sum > shortly {
		c.fault(t, from, "an outage of %.0f ms: %+v", sum, now.New.Outages)
	}
	n := s.status(t, "n1", s.module)[node]
	if n.State != "UP" || n.Reason != "interface eth0 has no carrier" {
		t.Errorf("%s says %+v", node, n)
	}
	s.fault(t, lab.Heal, false, node)
	s.whole(t, everybody...)
	c.stop(t)
}

// has says that a node's kernel has an address.
func (s *stage) has(t *testing.T, node, address string) bool {
	t.Helper()
	return strings.Contains(s.must(t, node, "ip", "address", "show", "dev", "eth0"), fmt.Sprintf(" %s/", address))
}
