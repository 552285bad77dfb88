package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// shellModule is a module as SafeKit's are: hooks are programs and shell scripts,
// and old things lie beside them in the archive. The hooks get their variables,
// arguments and places by the environment.
func shellModule() files {
	return files{
		userconfig: `<!DOCTYPE safe>
<safe>
  <macro name="VIRTUAL_IP" value="` + vip + `"/>
  <macro name="START" value="0"/>
  <macro name="SCRIPTS" value="off"/>
  <macro name="OPEN" value="off"/>
  <service mode="farm" boot="ignore" maxloop="3" loop_interval="24">
    <farm pulse="200" mlost_count="80" slost_count="40"><lan name="default"/></farm>
    <vip scriptcontrol="%SCRIPTS%">
      <interface_list>
        <interface check="off" arpreroute="on" arpinterval="60" arpelapse="10">
          <virtual_interface type="vmac_directed"><virtual_addr addr="%VIRTUAL_IP%" where="alias" check="off"/></virtual_interface>
        </interface>
      </interface_list>
      <loadbalancing_list>
        <group name="FarmProto">
          <rule port="80" proto="tcp" filter="on_port"/>
          <rule port="*" proto="arp" filter="on_addr"/>
        </group>
      </loadbalancing_list>
    </vip>
    <user nicestoptimeout="20" forcestoptimeout="20" logging="userlog"><var name="PORT" value="80"/><var name="START" value="%START%"/><var name="OPEN" value="%OPEN%"/></user>
    <check><tcp ident="web" when="both" action="restart"><to addr="127.0.0.1" port="80" interval="10" timeout="5"/></tcp></check>
  </service>
</safe>
`,
		"conf/userconfig.xml.template": "old", "conf/modulekey.p12": "key", "conf/modulekey.dat": "key",
		"manifest.xml": "<application_module/>", "web/index.html": "old", "web/index.html.en": "old",
		"bin/prestart": `#!/bin/sh
"$SAFEUSERBIN/stop_both.sh" force STOP WAIT start
`,
		"bin/start_both": `#!/bin/sh
[ "$START" = 0 ] || { echo "the database is not there" >&2; exit "$START"; }
echo "$SAFEMODULE $*"
"$SAFE/` + filepath.Base(program) + `" web --listen ":$PORT" --node-name shell >/dev/null 2>&1 &
echo $! > "$SAFEVAR/$SAFEMODULE.pid"
for i in 1 2 3 4 5 6 7 8 9 10; do
  if curl -s -o /dev/null "http://127.0.0.1:$PORT/"; then
    [ "$OPEN" = off ] || "$SAFE/safekit" -r saferpc_send vipd SETGROUPS all -m "$SAFEMODULE"
    exit
  fi
  sleep 1
done
echo "the server does not answer" >&2
exit 1
`,
		"bin/stop_both.sh": `pid=$(cat "$SAFEVAR/$SAFEMODULE.pid" 2>/dev/null) || exit 0
kill "$pid" 2>/dev/null
rm -f "$SAFEVAR/$SAFEMODULE.pid"
exit 0
`,
	}
}

// A module in SafeKit's own form is installed, with a note for each thing that
// means nothing here, started by its shell scripts, serves, and stops.
func TestShellModule(t *testing.T) {
	s := build(t, "accshell", "shell")
	archive := filepath.Join(s.root, "shell.safe")
	if err := os.WriteFile(archive, shellModule().zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	installed := s.try(t, "n1", "module", "install", archive)
	for _, beside := range []string{"manifest.xml", "web has no effect", "userconfig.xml.template", "modulekey.p12", "modulekey.dat", `attribute "mlost_count"`} {
		if installed.code != 0 || !strings.Contains(installed.text(), beside) {
			t.Errorf("code %d, nothing is said of %s:\n%s", installed.code, beside, installed.text())
		}
	}
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	if out := s.must(t, lab.Client, "curl", "-s", "http://"+vip+"/"); !strings.Contains(out, "shell") {
		t.Errorf("the farm answers %q", out)
	}
	output, err := filepath.Glob(filepath.Join(s.Status().Nodes[0].Home, "output", s.module, "*_start_both.log"))
	if err != nil || len(output) == 0 {
		t.Fatalf("no output of start_both is kept: %v", err)
	}
	if text, err := os.ReadFile(output[0]); err != nil || !strings.Contains(string(text), "shell WAIT UP start") {
		t.Errorf("start_both got other arguments than its module and WAIT UP start: %s %v", text, err)
	}
	s.do(t, "n1", "stop", s.module)
	for _, node := range everybody {
		if pids := s.processesOf(t, node, " web "); len(pids) > 0 {
			t.Errorf("%s still runs %v after the stop", node, pids)
		}
	}
	s.scripted(t, archive)
	s.do(t, "n1", "module", "install", archive, "--set", "START=7")
	if r := s.try(t, "n1", "start", s.module); r.code == 0 || !strings.Contains(r.text(), "bin/start_both ended with code 7: the database is not there") {
		t.Errorf("a start that fails ends with code %d:\n%s", r.code, r.text())
	}
}

// scripted: with scriptcontrol the traffic comes where a script says so, and when.
func (s *stage) scripted(t *testing.T, archive string) {
	t.Helper()
	groups := func(code int, node, which string) {
		t.Helper()
		at := slices.IndexFunc(s.Status().Nodes, func(n lab.NodeStatus) bool { return n.Name == node })
		if r := s.call(t, node, filepath.Join(s.Status().Nodes[at].Home, "bin", "safekit"), "-r", "saferpc_send", "vipd", "SETGROUPS", which, "-m", s.module); r.code != code {
			t.Fatalf("SETGROUPS %s on %s ends with code %d:\n%s", which, node, r.code, r.text())
		}
	}
	s.do(t, "n1", "module", "install", archive, "--set", "SCRIPTS=on")
	s.do(t, "n1", "start", s.module)
	for node, n := range s.status(t, "n1", s.module) {
		if n.State != "UP" || n.Share != 0 || !n.Drained {
			t.Errorf("no script has opened the traffic: %s is %+v", node, n)
		}
	}
	if n := s.burst(t, vip, 80).New; n.OK > 0 {
		t.Errorf("no script has opened the traffic, and clients are answered: %s", describe(n))
	}
	groups(0, "n2", "all")
	groups(0, "n3", "all")
	s.whole(t, "n2", "n3")
	eventually(t, "all are answered where a script has opened the traffic", s.serves(t, vip, 80))
	groups(0, "n2", "none")
	s.whole(t, "n3")
	groups(1, "n3", "none") // nobody else takes connections
	s.whole(t, "n3")
	eventually(t, "all are answered where no script has closed the traffic", s.serves(t, vip, 80))
	s.do(t, "n1", "stop", s.module)
	s.do(t, "n1", "module", "install", archive, "--set", "SCRIPTS=on", "--set", "OPEN=on")
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	s.do(t, "n1", "stop", s.module)
}

// A light module runs on the one node on which it was started, and is restarted
// there when it fails.
func TestLightModule(t *testing.T) {
	s := build(t, "acclight", "light")
	f := files{
		userconfig: `<safe>
  <service mode="light">
    <user/>
    <check><tcp ident="web" when="both"><to addr="127.0.0.1" port="80" interval="200ms"/></tcp></check>
  </service>
</safe>
`,
		"bin/start_both.lua": `application("process", "web"):start {
  command = { ctx.program, "web", "--listen", ":80", "--node-name", ctx.node }, ready_tcp = "127.0.0.1:80", timeout = "15s",
}
`,
		"bin/stop_both.lua": `application("process", "web"):stop { force = ctx.force, timeout = "10s" }` + "\n",
	}
	archive := filepath.Join(s.root, "light.safe")
	if err := os.WriteFile(archive, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", archive)
	s.do(t, "n1", "start", s.module, "--node", "n2")
	up := func(other int) string {
		all, pids := s.status(t, "n1", s.module), s.processesOf(t, "n2", " web ")
		if n := all["n2"]; n.State != "UP" || n.Phase != "Ready" || len(pids) != 1 || pids[0] == other || all["n1"].State != "STOP" || all["n3"].State != "STOP" {
			return fmt.Sprintf("%+v, processes %v", all, pids)
		}
		return ""
	}
	eventually(t, "the module is up on n2 alone", func() string { return up(0) })
	old := s.processesOf(t, "n2", " web ")[0]
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it was restarted", func() string { return up(old) })
	if out := s.do(t, "n1", "restart", s.module); !strings.Contains(out, "on 1 of 3 nodes") || strings.Count(out, "skipped") != 2 {
		t.Errorf("a restart wherever it is started: %s", out)
	}
	s.do(t, "n1", "stop", s.module)
	if r := s.try(t, "n1", "restart", s.module); r.code != 1 {
		t.Errorf("a restart of what is started nowhere ends with code %d: %s", r.code, r.text())
	}
}
