package vip

import (
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// comesFrom is the address that a connection of this node has.
func comesFrom(t *testing.T, network, to string) string {
	t.Helper()
	c, err := net.Dial(network, to) // a datagram socket sends nothing, but has its route
	must(t, err)
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().String()
}

func iproute(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// Connections come from the virtual address while that is asked for, but not to other
// nodes; whatever happens to it, the node's own routes stay.
func TestSources(t *testing.T) {
	pair(t)
	iproute(t, "route add default via 10.78.0.9")
	iproute(t, "-6 route add default via fd78::9")
	four, six := netip.MustParseAddr("10.78.0.100"), netip.MustParseAddr("fd78::100")
	eth0, err := Find(four, "")
	must(t, err)
	h := NewHolder()
	must(t, h.Add(eth0, four, false))
	must(t, h.Add(eth0, six, false))
	sources := []Source{{eth0.Index, four}, {eth0.Index, six}}
	keep := []netip.Addr{netip.MustParseAddr("10.78.0.7"), netip.MustParseAddr("fd78::7")}
	look := func(when string, on bool) {
		t.Helper()
		for _, c := range []struct{ network, to, own, virtual string }{
			{"udp4", "10.78.0.9:53", "10.78.0.5", "10.78.0.100"},
			{"udp4", "192.0.2.1:53", "10.78.0.5", "10.78.0.100"},
			{"udp4", "10.78.0.7:53", "10.78.0.5", "10.78.0.5"},
			{"udp6", "[fd78::9]:53", "fd78::5", "fd78::100"},
			{"udp6", "[2001:db8::1]:53", "fd78::5", "fd78::100"},
			{"udp6", "[fd78::7]:53", "fd78::5", "fd78::5"},
		} {
			want := c.own
			if on {
				want = c.virtual
			}
			if got := comesFrom(t, c.network, c.to); got != want {
				t.Errorf("%s: to %s from %s, want %s", when, c.to, got, want)
			}
		}
		if got := iproute(t, "route get 192.0.2.1 ipproto tcp"); strings.Contains(got, "10.78.0.100") != on {
			t.Errorf("%s: TCP goes by %s", when, got)
		}
		if got := iproute(t, "route get 192.0.2.1 ipproto icmp"); strings.Contains(got, "10.78.0.100") {
			t.Errorf("%s: an echo request goes by %s", when, got)
		}
	}
	before := iproute(t, "route show") + iproute(t, "-6 route show")
	look("at first", false)
	for range 2 { // the second time changes nothing
		must(t, h.SetSources("db", sources, keep))
		look("asked for", true)
	}

	// Somebody takes the addresses away, and the next look sees it.
	must(t, h.Remove(eth0, four))
	must(t, h.Remove(eth0, six))
	must(t, h.SetSources("db", sources, keep))
	look("without the addresses", false)
	must(t, h.Add(eth0, four, false))
	must(t, h.Add(eth0, six, false))
	must(t, h.SetSources("db", sources, keep))
	look("put back", true)

	// Another default route is followed, and a better one by another interface.
	iproute(t, "route replace default via 10.78.0.8")
	must(t, h.SetSources("db", sources, keep))
	if got := iproute(t, "route get 192.0.2.1 ipproto tcp"); !strings.Contains(got, "via 10.78.0.8") || !strings.Contains(got, "10.78.0.100") {
		t.Errorf("after another default route: %s", got)
	}
	iproute(t, "route replace default via 10.78.0.9")

	must(t, h.SetSources("db", nil, keep))
	look("not any more", false)
	if now := iproute(t, "route show") + iproute(t, "-6 route show"); now != before {
		t.Errorf("the node's own routes were\n%s\nand are\n%s", before, now)
	}
	nothingLeft(t)

	must(t, h.SetSources("db", sources, keep))
	must(t, ForgetSources()) // by another run of the program
	look("forgotten", false)
	nothingLeft(t)
}

func nothingLeft(t *testing.T) {
	t.Helper()
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: sourceTable}, netlink.RT_FILTER_TABLE)
		must(t, err)
		rules, err := netlink.RuleListFiltered(family, &netlink.Rule{Table: sourceTable}, netlink.RT_FILTER_TABLE)
		must(t, err)
		if len(routes)+len(rules) > 0 {
			t.Errorf("left: %v, %v", routes, rules)
		}
	}
}
