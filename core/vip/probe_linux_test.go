package vip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// claims asks who has addrs until so many say so: for a new IPv6 address a kernel answers a moment
// after it has it.
func claims(t *testing.T, on Interface, want int, addrs ...netip.Addr) (found []Claim) {
	t.Helper()
	within(waitLink, func() bool {
		var err error
		found, err = Probe(t.Context(), on, addrs, 1)
		must(t, err)
		return len(found) >= want
	})
	return found
}

// TestProbe: the kernel of a neighbour that has the address answers, one that has it
// not keeps silent, and neither notes who asked.
func TestProbe(t *testing.T) {
	neighbour := pair(t)
	l, err := neighbour.LinkByName("eth0")
	must(t, err)
	for _, addr := range []netip.Addr{vip4, vip6} {
		eth0, err := Find(addr, "")
		must(t, err)
		if found, err := Probe(t.Context(), eth0, []netip.Addr{addr}, 3); err != nil || len(found) != 0 {
			t.Errorf("%s is free: %v, %v", addr, found, err)
		}
		theirs := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}}
		if addr.Is6() {
			theirs.Flags = unix.IFA_F_NODAD
		}
		must(t, neighbour.AddrAdd(l, theirs))
		if found := claims(t, eth0, 1, addr); len(found) != 1 || found[0].MAC.String() != l.Attrs().HardwareAddr.String() {
			t.Errorf("%s is in use: %v", addr, found)
		}
		must(t, NewHolder().Add(eth0, addr, false)) // this node's own claim does not count
		if found := claims(t, eth0, 1, addr); len(found) != 1 {
			t.Errorf("%s is in use beside this node: %v", addr, found)
		}
		if mac := neighbourMAC(t, neighbour, l, addr); mac != "" {
			t.Errorf("the neighbour noted %s for %s", mac, addr)
		}
	}
	eth0, err := Find(vip4, "")
	must(t, err)
	found := claims(t, eth0, 2, vip4, netip.MustParseAddr("10.78.0.101"), vip6)
	if len(found) != 2 || !slices.ContainsFunc(found, func(c Claim) bool { return c.Addr == vip4 }) || !slices.ContainsFunc(found, func(c Claim) bool { return c.Addr == vip6 }) {
		t.Errorf("of three, two are in use: %v", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx, eth0, []netip.Addr{vip4}, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	ip(t, "link", "set", "eth0", "down")
	if _, err := Probe(t.Context(), eth0, []netip.Addr{vip4}, 3); !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("down: %v", err)
	}
}

func TestNeighbours(t *testing.T) {
	pair(t)
	eth0, err := Find(vip4, "")
	must(t, err)
	for _, a := range []string{"10.78.0.7", "10.78.0.8", "fd78::7"} {
		must(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: eth0.Index, State: netlink.NUD_PERMANENT,
			IP: net.ParseIP(a), HardwareAddr: net.HardwareAddr{2, 7, 7, 7, 7, 7}}))
	}
	macs, err := Neighbours(eth0.Index, []netip.Addr{netip.MustParseAddr("10.78.0.7"), netip.MustParseAddr("fd78::7"), netip.MustParseAddr("10.78.0.9")})
	if err != nil || len(macs) != 2 || macs[0].String() != "02:07:07:07:07:07" {
		t.Errorf("%v, %v", macs, err)
	}
}

// TestAskAgain: a neighbour that did not answer is asked for with the next packet, not when
// the kernel would ask again, which here is in a minute.
func TestAskAgain(t *testing.T) {
	neighbour := pair(t)
	l, err := neighbour.LinkByName("eth0")
	must(t, err)
	for _, family := range []string{"ipv4", "ipv6"} {
		must(t, os.WriteFile("/proc/sys/net/"+family+"/neigh/eth0/retrans_time_ms", []byte("60000"), 0o644))
	}
	// A new IPv6 address joins its multicast group a moment after it is there, and a question
	// of before that is lost: the group is joined already, by an address with the same end.
	same := netip.MustParseAddr("fd78::1:0:77")
	must(t, neighbour.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: same.AsSlice(), Mask: net.CIDRMask(128, 128)}, Flags: unix.IFA_F_NODAD}))
	on, err := Find(same, "")
	must(t, err)
	if len(claims(t, on, 1, same)) != 1 {
		t.Fatal("the neighbour does not answer")
	}
	for _, text := range []string{"10.78.0.77", "fd78::77"} {
		addr := netip.MustParseAddr(text)
		eth0, err := Find(addr, "")
		must(t, err)
		conn, err := net.Dial("udp", net.JoinHostPort(text, "9"))
		must(t, err)
		defer conn.Close()
		state := func() int {
			list, err := netlink.NeighList(eth0.Index, netlink.FAMILY_ALL)
			must(t, err)
			for _, n := range list {
				if n.IP.String() == text {
					return n.State
				}
			}
			return netlink.NUD_NONE
		}
		_, err = conn.Write([]byte("is anybody there?"))
		must(t, err)
		if s := state(); s != netlink.NUD_INCOMPLETE {
			t.Fatalf("%s: state %#x", text, s)
		}
		theirs := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}}
		if addr.Is6() {
			theirs.Flags = unix.IFA_F_NODAD
		}
		must(t, neighbour.AddrAdd(l, theirs))
		asked := time.Now()
		must(t, AskAgain(eth0.Index))
		if !within(waitLink, func() bool {
			_, err := conn.Write([]byte("and now?")) // errors of the first one are told once
			return err == nil && state() == netlink.NUD_REACHABLE
		}) {
			t.Errorf("%s: state %#x after %s", text, state(), time.Since(asked))
		}
	}
}
