package daemon

import (
	"net/netip"
	"strings"
	"testing"
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
