package accept_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// askedChecks are in the place of web_farm's own.
const askedChecks = `<check>
      <ping ident="client" when="pre"><to addr="10.77.0.200" interval="500ms" timeout="1s"/></ping>
      <intf ident="lan"><to local_addr="10.77.0.0"/></intf>
      <ip ident="%VIRTUAL_IP%" when="both" action="noaction"><to addr="%VIRTUAL_IP%"/></ip>
      <custom ident="own" when="both" exec="own.sh" arg="a b" interval="1s"/>
      <custom ident="old" when="both" exec="old.sh" arg="b"/>
      <custom ident="lua" when="both" exec="checks/asks.lua" arg="%PORT%" interval="1s"/>
      <sql ident="db" when="both" action="noaction"><to driver="postgres" port="1" user="monitor" interval="500ms"/></sql>
      <http ident="web" when="both"><to url="http://127.0.0.1:%PORT%/health" body="^OK" interval="500ms" timeout="1s"/></http>
    </check>`

const ownCheck = `#!/bin/sh
echo "down $SAFEMODULE $*"
exec sleep 600
`

// oldCheck is one in SafeKit's own form.
const oldCheck = `#!/bin/sh
while :; do
  $SAFE/safekit set -r $2 -v down -i checker$3
  sleep 2
done
`

// luaCheck runs in the checkers' process.
const luaCheck = `return function(check)
  local answer = http { url = "http://127.0.0.1:" .. check.args[1] .. "/health" }
  return false, check.resource .. " of " .. check.module .. ": " .. answer.status
end
`

// A farm whose application is asked over HTTP and whose network is asked by ping: a
// server that hangs is restarted, and nothing runs where the network is gone.
func TestChecks(t *testing.T) {
	s := build(t, "accchecks", "checked")
	f := shipped(t)
	before, after, _ := strings.Cut(string(f[userconfig]), "<check>")
	_, after, _ = strings.Cut(after, "</check>")
	f[userconfig] = before + askedChecks + after
	f["bin/own.sh"], f["bin/old.sh"], f["bin/checks/asks.lua"] = ownCheck, oldCheck, luaCheck
	if err := os.WriteFile(filepath.Join(s.root, "checked.safe"), f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", filepath.Join(s.root, "checked.safe"), "--set", "VIRTUAL_IP="+vip)
	s.do(t, "n1", "start", s.module)
	s.whole(t, everybody...)
	t.Run("resources", func(t *testing.T) {
		s.resources(t, map[string]string{
			"ping.client": "up ", "intf.lan": "up ", "http.web": "up ", "ip." + vip: "up ",
			"ip." + vip + ".vip": "", // what it says is another test's
			"custom.own":         "down checked checked custom.own a b", "custom.old": "down said by checkerb", "custom.lua": "down custom.lua of checked: 200",
		})
	})
	t.Run("plugin of its own", func(t *testing.T) {
		s.resources(t, map[string]string{"sql.db": "unknown plugin checker/sql does not start: there is no orchestrator-checker-sql in "})
		s.installPlugin(t, "orchestrator-checker-sql")
		s.resources(t, map[string]string{"sql.db": "down ask postgres at 127.0.0.1:1: connection refused"})
	})
	t.Run("server hangs", func(t *testing.T) {
		old := s.processesOf(t, "n2", "web --listen")
		if len(old) != 1 {
			t.Fatalf("the server is %v", old)
		}
		if err := syscall.Kill(old[0], syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server is another", func() string {
			now := s.processesOf(t, "n2", "web --listen")
			if len(now) != 1 || slices.Equal(now, old) {
				return fmt.Sprint(now)
			}
			return ""
		})
		if log := s.do(t, "n2", "log", s.module); !strings.Contains(log, "http.web") || !strings.Contains(log, "/health: no answer within 1s") {
			t.Errorf("the journal does not tell why:\n%s", log)
		}
		s.whole(t, everybody...)
	})
	t.Run("network gone", func(t *testing.T) {
		s.fault(t, lab.Cut, false, lab.Client)
		s.resources(t, map[string]string{"ping.client": "down ping 10.77.0.200: "})
		eventually(t, "all wait", func() string {
			for _, n := range s.status(t, "n1", s.module) {
				if n.State != "WAIT" || !strings.Contains(n.Reason, "ping.client") {
					return fmt.Sprintf("%+v", n)
				}
			}
			return ""
		})
		s.fault(t, lab.Heal, false, lab.Client)
		s.whole(t, everybody...)
	})
}

// installPlugin builds a program of its own and copies it to where nodes look for it.
func (s *stage) installPlugin(t *testing.T, name string) {
	t.Helper()
	built := filepath.Join(s.root, name)
	build := exec.Command("go", "build", "-o", built, "github.com/orchestrator-ha/orchestrator/cmd/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	for _, n := range s.Status().Nodes {
		if err := os.Link(built, filepath.Join(n.Home, "plugins", name)); err != nil {
			t.Fatal(err)
		}
	}
}

// resources waits until on all nodes resources have these values, and reasons that
// begin so.
func (s *stage) resources(t *testing.T, want map[string]string) {
	t.Helper()
	eventually(t, "resources", func() string {
		all := s.status(t, "n1", s.module)
		for _, node := range everybody {
			got := map[string]string{}
			for _, r := range all[node].Resources {
				got[r.Name] = r.Value + " " + r.Reason
			}
			for name, begins := range want {
				if has, ok := got[name]; !ok || !strings.HasPrefix(has, begins) {
					return fmt.Sprintf("%s on %s is %q, want %q", name, node, got[name], begins)
				}
			}
		}
		return ""
	})
}
