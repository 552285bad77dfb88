package accept_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// natCluster is a description in SafeKit's own form: others reach n2 by an address that is
// translated on the way.
const natCluster = `<?xml version="1.0"?>
<cluster>
  <lans port="4800" pulse="100">
    <lan name="default" command="on">
      <node name="n1" addr="10.77.0.1"/>
      <node name="n2" addr="10.77.0.222" laddr="10.77.0.2"/>
    </lan>
  </lans>
</cluster>
`

// nat translates the address of n2: nobody sees 10.77.0.2, and n2 nothing of 10.77.0.222.
const nat = `table ip nat {
  chain from { type nat hook prerouting priority -100; ip daddr 10.77.0.222 dnat to 10.77.0.2; }
  chain to { type nat hook postrouting priority 100; ip saddr 10.77.0.2 ip daddr 10.77.0.1 snat to 10.77.0.222; }
}
table ip hidden {
  chain in { type filter hook prerouting priority -300; ip saddr 10.77.0.1 ip daddr 10.77.0.2 drop; }
}
`

// A cluster is made of a cluster.xml by SafeKit's own command, and its servers hear each other
// through a translation of addresses.
func TestClusterConfigBehindNAT(t *testing.T) {
	s := build(t, "accnat", "pair", func(o *lab.Options) { o.Nodes, o.NoCluster = 2, true })
	file, rules := filepath.Join(s.root, "cluster.xml"), filepath.Join(s.root, "nat.nft")
	for name, text := range map[string]string{file: natCluster, rules: nat} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.must(t, "n2", "nft", "-f", rules)
	s.must(t, "n1", "ip", "route", "add", "10.77.0.222", "via", "10.77.0.2")

	old := func(node string, code int, says string, args ...string) string {
		t.Helper()
		r := s.call(t, node, filepath.Join(s.root, s.name, node, "home", "bin", "safekit"), args...)
		if r.code != code || !strings.Contains(r.text(), says) {
			t.Fatalf("safekit %s on %s ends with code %d, not %d, and %q:\n%s", strings.Join(args, " "), node, r.code, code, says, r.text())
		}
		return r.out
	}
	eventually(t, "both daemons answer", func() string {
		for _, node := range both {
			if r := s.try(t, node, "cluster", "status"); !strings.Contains(r.text(), "belongs to no cluster yet") {
				return r.text()
			}
		}
		return ""
	})
	old("n2", 1, "this server is n2, and a server is let in with a token of a member: this command on n1", "cluster", "config", file)
	told := old("n1", 0, "this node is n1", "cluster", "config", file)
	join := regexp.MustCompile(`(?m)^ +orchestrator (cluster join --token \S+ --name n2 --address default=10\.77\.0\.222 --local default=10\.77\.0\.2 10\.77\.0\.1)$`).FindStringSubmatch(told)
	if join == nil {
		t.Fatalf("n1 does not tell what to type on n2:\n%s", told)
	}
	s.do(t, "n2", strings.Fields(join[1])...)
	s.agreed(t, both...)
	for _, node := range both {
		old(node, 0, "The cluster is as the file describes it.", "cluster", "config", file)
		if text := s.do(t, node, "cluster", "status"); !strings.Contains(text, "10.77.0.222") || strings.Contains(text, "10.77.0.2 ") {
			t.Errorf("%s knows other addresses:\n%s", node, text)
		}
	}
	if out := s.must(t, "n1", "ip", "neigh", "show", "10.77.0.222"); strings.Contains(out, "lladdr") {
		t.Errorf("n1 reaches the translated address without the translation: %s", out)
	}
}
