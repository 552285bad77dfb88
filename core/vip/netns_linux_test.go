package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// pair moves the test's thread into a new network namespace with eth0, whose
// other end is eth0 of a second namespace, a neighbour. Both can send, and have their
// link-local addresses and routes: the kernel makes them some time after the interface was set
// up. The thread ends with the test, and the namespaces with it.
func pair(t *testing.T) (neighbour *netlink.Handle) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread must not be used again
	there, err := netns.New()
	must(t, err)
	t.Cleanup(func() { there.Close() })
	here, err := netns.New() // the thread is in the last one made
	must(t, err)
	t.Cleanup(func() { here.Close() })
	neighbour, err = netlink.NewHandleAt(there)
	must(t, err)
	t.Cleanup(neighbour.Close)

	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(there))}))
	own, err := netlink.NewHandle()
	must(t, err)
	t.Cleanup(own.Close)
	for last, h := range map[int]*netlink.Handle{5: own, 9: neighbour} {
		l, err := h.LinkByName("eth0")
		must(t, err)
		for _, a := range []string{fmt.Sprintf("10.78.0.%d/24", last), fmt.Sprintf("fd78::%d/64", last)} {
			addr, err := netlink.ParseAddr(a)
			must(t, err)
			if addr.IP.To4() == nil {
				addr.Flags = unix.IFA_F_NODAD
			}
			must(t, h.AddrAdd(l, addr))
		}
		must(t, h.LinkSetUp(l))
	}
	carrier(t, own)
	carrier(t, neighbour)
	return neighbour
}

// carrier waits until eth0 can send.
func carrier(t *testing.T, h *netlink.Handle) {
	t.Helper()
	if !within(waitLink, func() bool {
		l, err := h.LinkByName("eth0")
		must(t, err)
		list, err := h.AddrList(l, netlink.FAMILY_V6)
		must(t, err)
		return l.Attrs().OperState == netlink.OperUp && slices.ContainsFunc(list, func(a netlink.Addr) bool { return a.IP.IsLinkLocalUnicast() })
	}) {
		t.Fatal("eth0 does not come up")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// arpAnnounceNow reads eth0's setting.
func arpAnnounceNow(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/conf/eth0/arp_announce")
	must(t, err)
	return strings.TrimSpace(string(b))
}

// addresses lists eth0's addresses with their flags.
func addresses(t *testing.T) map[string]netlink.Addr {
	t.Helper()
	l, err := netlink.LinkByName("eth0")
	must(t, err)
	list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	must(t, err)
	found := map[string]netlink.Addr{}
	for _, a := range list {
		found[a.IPNet.String()] = a
	}
	return found
}

func TestAddAndRemove(t *testing.T) {
	pair(t)
	must(t, os.WriteFile("/proc/sys/net/ipv4/conf/eth0/arp_announce", []byte("1"), 0o644))
	four, second, six := netip.MustParseAddr("10.78.0.100"), netip.MustParseAddr("10.78.0.101"), netip.MustParseAddr("fd78::100")
	eth0, err := Find(four, "")
	must(t, err)
	if eth0.Name != "eth0" || eth0.RealAddr.String() != "10.78.0.5" || eth0.Prefix.String() != "10.78.0.0/24" || len(eth0.MAC) != 6 {
		t.Errorf("found %+v", eth0)
	}
	h := NewHolder()
	for range 2 { // the second time changes nothing
		for _, a := range []netip.Addr{four, second, six} {
			must(t, h.Add(eth0, a, false))
		}
	}
	now := addresses(t)
	for _, want := range []string{"10.78.0.100/32", "10.78.0.101/32", "fd78::100/128"} {
		a, ok := now[want]
		if !ok || a.Flags&unix.IFA_F_NOPREFIXROUTE == 0 || a.Flags&unix.IFA_F_TENTATIVE != 0 {
			t.Errorf("%s: there %v, flags %#x", want, ok, a.Flags)
		}
	}
	if v6 := now["fd78::100/128"]; v6.Flags&unix.IFA_F_DEPRECATED == 0 {
		t.Errorf("the IPv6 address is not deprecated: %#x", v6.Flags)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	must(t, err)
	for _, r := range routes {
		if r.Dst != nil && now[r.Dst.String()].IPNet != nil {
			t.Errorf("a route of its own: %s", r)
		}
	}
	if got := arpAnnounceNow(t); got != "2" {
		t.Errorf("arp_announce is %s", got)
	}
	if again, err := Find(four, ""); err != nil || again.Name != "eth0" || again.RealAddr != eth0.RealAddr {
		t.Errorf("found again %+v, %v", again, err)
	}

	must(t, h.Remove(eth0, four))
	must(t, h.Remove(eth0, four))
	if got := arpAnnounceNow(t); got != "2" {
		t.Errorf("arp_announce is %s while another address is held", got)
	}
	must(t, h.Remove(eth0, second))
	if got := arpAnnounceNow(t); got != "1" {
		t.Errorf("arp_announce is %s instead of 1 as before", got)
	}
	must(t, NewHolder().Remove(eth0, six))  // another run of the program cleans up
	if now := addresses(t); len(now) != 3 { // the node's own and a link-local one
		t.Errorf("left: %v", now)
	}
}

func TestOwnAddressIsNotTouched(t *testing.T) {
	pair(t)
	own := netip.MustParseAddr("10.78.0.5")
	if _, err := Find(own, ""); err == nil || !strings.Contains(err.Error(), "own address on eth0") {
		t.Errorf("find: %v", err)
	}
	eth0, err := Find(netip.MustParseAddr("10.78.0.100"), "")
	must(t, err)
	h := NewHolder()
	if err := h.Add(eth0, own, false); err == nil || !strings.Contains(err.Error(), "10.78.0.5/24") {
		t.Errorf("add: %v", err)
	}
	if err := h.Remove(eth0, own); err == nil {
		t.Error("removed the node's own address")
	}
	if _, ok := addresses(t)["10.78.0.5/24"]; !ok {
		t.Error("the node's own address is gone")
	}
	gone := Interface{Name: "eth7", Index: 777}
	if err := h.Add(gone, own, false); err == nil {
		t.Error("added to a missing interface")
	}
	if err := h.Remove(gone, own); err != nil {
		t.Errorf("remove from a missing interface: %v", err)
	}
}

// TestAnnounceMovesTheNeighbour: a neighbour that has another node's MAC address for
// the virtual address takes the announced one, though no frame comes from it.
func TestAnnounceMovesTheNeighbour(t *testing.T) {
	neighbour := pair(t)
	eth0, err := Find(netip.MustParseAddr("10.78.0.100"), "")
	must(t, err)
	l, err := neighbour.LinkByName("eth0")
	must(t, err)
	for _, addr := range []netip.Addr{netip.MustParseAddr("10.78.0.100"), netip.MustParseAddr("fd78::100")} {
		must(t, neighbour.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_REACHABLE,
			IP: addr.AsSlice(), HardwareAddr: net.HardwareAddr{2, 9, 9, 9, 9, 9}}))
		virtual := net.HardwareAddr{0x5a, 0xfe, 10, 78, 0, 100}
		to := Target{Index: eth0.Index, Addr: addr, MAC: virtual, Source: eth0.MAC}
		// Sent on this thread: another one is not in the namespace. The first
		// may be lost while the link comes up.
		if !within(waitLink, func() bool {
			must(t, Announce(to))
			return neighbourMAC(t, neighbour, l, addr) == virtual.String()
		}) {
			t.Errorf("the neighbour of %s still has %s", addr, neighbourMAC(t, neighbour, l, addr))
		}
	}
	must(t, netlink.LinkSetDown(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: eth0.Index}}))
	err = Announce(Target{Index: eth0.Index, Addr: netip.MustParseAddr("10.78.0.100"), MAC: eth0.MAC})
	if !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("announced on an interface that is down: %v", err)
	}
}

// neighbourMAC is what the neighbour has for addr.
func neighbourMAC(t *testing.T, h *netlink.Handle, l netlink.Link, addr netip.Addr) string {
	t.Helper()
	list, err := h.NeighList(l.Attrs().Index, 0)
	must(t, err)
	for _, n := range list {
		if n.IP.Equal(addr.AsSlice()) {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// waitLink is more than a virtual cable takes to come up on a busy machine.
const waitLink = 20 * time.Second

// within polls for a condition.
func within(d time.Duration, ok func() bool) bool {
	deadline := time.After(d)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			return false
		}
	}
	return true
}
