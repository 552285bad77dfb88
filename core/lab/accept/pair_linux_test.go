package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

// both are the nodes of a mirror.
var both = []string{"n1", "n2"}

const (
	// takeover is the longest outage when a primary is lost without a word: the
	// silence of 1 s, the hooks, and what a busy machine adds. In ms.
	takeover = 2500
	// planned is that of a move that both nodes know of: as long as the hooks take.
	planned = 1500
)

// mirrorConfig is a mirror of a web server with an address of each family.
const mirrorConfig = `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE safe>
<safe>
  <macro name="CHECK" value="on"/>
  <macro name="TIMEOUT" value="1s"/>
  <service mode="mirror" maxloop="50">
    <heart timeout="%TIMEOUT%"><heartbeat name="default"/></heart>
    <vip>
      <interface_list>
        <interface check="%CHECK%">
          <real_interface>
            <virtual_addr addr="10.77.0.100" where="one_side_alias"/>
            <virtual_addr addr="fd77::100" where="one_side_alias"/>
          </real_interface>
        </interface>
      </interface_list>
    </vip>
    <user nicestoptimeout="30s" forcestoptimeout="30s" starttimeout="30s"/>
    <check>
      <tcp ident="web" when="prim" action="restart">
        <to addr="127.0.0.1" port="80" interval="500ms" timeout="1s"/>
      </tcp>
    </check>
    <failover handle_time="200ms"><![CDATA[
      beside: if (remote.custom.app == down && heartbeat.* == up) then noaction();
    ]]></failover>
  </service>
</safe>
`

func mirrorModule() files {
	return files{
		userconfig: mirrorConfig,
		"bin/start_prim.lua": `application("process", "web"):start {
  command = { ctx.program, "web", "--listen", ":80", "--node-name", ctx.node }, ready_tcp = "127.0.0.1:80", stop_timeout = "2s", timeout = "15s",
}
`,
		"bin/stop_prim.lua": `application("process", "web"):stop { force = ctx.force, timeout = "10s" }` + "\n",
	}
}

// pairOf makes a lab of two nodes with a mirror that is started on both.
func pairOf(t *testing.T, name string, set ...string) *stage {
	t.Helper()
	return pairFrom(t, name, mirrorModule(), func(*lab.Options) {}, set...)
}

func pairFrom(t *testing.T, name string, module files, change func(*lab.Options), set ...string) *stage {
	t.Helper()
	s := build(t, name, "pair", func(o *lab.Options) { o.Nodes = 2 }, change)
	archive := filepath.Join(s.root, "pair.safe")
	if err := os.WriteFile(archive, module.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"module", "install", archive}
	for _, one := range set {
		args = append(args, "--set", one)
	}
	s.do(t, "n1", args...)
	s.do(t, "n1", "start", s.module)
	return s
}

// roles waits until the nodes have these states, all settled: "n1 PRIM n2 SECOND". A
// node that is not named is not looked at.
func (s *stage) roles(t *testing.T, from string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has the roles %v", s.module, want), func() string {
		all := s.status(t, from, s.module)
		for i := 0; i < len(want); i += 2 {
			n := all[want[i]]
			settled := n.Phase == "Ready" || want[i+1] == "STOP" || want[i+1] == "WAIT"
			if n.State != want[i+1] || !settled {
				return fmt.Sprintf("%+v", all)
			}
		}
		return ""
	})
}

// paired waits until one node is PRIM and the other SECOND, and answers which.
func (s *stage) paired(t *testing.T) (prim, second string) {
	t.Helper()
	eventually(t, s.module+" has a primary and a secondary", func() string {
		all := s.status(t, "n1", s.module)
		prim, second = "", ""
		for _, node := range both {
			n := all[node]
			switch {
			case n.State == "PRIM" && n.Phase == "Ready":
				prim = node
			case n.State == "SECOND" && n.Phase == "Ready":
				second = node
			}
		}
		if prim == "" || second == "" {
			return fmt.Sprintf("%+v", all)
		}
		return ""
	})
	return prim, second
}

// holds says which of the addresses a node's interfaces have.
func (s *stage) holds(t *testing.T, node string) int {
	t.Helper()
	n := 0
	for _, f := range families {
		if strings.Contains(s.must(t, node, "ip", "-o", "address", "show"), " "+f.address+"/") {
			n++
		}
	}
	return n
}

// pairTraffic are clients of both families.
type pairTraffic struct{ four, six *traffic }

func (s *stage) pairClients(t *testing.T) pairTraffic {
	t.Helper()
	cfg := load.Config{Rate: 100, Doubles: true}
	return pairTraffic{s.clientOf(t, vip, cfg), s.clientOf(t, vip6, cfg)}
}

// during measures what the clients miss of what do makes happen, which ends when all
// is served again by one node.
func (c pairTraffic) during(t *testing.T, what string, limit float64, by string, do func()) {
	t.Helper()
	begin4, _ := c.four.now()
	begin6, _ := c.six.now()
	at4, at6 := clock(begin4), clock(begin6)
	do()
	c.four.watch(t, 1500*time.Millisecond)
	for _, one := range []struct {
		name string
		c    *traffic
		from load.Report
		at   float64
	}{{"ipv4", c.four, begin4, at4}, {"ipv6", c.six, begin6, at6}} {
		from, to := one.c.watch(t, 500*time.Millisecond)
		one.c.equal(t, from, to, 0.01, by)
		one.c.flawless(t, "after "+what, from, to)
		sum, longest := to.OutageMS(one.at-100, to.ElapsedMS)
		t.Logf("%s, %s: outage %.0f ms in all, longest %.0f ms", what, one.name, sum, longest)
		if sum > limit {
			one.c.fault(t, one.from, "%s, %s: an outage of %.0f ms, more than %.0f: %+v", what, one.name, sum, limit, to.New.Outages)
		}
		one.c.once(t, what, one.from, to)
	}
}

func (c pairTraffic) stop(t *testing.T) {
	t.Helper()
	c.four.stop(t)
	c.six.stop(t)
}

// A mirror loses its primary in every way; the clients are at work all the time.
func TestMirror(t *testing.T) {
	s := pairOf(t, "accpair")
	prim, second := s.paired(t)
	if s.holds(t, prim) != 2 || s.holds(t, second) != 0 {
		t.Errorf("the primary %s has %d of the addresses, the secondary %s %d", prim, s.holds(t, prim), second, s.holds(t, second))
	}
	c := s.pairClients(t)
	for _, one := range []struct {
		name  string
		limit float64
		fault lab.Fault
	}{
		{"kill of the daemon", takeover, lab.Fault{Verb: lab.Kill}},
		{"kill of the machine", takeover, lab.Fault{Verb: lab.Kill, All: true}},
		{"cable cut", takeover, lab.Fault{Verb: lab.Cut}},
		{"daemon halted", takeover, lab.Fault{Verb: lab.Pause}},
		{"machine halted", takeover, lab.Fault{Verb: lab.Pause, All: true}},
	} {
		t.Run(one.name, func(t *testing.T) {
			prim, second := s.paired(t)
			one.fault.Nodes = []string{prim}
			c.during(t, one.name, one.limit, second, func() {
				if err := s.Do(t.Context(), one.fault); err != nil {
					t.Fatal(err)
				}
				s.roles(t, second, second, "ALONE")
			})
			c.during(t, "return after "+one.name, 0, second, func() {
				s.fault(t, lab.Heal, false, prim)
				s.roles(t, second, prim, "SECOND", second, "PRIM")
			})
			// What a killed daemon has left running its successor has stopped.
			if old, new := s.processesOf(t, prim, " web "), s.processesOf(t, second, " web "); len(old) != 0 || len(new) != 1 {
				t.Errorf("the application runs as %v on %s, which was primary, and as %v on %s, which is", old, prim, new, second)
			}
		})
	}
	t.Run("swap", func(t *testing.T) {
		for _, at := range both { // asked for on either
			prim, second := s.paired(t)
			c.during(t, "swap", planned, second, func() {
				s.do(t, at, "swap", s.module)
				s.roles(t, second, prim, "SECOND", second, "PRIM")
			})
		}
	})
	t.Run("stop", func(t *testing.T) {
		prim, second := s.paired(t)
		c.during(t, "stop", planned, second, func() {
			s.do(t, second, "stop", s.module, "--node", prim)
			s.roles(t, second, prim, "STOP", second, "ALONE")
		})
		c.during(t, "start", 0, second, func() { s.do(t, prim, "start", s.module, "--node", prim) })
	})
	t.Run("end of the daemon", func(t *testing.T) {
		prim, second := s.paired(t)
		c.during(t, "end of the daemon", planned, second, func() {
			s.fault(t, lab.Stop, false, prim)
			s.roles(t, second, second, "ALONE")
			s.gone(t, prim)
		})
		s.fault(t, lab.Heal, false, prim)
		s.roles(t, second, prim, "SECOND", second, "PRIM")
	})
	t.Run("restart", func(t *testing.T) {
		prim, _ := s.paired(t)
		c.during(t, "restart", planned, prim, func() { s.do(t, prim, "restart", s.module, "--node", prim) })
	})
	c.stop(t)
}

// lacks answers which of the phrases a text does not have; empty if it has all.
func lacks(text string, phrases ...string) string {
	for _, phrase := range phrases {
		if !strings.Contains(text, phrase) {
			return fmt.Sprintf("lacks %q:\n%s", phrase, text)
		}
	}
	return ""
}
