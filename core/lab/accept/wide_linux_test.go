package accept_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// A farm with all kinds of traffic: by TCP and UDP, both families, several rules
// and groups. The web server answers datagrams, too.
const wideConfig = `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE safe>
<safe>
  <macro name="MODE" value="vmac_directed"/>
  <service mode="farm">
    <farm><lan name="default"/></farm>
    <vip>
      <interface_list>
        <interface>
          <virtual_interface type="%MODE%">
            <virtual_addr addr="10.77.0.100" where="alias"/>
            <virtual_addr addr="fd77::100" where="alias"/>
          </virtual_interface>
        </interface>
      </interface_list>
      <loadbalancing_list>
        <group name="even">
          <rule port="80" proto="tcp" filter="on_port"/>
          <rule port="80" proto="udp" filter="on_port"/>
          <rule virtual_addr="10.77.0.100" port="81" proto="udp" filter="on_ipid"/>
          <rule virtual_addr="fd77::100" port="81" proto="udp" filter="on_port"/>
          <rule port="53" proto="tcp" filter="on_port"/>
          <rule port="53" proto="udp" filter="on_port"/>
          <rule port="5201" proto="tcp" filter="on_addr"/>
          <rule port="5201" proto="udp" filter="on_addr"/>
          <rule proto="arp" filter="on_addr"/>
        </group>
        <group name="uneven">
          <cluster>
            <host name="n1" power="3"/>
            <host name="n2" power="1"/>
            <host name="n3" power="0"/>
          </cluster>
          <rule port="81" proto="tcp" filter="on_port"/>
        </group>
      </loadbalancing_list>
    </vip>
    <user nicestoptimeout="60s" forcestoptimeout="30s" starttimeout="60s"/>
    <check>
      <tcp ident="web" when="both" action="restart">
        <to addr="127.0.0.1" port="80" interval="500ms" timeout="1s"/>
      </tcp>
    </check>
  </service>
</safe>
`

const wideStart = `for _, port in ipairs { "80", "81" } do
  application("process", "web" .. port):start {
    command = { ctx.program, "web", "--udp", "--listen", ":" .. port, "--node-name", ctx.node },
    ready_tcp = "127.0.0.1:" .. port, stop_timeout = "5s", timeout = "15s",
  }
end
application("process", "dns"):start {
  command = { %q, "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file", "--no-resolv", "--no-hosts",
    "--port=53", "--txt-record=who.farm," .. ctx.node },
  ready_tcp = "127.0.0.1:53", timeout = "15s",
}
`

const wideStop = `for _, name in ipairs { "web80", "web81", "dns" } do
  application("process", name):stop { force = ctx.force, timeout = "20s" }
end
`

// wide is a lab with that farm, in one of the two modes, and a router with a client
// behind it.
func wide(t *testing.T, name, mode string, change ...func(*lab.Options)) *stage {
	t.Helper()
	s := build(t, name, "wide", append(change, func(o *lab.Options) { o.WithRouter = true })...)
	f := files{userconfig: wideConfig, "bin/start_both.lua": fmt.Sprintf(wideStart, tool(t, "dnsmasq")), "bin/stop_both.lua": wideStop}
	archive := filepath.Join(s.root, "wide.safe")
	if err := os.WriteFile(archive, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", archive, "--set", "MODE="+mode)
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	return s
}

// tool finds a program that the tests need.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is needed: make deps installs it", name)
	return ""
}

// run runs any program on a member of the lab.
func (s *stage) run(t *testing.T, member string, argv ...string) result {
	t.Helper()
	argv[0] = tool(t, argv[0])
	var out, problem bytes.Buffer
	err := lab.Exec(t.Context(), s.root, s.name, member, argv, lab.Stdio{Out: &out, Err: &problem})
	r := result{out: out.String(), err: problem.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("%s on %s: %v", strings.Join(argv, " "), member, err)
	}
	return r
}

// must runs a program that is to succeed.
func (s *stage) must(t *testing.T, member string, argv ...string) string {
	t.Helper()
	r := s.run(t, member, argv...)
	if r.code != 0 {
		t.Fatalf("%s on %s: exit code %d\n%s", strings.Join(argv, " "), member, r.code, r.text())
	}
	return r.out
}

// spread says that several nodes answered, all of them known ones.
func spread(t *testing.T, what string, answers []string) {
	t.Helper()
	count := map[string]int{}
	for _, a := range answers {
		count[a]++
	}
	known := count["n1"] + count["n2"] + count["n3"]
	if known != len(answers) || len(count) < 2 {
		t.Errorf("%s: answered by %v", what, count)
	}
}

// quickly is for programs whose time-out counts in seconds: what a farm answers at
// once it answers before that.
const quickly = "3"

// family is what differs between the two.
type family struct {
	name, flag, address, url string
}

var families = []family{
	{"ipv4", "-4", vip, "http://" + vip},
	{"ipv6", "-6", vip6, "http://[" + vip6 + "]"},
}
