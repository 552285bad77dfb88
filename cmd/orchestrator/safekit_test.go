package main

import (
	"os"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

const oldPageFile = "../../docs/safekit.md"

// docs/safekit.md is made from the table.
func TestOldPage(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(oldPageFile, []byte(oldPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(oldPageFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != oldPage() {
		t.Errorf("%s does not tell of the table as it is: UPDATE=1 go test ./cmd/orchestrator", oldPageFile)
	}
}

// Every command does something or says why not, its arguments can be read, and the
// commands that are to be typed instead exist.
func TestOldTable(t *testing.T) {
	root := newRoot(&app{env: env{lookup: func(string) (string, bool) { return "", false }}})
	seen := map[string]bool{}
	for _, o := range oldCommands {
		if seen[o.words] || o.words == "" || o.run == nil || o.now == "" && o.note == "" {
			t.Errorf("%q is there twice, or neither done nor explained", o.words)
		}
		seen[o.words] = true
		for _, p := range o.options() {
			if p.flag == "" && p.value == "" || strings.ContainsAny(p.flag+p.value, "[]…") {
				t.Errorf("%s: its argument %+v is written in a way that cannot be read", o.words, p)
			}
		}
		for _, now := range strings.FieldsFunc(o.now, func(r rune) bool { return r == ';' || r == '>' }) {
			words := strings.Fields(now)
			if words[0] != "orchestrator" {
				continue
			}
			c, _, err := root.Find(words[1:])
			if err != nil || c == root || c.HasAvailableSubCommands() {
				t.Errorf("%s: there is no command %q", o.words, now)
			}
		}
	}
}

func TestOptionsOfOldCommands(t *testing.T) {
	got := old{args: "[-m AM] [-v|-lq] on|off [-name=NAME] TEXT…"}.options()
	want := []option{
		{flag: "-m", value: "AM"}, {flag: "-v"}, {flag: "-lq"}, {value: "on|off", must: true}, {flag: "-name", value: "NAME"}, {value: "TEXT", must: true, many: true},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("argument %d is %+v, not %+v", i, got[i], want[i])
		}
	}
}

func TestCalledAs(t *testing.T) {
	for path, want := range map[string]string{"/opt/safekit/safekit": "safekit", "safekit.exe": "safekit", "/x/bin/boundcmd": "boundcmd", "orchestrator": "", "/usr/bin/safekit-old": ""} {
		if got := calledAs(path); got != want {
			t.Errorf("%s is called as %q", path, got)
		}
	}
}

// What SafeKit keeps as resources is told also where it is something else here.
func TestOwnResources(t *testing.T) {
	n := control.ModuleNode{Node: "n1", State: core.Prim, Shares: map[string]float64{"Farm_Proto": 0.4965}, Muted: []string{control.WatchChecks}, Boot: "off", Connections: 7}
	m := control.ModuleStatus{Addresses: []string{"192.0.2.10"}, Nodes: []control.ModuleNode{n, {Node: "n2", Reachable: true, State: core.Second}}}
	for name, want := range map[string]string{
		"state.local": "PRIM", "state.remote": "SECOND", "usersetting.checker": "off", "usersetting.errd": "on", "usersetting.boot": "off",
		"usersetting.encryption": "on", "Farm_Proto_0": "50%", "connections.192.0.2.10": "7",
		"Farm_Proto": "", "Farm_Proto_x": "", "other_0": "", "tcp.web": "", "state.other": "", "usersetting.other": "", "rfs.uptodate": "", "usersetting.failover": "",
	} {
		if got, ok := ownResource(m, n, name); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %t; want %q", name, got, ok, want)
		}
	}
	n.Pair = &control.Pair{UpToDate: true}
	for name, want := range map[string]string{"rfs.uptodate": "up", "rfs.degraded": "down", "usersetting.failover": "off", "rfs.other": ""} {
		if got, ok := ownResource(m, n, name); got != want || ok != (want != "") {
			t.Errorf("%s of a mirror is %q, %t; want %q", name, got, ok, want)
		}
	}
	m.Nodes[1].Reachable = false
	if got, _ := ownResource(m, n, "state.remote"); got != "UNKNOWN" {
		t.Errorf("the state of a server that does not answer is %q", got)
	}
}
