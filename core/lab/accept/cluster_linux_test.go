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

type members struct {
	Nodes []struct {
		Name           string
		Alive, Current bool
		Stale          []string
	}
	Signatures map[string]string
}

// agreed waits until the nodes see each other and use the same configuration.
func (s *stage) agreed(t *testing.T, nodes ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%v are current", nodes), func() string {
		signatures := ""
		for _, node := range nodes {
			m := ask[members](t, s, node, "cluster", "status")
			if text := fmt.Sprint(m.Signatures); signatures != "" && signatures != text {
				return fmt.Sprintf("%s has %s, others %s", node, text, signatures)
			} else {
				signatures = text
			}
			if len(m.Nodes) != len(nodes) {
				return fmt.Sprintf("%s knows %+v", node, m.Nodes)
			}
			for _, n := range m.Nodes {
				if !n.Alive || !n.Current {
					return fmt.Sprintf("on %s: %+v", node, n)
				}
			}
		}
		return ""
	})
}

// A node that was away catches up; one that leaves is forgotten and can come
// again; nobody joins without a good token.
func TestCluster(t *testing.T) {
	s := webFarm(t, "acccluster")
	c := s.client(t, rate, 100)
	s.do(t, "n1", "module", "install", "farm.safe", "--set", "VIRTUAL_IP=10.77.0.101", "--set", "PORT=81")
	s.agreed(t, everybody...)
	t.Run("away", func(t *testing.T) { s.away(t, c) })
	t.Run("leave and join", func(t *testing.T) { s.leaveAndJoin(t, c) })
	t.Run("partition", func(t *testing.T) {
		s.partition(t, c, "n1", "n2", "n3", lab.Client)
		s.partition(t, c, "n2,n3", "n1", lab.Client)
	})
	c.stop(t)
	t.Run("taken out", s.takenOut)
}

// takenOut removes a node that is gone. When it comes back after all it finds that out, and
// keeps nothing: another one may have its name.
func (s *stage) takenOut(t *testing.T) {
	if r := s.try(t, "n1", "cluster", "remove", "n3"); r.code != 1 || !strings.Contains(r.err, "n3 is alive") {
		t.Errorf("a node that lives is taken out: %+v", r)
	}
	s.fault(t, lab.Cut, false, "n3")
	eventually(t, "n3 is taken out", func() string {
		if r := s.try(t, "n1", "cluster", "remove", "n3"); r.code != 0 {
			return r.err
		}
		return ""
	})
	s.agreed(t, "n1", "n2")
	s.fault(t, lab.Heal, false, "n3")
	eventually(t, "n3 has found out", func() string {
		if r := s.try(t, "n3", "cluster", "status"); !strings.Contains(r.err, "belongs to no cluster") {
			return r.out + r.err
		}
		return ""
	})
	if s.has(t, "n3", "10.77.0.100") {
		t.Error("n3 still has the address")
	}
	if r := s.join(t, "n3", s.token(t)); r.code != 0 {
		t.Fatalf("join again: %s", r.text())
	}
	s.agreed(t, everybody...)
}

// away changes the configuration while a node is down.
func (s *stage) away(t *testing.T, c *traffic) {
	t.Helper()
	s.fault(t, lab.Kill, false, "n3")
	s.whole(t, "n1", "n2")
	edited := filepath.Join(s.root, s.name, "n1", "home", "modules", "farm", "bin", "start_both.lua")
	text, err := os.ReadFile(edited)
	if err == nil {
		err = os.WriteFile(edited, append(text, "\n-- edited\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	old := ask[members](t, s, "n2", "cluster", "status").Signatures["module/farm"]
	if r := s.try(t, "n1", "config", "apply", "farm"); !strings.Contains(r.out, "applied") {
		t.Fatalf("config apply: %+v", r)
	}
	eventually(t, "n2 has the change", func() string {
		now := ask[members](t, s, "n2", "cluster", "status").Signatures["module/farm"]
		if now == old || now == "" {
			return now
		}
		return ""
	})
	_, before := c.watch(t, time.Second) // attempts at the time of the fault have ended
	s.fault(t, lab.Heal, false, "n3")
	s.agreed(t, everybody...)
	got, err := os.ReadFile(filepath.Join(s.root, s.name, "n3", "home", "active", "farm", "bin", "start_both.lua"))
	if err != nil || !strings.Contains(string(got), "-- edited") {
		t.Errorf("n3 has not the change: %v", err)
	}
	s.whole(t, everybody...)
	_, now := c.watch(t, time.Second)
	if n := now.New.Failed - before.New.Failed; n > 0 {
		c.fault(t, before, "%d connections failed at the return of n3: %v, before %v", n, now.New.Causes, before.New.Causes)
	}
}

type joinToken struct {
	Token   string
	Expires time.Time
}

func (s *stage) token(t *testing.T) string {
	t.Helper()
	return ask[joinToken](t, s, "n1", "cluster", "token").Token
}

func (s *stage) join(t *testing.T, node, token string) result {
	t.Helper()
	return s.try(t, node, "cluster", "join", "--token", token, "--name", node, "--address", "10.77.0."+node[1:], "10.77.0.1")
}

// leaveAndJoin takes a node out of the cluster and lets it in again.
func (s *stage) leaveAndJoin(t *testing.T, c *traffic) {
	t.Helper()
	before, _ := c.now()
	if r := s.try(t, "n3", "cluster", "leave"); r.code == 0 {
		t.Log("leave stops the modules by itself")
	} else {
		t.Logf("leave with a running module: %s", r.text())
		s.do(t, "n1", "stop", s.module, "--node", "n3")
		s.do(t, "n3", "cluster", "leave")
	}
	s.agreed(t, "n1", "n2")
	s.whole(t, "n1", "n2")

	short := ask[joinToken](t, s, "n1", "cluster", "token", "--ttl", "1s")
	good := s.token(t)
	mistyped := good[:10] + "a" + good[11:]
	if good[10] == 'a' {
		mistyped = good[:10] + "b" + good[11:]
	}
	for name, tc := range map[string]struct{ token, say string }{
		"nonsense": {"nonsense", "token"}, "mistyped": {mistyped, "token"}, "cut": {good[:len(good)-5], "token"},
	} {
		s.refusedJoin(t, name, tc.token, tc.say)
	}
	eventually(t, "the token expires", func() string {
		if time.Now().Before(short.Expires) {
			return "not yet"
		}
		return ""
	})
	s.refusedJoin(t, "expired", short.Token, "expired")
	if r := s.join(t, "n3", good); r.code != 0 {
		t.Fatalf("join: %s", r.text())
	}
	s.agreed(t, everybody...)
	s.do(t, "n3", "cluster", "leave")
	s.agreed(t, "n1", "n2")
	s.refusedJoin(t, "used", good, "used")
	if r := s.join(t, "n3", s.token(t)); r.code != 0 {
		t.Fatalf("join again: %s", r.text())
	}
	s.agreed(t, everybody...)
	if r := s.join(t, "n3", s.token(t)); r.code != 1 || !strings.Contains(r.err, "already belongs") {
		t.Errorf("join of a member: %+v", r)
	}
	s.do(t, "n1", "start", s.module, "--node", "n3")
	s.whole(t, everybody...)
	_, now := c.watch(t, time.Second)
	if n := now.New.Failed - before.New.Failed; n > 0 {
		c.fault(t, before, "%d connections failed: %v, before %v; outages %+v", n, now.New.Causes, before.New.Causes, now.New.Outages)
	}
	if n, sample := broken(before, now, "n3"); n > 0 {
		c.fault(t, before, "%d long-lived connections to other nodes broke, e.g. %s", n, sample)
	}
}

func (s *stage) refusedJoin(t *testing.T, name, token, say string) {
	t.Helper()
	r := s.join(t, "n3", token)
	t.Logf("%s token: exit code %d: %s", name, r.code, r.text())
	if r.code != 1 || !strings.Contains(r.err, say) {
		t.Errorf("join with the %s token: %+v", name, r)
	}
	if r := s.try(t, "n3", "cluster", "status"); r.code == 0 {
		t.Errorf("n3 is a member after the refusal of the %s token: %s", name, r.out)
	}
}

// partition cuts the network in two; the client's side serves, and all return.
func (s *stage) partition(t *testing.T, c *traffic, lost string, kept ...string) {
	t.Helper()
	before, _ := c.now()
	at := clock(before)
	// The first side keeps its place at the switch; the others are unplugged for a
	// moment.
	if err := s.Do(t.Context(), lab.Fault{Verb: lab.Partition, Groups: [][]string{kept, strings.Split(lost, ",")}}); err != nil {
		t.Fatal(err)
	}
	nodes := kept[:len(kept)-1]
	s.whole(t, nodes...)
	c.watch(t, time.Second)
	from, to := c.watch(t, 2*time.Second)
	c.flawless(t, "without "+lost, from, to)
	c.equal(t, from, to, 0.1, nodes...)
	sum, _ := to.OutageMS(at-1000, to.ElapsedMS)
	t.Logf("partition from %s: outage %.0f ms", lost, sum)
	if sum >= 2000 {
		c.fault(t, before, "the outage took %.0f ms", sum)
	}
	if err := s.Do(t.Context(), lab.Fault{Verb: lab.Heal}); err != nil {
		t.Fatal(err)
	}
	s.whole(t, everybody...)
	c.watch(t, time.Second)
	back, now := c.watch(t, 2*time.Second)
	c.equal(t, back, now, 0.1, everybody...)
	if n := now.New.Failed - to.New.Failed; n > 0 {
		c.fault(t, before, "%d connections failed at the return of %s: %v, before %v; outages %+v", n, lost, now.New.Causes, to.New.Causes, now.New.Outages)
	}
	if n, sample := broken(before, now, strings.Split(lost, ",")...); n > 0 {
		c.fault(t, before, "%d long-lived connections to %v broke, e.g. %s", n, nodes, sample)
	}
}
