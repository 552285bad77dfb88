package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const ruledConfig = `<safe>
  <service mode="light">
    <user/>
    <check>
      <tcp ident="web" when="both"><to addr="127.0.0.1" port="80" interval="200ms"/></tcp>
      <tcp ident="side" when="both" action="noaction"><to addr="127.0.0.1" port="81" interval="200ms"/></tcp>
    </check>
    <failover handle_time="500ms"><![CDATA[
      lonely: if (tcp.side == down && tcp.web == up && cluster() == up) then stop();
    ]]></failover>
  </service>
</safe>
`

const ruledStart = `for _, port in ipairs { "80", "81" } do
  application("process", "web" .. port):start {
    command = { ctx.program, "web", "--listen", ":" .. port, "--node-name", ctx.node }, ready_tcp = "127.0.0.1:" .. port, timeout = "15s",
  }
end
`

const ruledStop = `for _, port in ipairs { "80", "81" } do
  application("process", "web" .. port):stop { force = ctx.force, timeout = "10s" }
end
`

// A failover rule of a module's own acts when its condition has been true for long
// enough, and says so.
func TestFailoverRule(t *testing.T) {
	s := build(t, "accrule", "ruled")
	f := files{userconfig: ruledConfig, "bin/start_both.lua": ruledStart, "bin/stop_both.lua": ruledStop}
	archive := filepath.Join(s.root, "ruled.safe")
	if err := os.WriteFile(archive, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", archive)
	s.do(t, "n1", "start", s.module, "--node", "n2")
	eventually(t, "the rule was looked at", func() string {
		n := s.status(t, "n1", s.module)["n2"]
		for _, r := range n.Resources {
			if n.State == "UP" && r.Name == "rule.lonely" && r.Value == "up" {
				return ""
			}
		}
		return fmt.Sprintf("%+v", n)
	})
	pids := s.processesOf(t, "n2", "--listen :81 ")
	if len(pids) != 1 {
		t.Fatalf("the server beside is %v", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rule stops the module", func() string {
		if n := s.status(t, "n1", s.module)["n2"]; n.State != "STOP" || !strings.Contains(n.Reason, "rule lonely held") {
			return fmt.Sprintf("%+v", n)
		}
		return ""
	})
}
