package daemon

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// Of a name with an address of each kind that of IPv4 is meant, and several of a kind
// are refused.
func TestTheOneAddressOfAName(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:db8::1 192.0.2.1 2001:db8::2", "192.0.2.1"},
		{"::ffff:192.0.2.1 192.0.2.1", "192.0.2.1"},
		{"192.0.2.1 192.0.2.2", "www has 2 addresses: [192.0.2.1 192.0.2.2]"},
		{"", "www has 0 addresses: []"},
	} {
		var list []netip.Addr
		for _, a := range strings.Fields(c.list) {
			list = append(list, netip.MustParseAddr(a))
		}
		got := ""
		if a, err := theOne("www", list); err != nil {
			got = err.Error()
		} else {
			got = a.String()
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.list, got, c.want)
		}
	}
}

// Nodes take what was found where the configuration was applied, and look up nothing.
func TestKnownHosts(t *testing.T) {
	h := hosts{}
	find := h.find(t.Context())
	if a, err := find("localhost"); err != nil || !a.IsLoopback() {
		t.Fatalf("localhost is %v, %v", a, err)
	}
	if a, err := h.known("localhost"); err != nil || !a.IsLoopback() {
		t.Errorf("what was found is not known: %v, %v", a, err)
	}
	if _, err := h.known("localhost.localdomain"); err == nil {
		t.Error("a name was looked up")
	}
}

// What was found belongs to the configuration: it is there when the module is loaded
// again, and on a node that could not look it up.
func TestHostsOfAConfiguration(t *testing.T) {
	d, _ := alone(t)
	files := appliedModule()
	named := func(host string) []byte {
		files["conf/userconfig.xml"] = strings.Replace(appliedConfig, "<check>", `<check><ip ident="own" when="both"><to addr="`+host+`"/></ip>`, 1)
		return packModule(t, files, "said")
	}
	if _, err := d.Install(t.Context(), "root", control.InstallRequest{Name: "app", Archive: named("localhost")}); err != nil {
		t.Fatal(err)
	}
	address := func(module string) string {
		t.Helper()
		mod, err := d.module(module)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range mod.config().Checkers {
			if c.Class == "ip" {
				return fmt.Sprint(c.Settings["addr"])
			}
		}
		return ""
	}
	if a := address("app"); a != "127.0.0.1" {
		t.Errorf("installed with %s", a)
	}
	d.member.stopModules(time.Minute) // as the daemon does at its end
	d.member.closing = false
	d.member.loadAll()
	if a := address("app"); a != "127.0.0.1" {
		t.Errorf("loaded again with %s", a)
	}
	meta := `{"hosts":{"db.example.org":"192.0.2.7"}}`
	if _, err := d.member.catalog.Put(moduleItem("other"), named("db.example.org"), []byte(meta), "another node"); err != nil {
		t.Fatal(err)
	}
	if err := d.member.load("other"); err != nil {
		t.Fatal(err)
	}
	if a := address("other"); a != "192.0.2.7" {
		t.Errorf("another node's is loaded with %s", a)
	}
	if _, err := d.member.catalog.Put(moduleItem("third"), named("db.example.org"), []byte(`{}`), "another node"); err != nil {
		t.Fatal(err)
	}
	if err := d.member.load("third"); err == nil || !strings.Contains(err.Error(), "db.example.org was not looked up when the configuration was applied") {
		t.Errorf("without what was found: %v", err)
	}
}
