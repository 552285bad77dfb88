package vip

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var (
	vip4 = netip.MustParseAddr("10.78.0.100")
	vip6 = netip.MustParseAddr("fd78::100")
)

// ip runs the administrator's tool, for what others do to our addresses.
func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// holding sets both virtual addresses on eth0.
func holding(t *testing.T, invisible bool) (*Holder, Interface) {
	t.Helper()
	eth0, err := Find(vip4, "")
	must(t, err)
	h := NewHolder()
	for _, a := range []netip.Addr{vip4, vip6} {
		must(t, h.Add(eth0, a, invisible))
	}
	return h, eth0
}

func look(t *testing.T, h *Holder, on Interface) Look {
	t.Helper()
	l, err := h.Look(on, []netip.Addr{vip4, vip6})
	must(t, err)
	return l
}

// TestLookSeesWhatOthersDo goes through what an administrator, NetworkManager or
// the kernel itself does to an interface, and puts it back.
func TestLookSeesWhatOthersDo(t *testing.T) {
	neighbour := pair(t)
	h, eth0 := holding(t, false)
	for _, c := range []struct {
		name    string
		do      func()
		missing []netip.Addr
		unset   []string
	}{
		{"nothing", func() {}, nil, nil},
		{"one taken off", func() { ip(t, "addr", "del", "10.78.0.100/32", "dev", "eth0") }, []netip.Addr{vip4}, nil},
		{"flushed", func() { ip(t, "addr", "flush", "dev", "eth0") }, []netip.Addr{vip4, vip6}, nil},
		{"down and up", func() { ip(t, "link", "set", "eth0", "down"); ip(t, "link", "set", "eth0", "up") }, []netip.Addr{vip6}, nil},
		{"arp_announce", func() { must(t, setARPAnnounce(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}}, "0")) }, nil, []string{"arp_announce=2"}},
	} {
		c.do()
		l := look(t, h, eth0)
		if !slices.Equal(l.Missing, c.missing) || !slices.Equal(l.Unset, c.unset) || l.Gone || l.Down || l.Name != "eth0" || l.MAC.String() != eth0.MAC.String() {
			t.Errorf("%s: %+v", c.name, l)
		}
		for _, a := range []netip.Addr{vip4, vip6} {
			must(t, h.Add(eth0, a, false))
		}
		if l := look(t, h, eth0); len(l.Missing)+len(l.Unset) > 0 {
			t.Errorf("%s: not put back: %+v", c.name, l)
		}
		if a := addresses(t)["fd78::100/128"]; a.Flags&unix.IFA_F_TENTATIVE != 0 || a.Flags&unix.IFA_F_DEPRECATED == 0 || a.Flags&unix.IFA_F_NOPREFIXROUTE == 0 {
			t.Errorf("%s: flags %#x", c.name, a.Flags)
		}
	}
	carrier(t, &netlink.Handle{})
	if l := look(t, h, eth0); l.Dark {
		t.Errorf("with a carrier: %+v", l)
	}
	other, err := neighbour.LinkByName("eth0")
	must(t, err)
	must(t, neighbour.LinkSetDown(other))
	if !within(waitLink, func() bool { l := look(t, h, eth0); return l.Dark && !l.Down }) {
		t.Errorf("the other end of the cable is off: %+v", look(t, h, eth0))
	}
	ip(t, "addr", "add", "10.78.0.6/24", "dev", "eth0")
	if l := look(t, h, eth0); len(l.Own) != 2 || l.Own[0] != netip.MustParsePrefix("10.78.0.6/24") || !l.Own[1].Addr().IsLinkLocalUnicast() {
		t.Errorf("its own addresses: %v", l.Own)
	}
	ip(t, "link", "set", "eth0", "down")
	if l := look(t, h, eth0); !l.Down || l.Dark {
		t.Errorf("down: %+v", l)
	}
	ip(t, "link", "set", "eth0", "name", "lan0")
	if l := look(t, h, eth0); l.Name != "lan0" {
		t.Errorf("renamed: %+v", l)
	}
	ip(t, "link", "del", "lan0")
	if l := look(t, h, eth0); !l.Gone {
		t.Errorf("deleted: %+v", l)
	}
	for _, a := range []netip.Addr{vip4, vip6} {
		must(t, h.Remove(eth0, a))
	}
}

func TestAddressLeftOnARenamedInterface(t *testing.T) {
	pair(t)
	_, _ = holding(t, false)
	ip(t, "link", "set", "eth0", "down")
	ip(t, "link", "set", "eth0", "name", "lan0")
	ip(t, "link", "set", "lan0", "up")
	next := NewHolder()
	for _, a := range []netip.Addr{vip4, vip6} {
		must(t, next.RemoveEverywhere(a))
	}
	l, err := netlink.LinkByName("lan0")
	must(t, err)
	for _, a := range []netip.Addr{vip4, vip6} {
		if there, err := held(l, a); err != nil || there {
			t.Errorf("%s is left: %v", a, err)
		}
	}
	must(t, next.RemoveEverywhere(netip.MustParseAddr("10.78.0.5"))) // its own: not touched
	if there, err := held(l, netip.MustParseAddr("10.78.0.5")); there || err == nil {
		t.Errorf("the node's own address: %v, %v", there, err)
	}
}

// promiscuous tells whether somebody has set the mode, and how many want it.
func promiscuous(t *testing.T) (set bool, count int) {
	t.Helper()
	l, err := netlink.LinkByName("eth0")
	must(t, err)
	return l.Attrs().RawFlags&unix.IFF_PROMISC != 0, l.Attrs().Promisc
}

func TestInvisibleAddressesNeedPromiscuousMode(t *testing.T) {
	pair(t)
	for _, before := range []bool{false, true} {
		if before {
			ip(t, "link", "set", "eth0", "promisc", "on")
		}
		h, eth0 := holding(t, true)
		must(t, h.Add(eth0, netip.MustParseAddr("10.78.0.101"), false))
		if set, n := promiscuous(t); !set || n != 1 {
			t.Errorf("set %t by %d", set, n)
		}
		ip(t, "link", "set", "eth0", "promisc", "off")
		if l := look(t, h, eth0); !slices.Equal(l.Unset, []string{"promiscuous mode"}) {
			t.Errorf("switched off: %+v", l)
		}
		must(t, h.Add(eth0, vip4, true))
		must(t, h.Remove(eth0, vip4))
		if set, _ := promiscuous(t); !set {
			t.Error("put back while another address is held")
		}
		must(t, h.Remove(eth0, vip6))
		if set, _ := promiscuous(t); set != before {
			t.Errorf("%t instead of %t as before", set, before)
		}
		must(t, h.Remove(eth0, netip.MustParseAddr("10.78.0.101")))
	}
}

// TestSettingsOfAnEarlierRun: a daemon that was killed leaves settings behind; the
// next one knows from its note what was before.
func TestSettingsOfAnEarlierRun(t *testing.T) {
	pair(t)
	eth0, err := Find(vip4, "")
	must(t, err)
	first := NewHolder()
	before, err := first.Before(eth0)
	must(t, err)
	must(t, first.Add(eth0, vip4, true))
	if again, err := first.Before(eth0); err != nil || again != before {
		t.Errorf("%+v instead of %+v, %v", again, before, err)
	}
	must(t, first.Restore("eth0", before))
	if set, _ := promiscuous(t); !set || arpAnnounceNow(t) != "2" {
		t.Error("restored while an address is held")
	}
	next := NewHolder()
	must(t, next.RemoveEverywhere(vip4))
	must(t, next.Restore("eth0", before))
	if set, _ := promiscuous(t); set || arpAnnounceNow(t) != "0" {
		t.Errorf("promiscuous %t, arp_announce %s", set, arpAnnounceNow(t))
	}
	must(t, next.Restore("eth9", before))
}

// TestFindByRoute: a node that knows its network from a router only.
func TestFindByRoute(t *testing.T) {
	pair(t)
	ip(t, "-6", "addr", "flush", "dev", "eth0", "scope", "global")
	if _, err := Find(vip6, ""); err == nil || !strings.Contains(err.Error(), "in none of this node's networks") {
		t.Errorf("without a network: %v", err)
	}
	ip(t, "-6", "route", "add", "fd78::/64", "dev", "eth0")
	ip(t, "-6", "route", "add", "fd79::/64", "via", "fe80::9", "dev", "eth0")
	eth0, err := Find(vip6, "")
	must(t, err)
	if eth0.Name != "eth0" || eth0.Prefix.String() != "fd78::/64" || !eth0.RealAddr.IsLinkLocalUnicast() {
		t.Errorf("found %+v", eth0)
	}
	must(t, NewHolder().Add(eth0, vip6, false))
	if again, err := Find(vip6, "eth0"); err != nil || again.Index != eth0.Index {
		t.Errorf("while it is held: %+v, %v", again, err)
	}
	if _, err := Find(netip.MustParseAddr("fd79::100"), ""); err == nil || !strings.Contains(err.Error(), "fd78::/64 on eth0") || strings.Contains(err.Error(), "fd79::/64") {
		t.Errorf("behind a gateway: %v", err)
	}
}

func TestIPv6SwitchedOff(t *testing.T) {
	pair(t)
	eth0, err := Find(vip4, "")
	must(t, err)
	must(t, exec.Command("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6").Run())
	if err := NewHolder().Add(eth0, vip6, true); err == nil || !strings.Contains(err.Error(), "disable_ipv6=0") {
		t.Errorf("added: %v", err)
	}
	if set, _ := promiscuous(t); set {
		t.Error("promiscuous mode is left")
	}
}

// TestWatch sees links and addresses come and go, and ends.
func TestWatch(t *testing.T) {
	pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan struct{}, 1000), make(chan struct{})
	// Subscribed here: another thread is not in the namespace.
	w, err := subscribe()
	must(t, err)
	go func() {
		defer close(ended)
		if err := w.run(ctx, func() { changes <- struct{}{} }); !errors.Is(err, context.Canceled) {
			t.Errorf("ended: %v", err)
		}
		w.close()
	}()
	<-changes // what was before
	for _, args := range [][]string{
		{"addr", "add", "10.78.0.77/32", "dev", "eth0"}, {"-6", "addr", "add", "fd78::77/128", "dev", "eth0"},
		{"addr", "del", "10.78.0.77/32", "dev", "eth0"}, {"link", "set", "eth0", "down"}, {"link", "set", "eth0", "up"},
		{"link", "set", "eth0", "address", "02:00:00:00:00:77"}, {"link", "del", "eth0"},
	} {
		for len(changes) > 0 {
			<-changes
		}
		ip(t, args...)
		<-changes
	}
	cancel()
	<-ended
}
