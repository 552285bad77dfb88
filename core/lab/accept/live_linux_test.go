package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/load"
)

const (
	vip2 = "10.77.0.101"

	liveConfig = `<safe>
  <service mode="farm" maxloop="3">
    <farm/>
    <vip>
      <interface_list>
        <interface><virtual_interface type="vmac_directed">
          <virtual_addr addr="` + vip + `"/>
        </virtual_interface></interface>
      </interface_list>
      <loadbalancing_list>
        <group name="web"><rule port="80" proto="tcp" filter="on_port"/></group>
      </loadbalancing_list>
    </vip>
    <user><var name="COLOUR" value="red"/></user>
    <check>
      <tcp ident="web" when="both"><to addr="127.0.0.1" port="80" interval="200ms"/></tcp>
    </check>
    <failover handle_time="300ms"><![CDATA[ side: if (custom.side == down) then noaction(); ]]></failover>
  </service>
</safe>
`
	liveStart = `#!/bin/sh
for port in 80 81; do
  "$SAFE/orchestrator" web --listen ":$port" --node-name "$SAFENODE" >/dev/null 2>&1 &
  echo $! > "$SAFEVAR/live.$port.pid"
done
for i in 1 2 3 4 5 6 7 8 9 10; do
  curl -s -o /dev/null "http://127.0.0.1:80/" && curl -s -o /dev/null "http://127.0.0.1:81/" && exit 0
  sleep 1
done
exit 1
`
	liveStop = `#!/bin/sh
for port in 80 81; do
  kill $(cat "$SAFEVAR/live.$port.pid") 2>/dev/null
  rm -f "$SAFEVAR/live.$port.pid"
done
exit 0
`
	liveUpdate = `#!/bin/sh
echo "the colour is $COLOUR"
`
)

// A farm at work gets other addresses, rules, groups, powers, checks, hooks, variables
// and failover rules, and what it had before again: no request fails, no connection
// breaks, the application goes on.
func TestLiveChange(t *testing.T) {
	s := build(t, "acclive", "live")
	f := files{userconfig: liveConfig, "bin/start_both": strings.ReplaceAll(liveStart, "$SAFENODE", "$(hostname 2>/dev/null || echo node)"), "bin/stop_both": liveStop, "bin/update": liveUpdate}
	archive := filepath.Join(s.root, "live.safe")
	if err := os.WriteFile(archive, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", archive)
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	c := s.clientOf(t, vip, load.Config{Rate: 100, Connections: 60})
	running := map[string][]int{}
	for _, n := range everybody {
		running[n] = s.processesOf(t, n, " web --listen ")
	}
	steps := []struct {
		name   string
		change func(t *testing.T)
		shows  func() string // "" when it is in force everywhere
	}{
		{"address", func(t *testing.T) {
			s.reconfigure(t, `<virtual_addr addr="`+vip+`"/>`, `<virtual_addr addr="`+vip+`"/><virtual_addr addr="`+vip2+`"/>`)
		}, s.serves(t, vip2, 80)},
		{"group and rule", func(t *testing.T) {
			s.reconfigure(t, `</loadbalancing_list>`, `<group name="side"><cluster><host name="n3" power="0"/></cluster><rule port="81" proto="tcp" filter="on_addr"/></group></loadbalancing_list>`)
		}, s.serves(t, vip, 81)},
		{"powers", func(t *testing.T) {
			s.reconfigure(t, `<group name="web">`, `<group name="web"><cluster><host name="n2" power="3"/></cluster>`)
		}, s.serves(t, vip, 80)},
		{"filter", func(t *testing.T) { s.reconfigure(t, `filter="on_port"`, `filter="on_addr"`) }, func() string {
			if n := s.burst(t, vip, 80).New; n.Failed > 0 || len(n.Nodes) != 1 {
				return "a client by its address meets " + describe(n)
			}
			return ""
		}},
		{"slow start", func(t *testing.T) { s.slowly(t, "n2") }, func() string {
			n, steps := s.status(t, "n1", s.module)["n2"], strings.Count(s.do(t, "n1", "log", s.module, "--type", "share"), "n2 takes more of its share")
			if n.Share < 0.4 || steps < 3 { // of the group side, which two share
				return fmt.Sprintf("%d steps, %+v", steps, n)
			}
			return ""
		}},
		{"another name of a group", func(t *testing.T) { s.reconfigure(t, `group name="web"`, `group name="www"`) }, s.serves(t, vip, 80)},
		{"check, hook, variable, rules", func(t *testing.T) {
			s.edit(t, "bin/update", liveUpdate, liveUpdate+"echo and the script is new\n")
			s.edit(t, userconfig, `value="red"`, `value="blue"`)
			s.edit(t, userconfig, `<to addr="127.0.0.1" port="80" interval="200ms"/></tcp>`, `<to addr="127.0.0.1" port="81" interval="200ms"/></tcp><tcp ident="more" when="both"><to addr="127.0.0.1" port="80"/></tcp>`)
			s.reconfigure(t, `then noaction()`, `then restart()`)
		}, func() string {
			for name, n := range s.status(t, "n1", s.module) {
				for _, want := range []string{"tcp.web", "tcp.more"} {
					if !slices.ContainsFunc(n.Resources, func(r struct{ Name, Value, Reason string }) bool { return r.Name == want && r.Value == "up" }) {
						return fmt.Sprintf("%s on %s: %+v", want, name, n.Resources)
					}
				}
				log := s.do(t, name, "log", s.module, "--type", "output", "--grep", "update")
				if !strings.Contains(log, "the colour is blue") || !strings.Contains(log, "and the script is new") {
					return fmt.Sprintf("the hook update on %s: %s", name, log)
				}
			}
			return ""
		}},
		{"set back", func(t *testing.T) { s.do(t, "n2", "config", "rollback", s.module, "7") }, func() string {
			if n := s.burst(t, vip2, 80).New; n.OK > 0 {
				return describe(n)
			}
			return ""
		}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			from, _ := c.now()
			step.change(t)
			eventually(t, step.name+" is in force", step.shows)
			_, to := c.watch(t, 2*time.Second)
			c.flawless(t, step.name, from, to)
			for _, n := range everybody {
				if now := s.processesOf(t, n, " web --listen "); !slices.Equal(now, running[n]) {
					t.Errorf("the application on %s was %v and is %v", n, running[n], now)
				}
			}
		})
	}
	t.Run("what needs a stop", func(t *testing.T) { s.needsStop(t) })
	c.stop(t)
}

// needsStop: it is told before, refused, and done where it is allowed: on one node after
// the other, or on all at once.
func (s *stage) needsStop(t *testing.T) {
	s.edit(t, "bin/stop_both", liveStop, liveStop+"\n")
	path := s.edited("bin/start_prim")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out := s.do(t, "n1", "config", "diff", s.module); !strings.Contains(out, "hook start_prim") || !strings.Contains(out, "one after the other") {
		t.Errorf("the diff says\n%s", out)
	}
	if r := s.try(t, "n1", "config", "apply", s.module); r.code == 0 || !strings.Contains(r.text(), "--stopstart") {
		t.Errorf("applied: %d %s", r.code, r.text())
	}
	s.do(t, "n1", "config", "apply", s.module, "--stopstart")
	s.whole(t, everybody...)
	s.edit(t, userconfig, `<farm/>`, `<farm lease="keep"/>`)
	if out := s.do(t, "n1", "config", "apply", s.module, "--dry-run"); !strings.Contains(out, "all together") {
		t.Errorf("the dry run says\n%s", out)
	}
	s.do(t, "n1", "config", "apply", s.module, "--stopstart")
	s.whole(t, everybody...)
	eventually(t, "all is answered afterwards", s.serves(t, vip, 80)) // the hook does not wait for its server
	s.kept(t, "n2")
}

// kept: with lease="keep" a node whose daemon is halted serves on, and nobody notices.
func (s *stage) kept(t *testing.T, node string) {
	t.Helper()
	c := s.clientOf(t, vip, load.Config{Rate: 100, Connections: 60})
	s.fault(t, lab.Pause, false, node)
	from, _ := c.watch(t, time.Second)
	for name, n := range s.status(t, "n1", s.module) {
		if name != node && n.Share > 0.4 {
			t.Errorf("%s took over from %s, whose daemon is only halted: %+v", name, node, n)
		}
	}
	s.fault(t, lab.Resume, false, node)
	_, to := c.watch(t, 2*time.Second)
	c.flawless(t, "a halted daemon that keeps its share", from, to)
	c.stop(t)
}

// slowly has a node come back that takes its share in steps.
func (s *stage) slowly(t *testing.T, node string) {
	t.Helper()
	s.reconfigure(t, `<farm/>`, `<farm slow_start="1500ms"/>`)
	s.do(t, "n1", "drain", s.module, "--node", node)
	s.do(t, "n1", "undrain", s.module, "--node", node)
}

// serves says whether all requests to a port of an address are answered.
func (s *stage) serves(t *testing.T, address string, port uint16) func() string {
	return func() string {
		if n := s.burst(t, address, port).New; n.Failed > 0 || n.OK == 0 {
			return describe(n)
		}
		return ""
	}
}

// edited is a file of the copy on n1 that may be edited.
func (s *stage) edited(file string) string {
	return filepath.Join(s.root, s.name, "n1", "home", "modules", s.module, filepath.FromSlash(file))
}

// edit changes one without applying it.
func (s *stage) edit(t *testing.T, file, old, text string) {
	t.Helper()
	raw, err := os.ReadFile(s.edited(file))
	if err != nil || !strings.Contains(string(raw), old) {
		t.Fatalf("no %q in %s: %v", old, file, err)
	}
	if err := os.WriteFile(s.edited(file), []byte(strings.Replace(string(raw), old, text, 1)), 0o755); err != nil {
		t.Fatal(err)
	}
}
