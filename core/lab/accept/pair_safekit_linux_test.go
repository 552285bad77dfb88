package accept_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// safekitMirror is a mirror in SafeKit's own form: hooks of the shell that call
// $SAFE/safekit and fail with exit 1, the forced call of a stop hook, and old things
// beside in the archive. Nothing in it was written for this program.
func safekitMirror() files {
	f := shellModule()
	for name := range f {
		if strings.HasPrefix(name, "bin/") {
			delete(f, name)
		}
	}
	f[userconfig] = `<!DOCTYPE safe>
<safe>
  <macro name="VIRTUAL_IP" value="` + vip + `"/>
  <service mode="mirror" defaultprim="alone" maxloop="3" loop_interval="24" failover="on">
    <heart pulse="200" timeout="1000" permanent_arp="off"><heartbeat name="default" ident="flow"/></heart>
    <vip>
      <interface_list>
        <interface check="on" arpreroute="on">
          <real_interface><virtual_addr addr="%VIRTUAL_IP%" where="one_side" check="off"/></real_interface>
        </interface>
      </interface_list>
    </vip>
    <user nicestoptimeout="20" forcestoptimeout="20" logging="userlog"><var name="PORT" value="80"/></user>
    <errd polltimer="10"><proc name="orchestrator" argregex="web --listen :80 --node-name safekit" atleast="1" action="restart" class="prim"/></errd>
    <failover handle_time="0s"><![CDATA[ sick: if (custom.sick == down) then swap(); ]]></failover>
  </service>
</safe>
`
	f["bin/prestart"] = `#!/bin/sh
$SAFE/safekit printi "prestart $*"
$SAFEUSERBIN/stop_prim force STOP WAIT start
exit 0
`
	f["bin/start_prim"] = `#!/bin/sh
$SAFE/safekit printi "start_prim $*"
if [ -e "$SAFEVAR/broken" ]; then
  $SAFE/safekit printe "the database is not there"
  exit 1
fi
$SAFEBIN/orchestrator web --listen ":$PORT" --node-name safekit >/dev/null 2>&1 &
echo $! > "$SAFEVAR/$SAFEMODULE.pid"
exit 0
`
	f["bin/stop_prim"] = `#!/bin/sh
signal=15
[ "$1" = force ] && signal=9
$SAFE/safekit printi "stop_prim $*"
[ -f "$SAFEVAR/$SAFEMODULE.pid" ] || exit 0
kill -$signal $(cat "$SAFEVAR/$SAFEMODULE.pid")
rm -f "$SAFEVAR/$SAFEMODULE.pid"
exit 0
`
	f["bin/transition"] = `#!/bin/sh
$SAFE/safekit printi "transition $*"
`
	f["bin/config"] = `#!/bin/sh
$SAFE/safekit printi "config $*"
`
	f["bin/state"] = `#!/bin/sh
echo "$SAFEMODULE is well"
`
	f["bin/poststop"] = `#!/bin/sh
$SAFE/safekit printi "poststop $*"
`
	return f
}

// A mirror in SafeKit's own form is installed, started, fails over, swaps and stops, by
// SafeKit's own commands.
func TestSafekitMirror(t *testing.T) {
	s := build(t, "accsafemirr", "legacy", func(o *lab.Options) { o.Nodes = 2 })
	homes := map[string]string{}
	for _, n := range s.Status().Nodes {
		homes[n.Name] = n.Home
	}
	old := func(node string, code int, args ...string) string {
		t.Helper()
		r := s.call(t, node, filepath.Join(homes[node], "bin", "safekit"), append(args, "-m", s.module)...)
		if r.code != code {
			t.Fatalf("safekit %s on %s ends with code %d, not %d:\n%s", strings.Join(args, " "), node, r.code, code, r.text())
		}
		return r.text()
	}
	archive := filepath.Join(s.root, "legacy.safe")
	if err := os.WriteFile(archive, safekitMirror().zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	old("n1", 0, "module", "install", archive)

	old("n1", 0, "prim")
	old("n1", 0, "waitstate", "ALONE")
	old("n2", 0, "second")
	old("n2", 0, "waitstate", "SECOND")
	old("n1", 0, "waitstate", "PRIM")
	old("n1", 3, "state", "-lq")
	old("n2", 4, "state", "-lq")

	for node, want := range map[string]string{"n1": vip, "n2": lab.NodeAddress(2).String()} {
		if got := s.comesFrom(t, node); got != want {
			t.Errorf("what %s sends comes from %s, not from %s", node, got, want)
		}
	}
	if out := old("n1", 0, "state", "-v"); !strings.Contains(out, s.module+" is well") {
		t.Errorf("the module does not tell of its state: %s", out)
	}

	t.Log("somebody holds the secondary back")
	old("n2", 0, "wait")
	old("n1", 0, "waitstate", "ALONE")
	old("n2", 1, "state", "-lq")
	old("n2", 0, "wakeup")
	old("n2", 0, "waitstate", "SECOND")
	old("n1", 0, "waitstate", "PRIM")

	t.Log("the primary's machine dies")
	s.fault(t, lab.Kill, true, "n1")
	old("n2", 0, "waitstate", "ALONE")
	old("n2", 2, "state", "-lq")
	s.fault(t, lab.Heal, false, "n1")
	old("n1", 0, "waitstate", "SECOND")

	t.Log("the application cannot start where the role is to go: it comes back")
	broken := filepath.Join(homes["n1"], "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old("n2", 0, "waitstate", "PRIM")
	old("n1", 0, "swap")
	eventually(t, "n1 tried and gave up", func() string {
		return lacks(s.do(t, "n1", "log", s.module, "--lines", "100"), "the database is not there", "start_prim failed: bin/start_prim ended with code 1")
	})
	old("n2", 0, "waitstate", "PRIM")
	old("n1", 0, "waitstate", "SECOND")
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}

	t.Log("swap, and a process that dies")
	old("n2", 0, "swap")
	old("n1", 0, "waitstate", "PRIM")
	old("n2", 0, "waitstate", "SECOND")
	pids := s.processesOf(t, "n1", " web ")
	if len(pids) != 1 || len(s.processesOf(t, "n2", " web ")) > 0 {
		t.Fatalf("the application is %v on n1, %v on n2", pids, s.processesOf(t, "n2", " web "))
	}
	s.must(t, "n1", "kill", "-9", strconv.Itoa(pids[0]))
	eventually(t, "the application is restarted", func() string {
		if now := s.processesOf(t, "n1", " web "); len(now) != 1 || now[0] == pids[0] {
			return "not yet"
		}
		return ""
	})

	t.Log("a rule that asks for a swap")
	old("n1", 0, "waitstate", "PRIM")
	old("n1", 0, "resetloop")
	old("n1", 0, "set", "-r", "custom.sick", "-v", "down", "-i", "probe")
	old("n2", 0, "waitstate", "PRIM")
	old("n1", 0, "waitstate", "SECOND")
	if out := old("n1", 0, "checkloop"); !strings.HasPrefix(out, "1 of 3") {
		t.Errorf("a swap by a rule is counted: %s", out)
	}
	old("n1", 0, "set", "-r", "custom.sick", "-v", "up", "-i", "probe")
	old("n2", 0, "swap")
	old("n1", 0, "waitstate", "PRIM")
	old("n2", 0, "waitstate", "SECOND")

	t.Log("failover off, then stop")
	old("n1", 0, "failover", "off")
	old("n1", 0, "waitstop")
	s.roles(t, "n2", "n2", "WAIT")
	old("n2", 0, "failover", "on")
	old("n2", 0, "waitstop")
	for _, node := range both {
		if pids := s.processesOf(t, node, " web "); len(pids) > 0 || s.holds(t, node) > 0 {
			t.Errorf("%s still runs %v, or has the address, after the stop", node, pids)
		}
		if why := lacks(old(node, 0, "log", "-s", "1000"), "config STOP STOP update", "prestart STOP WAIT start", "stop_prim force", "poststop WAIT STOP", "transition WAIT SECOND"); why != "" {
			t.Errorf("the log of %s %s", node, why)
		}
	}
	s.bare(t, homes)
	old("n1", 0, "module", "uninstall")
}

// bare runs the application of the stopped module on n2 by the scripts that are made for that.
func (s *stage) bare(t *testing.T, homes map[string]string) {
	t.Helper()
	t.Log("the application without the module")
	script := func(verb string) string {
		return filepath.Join(homes["n2"], "bin", "private", "modules", s.module, "bin", s.module+"_"+verb+"_wrapper.sh")
	}
	s.must(t, "n2", script("start"))
	if pids := s.processesOf(t, "n2", " web "); len(pids) != 1 || s.holds(t, "n2") != 1 {
		t.Errorf("n2 runs %v and has %d addresses", pids, s.holds(t, "n2"))
	}
	s.roles(t, "n2", "n2", "STOP")
	eventually(t, "a client is served", func() string {
		if r := s.run(t, lab.Client, "curl", "-s", "-m", "2", "http://"+vip+"/"); r.code != 0 {
			return r.text()
		}
		return ""
	})
	if r := s.run(t, "n1", filepath.Join(homes["n1"], "bin", "orchestrator"), "bare", "start", s.module); r.code == 0 {
		t.Errorf("n1 takes an address that n2 has: %s", r.text())
	}
	s.must(t, "n2", script("stop"))
	if pids := s.processesOf(t, "n2", " web "); len(pids) != 0 || s.holds(t, "n2") != 0 {
		t.Errorf("n2 still runs %v, or has %d addresses", pids, s.holds(t, "n2"))
	}
}

// comesFrom is the address that the client sees where a node connects to it.
func (s *stage) comesFrom(t *testing.T, node string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var server sync.WaitGroup
	server.Go(func() { // ends with ctx
		_ = lab.Exec(ctx, s.root, s.name, lab.Client, []string{tool(t, "socat"), "TCP-LISTEN:8099,reuseaddr,fork", "SYSTEM:echo $SOCAT_PEERADDR"}, lab.Stdio{})
	})
	defer server.Wait()
	defer cancel()
	from := ""
	eventually(t, node+" reaches the client", func() string {
		r := s.run(t, node, "socat", "-u", "TCP:10.77.0.200:8099,connect-timeout=1", "-")
		if from = strings.TrimSpace(r.out); from == "" {
			return r.text()
		}
		return ""
	})
	return from
}
