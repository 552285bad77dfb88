package accept_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// What an operator does with a mirror, and what goes wrong with both of its nodes at
// once.
func TestMirrorTroubles(t *testing.T) {
	s := pairOf(t, "accpairs")
	s.paired(t)
	t.Run("power failure", func(t *testing.T) { s.power(t) })
	t.Run("start together", func(t *testing.T) { s.together(t) })
	t.Run("split", func(t *testing.T) { s.split(t) })
	t.Run("prim and second", func(t *testing.T) { s.chosen(t) })
	t.Run("failover off", func(t *testing.T) { s.failoverOff(t) })
	t.Run("application", func(t *testing.T) { s.applicationDies(t) })
	t.Run("alone", func(t *testing.T) { s.lonely(t) })
	t.Run("remote resources", func(t *testing.T) { s.remoteResources(t) })
	t.Run("words", func(t *testing.T) { s.words(t) })
}

// power fails everywhere. Both come back by themselves; who was primary is again.
func (s *stage) power(t *testing.T) {
	prim, second := s.paired(t)
	s.fault(t, lab.Kill, true, both...)
	s.fault(t, lab.Heal, false, both...)
	s.roles(t, prim, prim, "PRIM", second, "SECOND")
	s.oneHolds(t, prim)
}

// oneHolds says that the addresses are on one node only.
func (s *stage) oneHolds(t *testing.T, prim string) {
	t.Helper()
	for _, node := range both {
		want := 0
		if node == prim {
			want = len(families)
		}
		if n := s.holds(t, node); n != want {
			t.Errorf("%s is the primary, and %s has %d of the addresses", prim, node, n)
		}
	}
}

// together both nodes start; one becomes the primary, and never both.
func (s *stage) together(t *testing.T) {
	s.do(t, "n1", "stop", s.module)
	s.roles(t, "n1", "n1", "STOP", "n2", "STOP")
	s.do(t, "n2", "start", s.module, "--no-wait")
	prim, _ := s.paired(t)
	s.oneHolds(t, prim)
	for _, node := range both {
		story := s.do(t, node, "log", s.module, "--lines", "60")
		if at := strings.LastIndex(story, "asks for start"); strings.Contains(story[at:], "split brain") {
			t.Errorf("%s tells of a split:\n%s", node, story[at:])
		}
	}
}

// split: the nodes do not hear each other, and each serves its side. When they do
// again, who took over gives up.
func (s *stage) split(t *testing.T) {
	prim, second := s.paired(t)
	fault := lab.Fault{Verb: lab.Partition, Groups: [][]string{{prim}, {second, lab.Client}}}
	if err := s.Do(t.Context(), fault); err != nil {
		t.Fatal(err)
	}
	s.roles(t, prim, prim, "ALONE")
	s.roles(t, second, second, "ALONE")
	eventually(t, "the side of the client is served", func() string { return s.answers(t, second) })
	s.fault(t, lab.Heal, false)
	s.roles(t, prim, prim, "PRIM", second, "SECOND")
	s.oneHolds(t, prim)
	eventually(t, "the client meets the one that stayed", func() string { return s.answers(t, prim) })
	if story := s.do(t, second, "log", s.module, "--lines", "80"); !strings.Contains(story, "split brain: "+prim+" is ALONE, too, and stays, because it was primary before the split") {
		t.Errorf("%s does not tell why it gave up:\n%s", second, story)
	}
}

// answers says whether the client meets a node by both families.
func (s *stage) answers(t *testing.T, node string) string {
	t.Helper()
	for _, f := range families {
		r := s.run(t, lab.Client, "curl", f.flag, "--silent", "--max-time", "1", "--output", "/dev/null", "--dump-header", "-", f.url+"/")
		if got := header(r.out, "X-Node"); got != node {
			return fmt.Sprintf("%s is answered by %q", f.address, got)
		}
	}
	return ""
}

// chosen: an operator says which node is the primary.
func (s *stage) chosen(t *testing.T) {
	prim, second := s.paired(t)
	s.do(t, "n1", "stop", s.module)
	if r := s.try(t, prim, "second", s.module, "--node", prim); r.code != 1 || !strings.Contains(r.text(), second+" is not primary") {
		t.Errorf("second without a primary ends with %d:\n%s", r.code, r.text())
	}
	s.do(t, prim, "prim", s.module, "--node", second)
	s.roles(t, prim, second, "ALONE", prim, "STOP")
	if r := s.try(t, prim, "prim", s.module, "--node", prim); r.code != 1 || !strings.Contains(r.text(), second+" is ALONE") {
		t.Errorf("prim beside a primary ends with %d:\n%s", r.code, r.text())
	}
	s.do(t, prim, "second", s.module, "--node", prim)
	s.roles(t, prim, second, "PRIM", prim, "SECOND")
	if r := s.try(t, prim, "prim", s.module); r.code != 2 || !strings.Contains(r.text(), "--node") {
		t.Errorf("prim of nobody ends with %d:\n%s", r.code, r.text())
	}
}

// failoverOff: the secondary does not take over, whichever node was told; the primary
// takes its role again.
func (s *stage) failoverOff(t *testing.T) {
	prim, second := s.paired(t)
	s.do(t, second, "failover", s.module, "off")
	eventually(t, "both know", func() string {
		for _, node := range both {
			if out := s.do(t, node, "status", s.module); strings.Count(out, "failover is off") != 2 {
				return out
			}
		}
		return ""
	})
	s.fault(t, lab.Kill, true, prim)
	s.roles(t, second, second, "WAIT")
	eventually(t, "it says why", func() string {
		if n := s.status(t, second, s.module)[second]; n.Phase != "NotReady" || !strings.Contains(n.Reason, "failover is off") {
			return fmt.Sprintf("%+v", n)
		}
		return ""
	})
	s.fault(t, lab.Heal, false, prim)
	s.roles(t, second, prim, "PRIM", second, "SECOND")
	s.do(t, prim, "failover", s.module, "on")
}

// applicationDies on the primary and is restarted there; the secondary does not move.
func (s *stage) applicationDies(t *testing.T) {
	prim, second := s.paired(t)
	pids := s.processesOf(t, prim, " web ")
	if len(pids) != 1 || len(s.processesOf(t, second, " web ")) != 0 {
		t.Fatalf("the application runs as %v on the primary, as %v on the secondary", pids, s.processesOf(t, second, " web "))
	}
	s.must(t, prim, "kill", "-9", fmt.Sprint(pids[0]))
	eventually(t, "it is restarted", func() string {
		if now := s.processesOf(t, prim, " web "); len(now) != 1 || now[0] == pids[0] {
			return fmt.Sprint(now)
		}
		return ""
	})
	s.roles(t, prim, prim, "PRIM", second, "SECOND")
}

// lonely: a node that starts without the other one serves after it has listened.
func (s *stage) lonely(t *testing.T) {
	prim, second := s.paired(t)
	s.fault(t, lab.Kill, true, both...)
	s.fault(t, lab.Heal, false, second)
	s.roles(t, second, second, "ALONE")
	s.fault(t, lab.Heal, false, prim)
	s.roles(t, second, prim, "SECOND", second, "PRIM")
}

// remoteResources: a rule on one node sees what the other one says of itself.
func (s *stage) remoteResources(t *testing.T) {
	prim, second := s.paired(t)
	for _, value := range []string{"down", "up"} {
		s.do(t, second, "resource", "set", s.module, "custom.app", value)
		eventually(t, "the rule on the other node sees custom.app "+value, func() string {
			for _, r := range s.status(t, prim, s.module)[prim].Resources {
				if r.Name == "rule.beside" && r.Value == value {
					return ""
				}
			}
			return fmt.Sprintf("%+v", s.status(t, prim, s.module)[prim].Resources)
		})
	}
}

// words: what status, why and explain say of a pair.
func (s *stage) words(t *testing.T) {
	prim, second := s.paired(t)
	status := s.do(t, second, "status", s.module)
	for _, text := range []string{"PRIM Ready", "has the address", "SECOND Ready", prim + " is PRIM Ready", second + " is SECOND Ready"} {
		if !strings.Contains(status, text) {
			t.Errorf("status has no %q:\n%s", text, status)
		}
	}
	explained := s.do(t, second, "explain", "10.77.0.200:51000", "--address", vip+":80")
	if !strings.Contains(explained, prim+" is the primary\n") || !strings.Contains(explained, second+" takes nothing: it is SECOND Ready") {
		t.Errorf("explain says:\n%s", explained)
	}
	s.do(t, prim, "swap", s.module)
	s.roles(t, prim, prim, "SECOND", second, "PRIM")
	if why := s.do(t, second, "why", s.module); !strings.Contains(why, "swap") && !strings.Contains(why, "gives the role") {
		t.Errorf("why says:\n%s", why)
	}
}

// A mirror whose interface is not watched: both nodes stay primary while the cable of
// one is out; the one that nobody could reach gives up, though it was primary before.
func TestMirrorUnwatched(t *testing.T) {
	s := pairOf(t, "accunwatch", "CHECK=off")
	prim, second := s.paired(t)
	c := s.pairClients(t)
	c.during(t, "cable cut", takeover, second, func() {
		s.fault(t, lab.Cut, false, prim)
		s.roles(t, second, second, "ALONE")
		s.roles(t, prim, prim, "ALONE")
	})
	c.during(t, "cable back", 0, second, func() {
		s.fault(t, lab.Heal, false, prim)
		s.roles(t, second, prim, "SECOND", second, "PRIM")
	})
	c.stop(t)
}

// A secondary whose module says two minutes waits that long, which is longer than anything is
// waited for here; a daemon that says goodbye or is started anew does not keep it waiting.
func TestMirrorPatient(t *testing.T) {
	s := pairOf(t, "accpatient", "TIMEOUT=2m")
	prim, second := s.paired(t)
	s.fault(t, lab.Kill, false, prim)
	s.fault(t, lab.Heal, false, prim)
	prim, second = second, prim
	s.roles(t, prim, prim, "PRIM", second, "SECOND")
	s.fault(t, lab.Pause, false, prim)
	begin := time.Now()
	waits := within(t, 5*time.Second, func() string {
		if n := s.status(t, second, s.module)[second]; n.State != "SECOND" {
			return ""
		}
		return "it waits"
	})
	if waits == "" {
		t.Errorf("%s took over after %s", second, time.Since(begin))
	}
	s.fault(t, lab.Resume, false, prim)
	s.roles(t, prim, prim, "PRIM", second, "SECOND")
	eventually(t, "the primary serves again", func() string { return s.answers(t, prim) })
}

// Witnesses: of two nodes that do not hear each other the one that reaches the witness
// goes on, the other one waits.
func TestMirrorWitness(t *testing.T) {
	f := mirrorModule().with(t, userconfig, "<check>", `<check><splitbrain ident="witness" exec="ping" arg="`+lab.ClientAddress(0).String()+`"/>`)
	s := pairFrom(t, "accwitness", f, func(*lab.Options) {})
	prim, second := s.paired(t)
	for _, nodes := range [][]string{{prim, second}, {second, prim}} {
		cut, stays := nodes[0], nodes[1]
		fault := lab.Fault{Verb: lab.Partition, Groups: [][]string{{cut}, {stays, lab.Client}}}
		if err := s.Do(t.Context(), fault); err != nil {
			t.Fatal(err)
		}
		s.roles(t, stays, stays, "ALONE")
		s.roles(t, cut, cut, "WAIT")
		if s.holds(t, cut) != 0 {
			t.Errorf("%s reaches no witness, and keeps the address", cut)
		}
		s.fault(t, lab.Heal, false)
		s.roles(t, stays, stays, "PRIM", cut, "SECOND")
	}
}
