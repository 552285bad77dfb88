package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// A mirror with a witness, which is the client: of two nodes that do not hear each other
// the one that reaches it goes on, whoever was primary; if nobody does, both wait.
func TestWitness(t *testing.T) {
	s := build(t, "accwitness", "pair", func(o *lab.Options) { o.Nodes = 2 })
	f := mirrorModule()
	f[userconfig] = strings.Replace(mirrorConfig, "<check>", `<check>
      <splitbrain ident="witness" arg="10.77.0.200"><witness ident="nobody" addr="10.77.0.201" port="1"/></splitbrain>`, 1)
	archive := filepath.Join(s.root, "pair.safe")
	if err := os.WriteFile(archive, f.zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(t, "n1", "module", "install", archive)
	s.do(t, "n1", "start", s.module)
	for _, one := range []struct {
		name                string
		primary             bool // is with the witness
		nobody              bool
		wantPrim, wantOther string
	}{
		{"primary cut off", false, false, "WAIT", "ALONE"},
		{"secondary cut off", true, false, "ALONE", "WAIT"},
		{"all apart", false, true, "WAIT", "WAIT"},
	} {
		t.Run(one.name, func(t *testing.T) {
			prim, second := s.paired(t)
			groups := [][]string{{prim}, {second, lab.Client}}
			if one.primary {
				groups = [][]string{{prim, lab.Client}, {second}}
			}
			if one.nobody {
				groups = [][]string{{prim}, {second}, {lab.Client}}
			}
			if err := s.Do(t.Context(), lab.Fault{Verb: lab.Partition, Groups: groups}); err != nil {
				t.Fatal(err)
			}
			for node, want := range map[string]string{prim: one.wantPrim, second: one.wantOther} {
				s.roles(t, node, node, want)
				s.witnessed(t, node, want)
			}
			s.fault(t, lab.Heal, false)
			s.paired(t)
		})
	}
}

// witnessed looks at what a node that does not hear the other says of its witnesses.
func (s *stage) witnessed(t *testing.T, node, state string) {
	t.Helper()
	eventually(t, node+" tells of its witnesses", func() string {
		n := s.status(t, node, s.module)[node]
		all := map[string]string{}
		for _, r := range n.Resources {
			all[r.Name] = r.Value
		}
		want := map[string]string{"splitbrain.nobody": "down", "splitbrain.10.77.0.200": "up", "splitbrain.uptodate": "up"}
		if state == "WAIT" {
			want["splitbrain.10.77.0.200"], want["splitbrain.uptodate"] = "down", "down"
			if !strings.Contains(n.Reason, "no witness is reached from here") {
				return "it waits because " + n.Reason
			}
		}
		for name, value := range want {
			if all[name] != value {
				return fmt.Sprintf("%s is %q, want %q", name, all[name], value)
			}
		}
		return ""
	})
}
