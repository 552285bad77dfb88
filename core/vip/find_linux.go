package vip

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Find finds the interface whose network holds addr. wantName, if not empty,
// is the only interface allowed. The error names this node's networks.
func Find(addr netip.Addr, wantName string) (Interface, error) {
	addr = addr.Unmap()
	links, err := netlink.LinkList()
	if err != nil {
		return Interface{}, fmt.Errorf("find the interface of %s: list interfaces: %w", addr, err)
	}
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	var all []candidate
	for _, l := range links {
		a := l.Attrs()
		c := candidate{loopback: a.Flags&net.FlagLoopback != 0, Interface: Interface{Name: a.Name, Index: a.Index, MAC: a.HardwareAddr}}
		own, err := onLink(l, c, family)
		if err != nil {
			return Interface{}, fmt.Errorf("find the interface of %s: look at %s: %w", addr, a.Name, err)
		}
		all = append(all, own...)
	}
	return choose(all, addr, wantName)
}

// onLink lists the networks of an interface: those of its addresses, then those
// that a route says are behind it without a gateway. An IPv6 interface may have
// a link-local address only and know its network from a router (RFC 4861, 6.3.4).
// An interface without any network is there once, with no prefix.
func onLink(l netlink.Link, c candidate, family int) ([]candidate, error) {
	addrs, err := netlink.AddrList(l, family)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	list := []candidate{c}
	for _, a := range addrs {
		p, ok := prefixOf(a)
		if !ok || isVirtual(p, a.Flags) {
			continue
		}
		if c.RealAddr = p.Addr(); !p.IsSingleIP() {
			c.Prefix = p.Masked()
			list = append(list, c)
		}
	}
	if !c.RealAddr.IsValid() { // without any address of the family nothing can be held
		return list, nil
	}
	routes, err := netlink.RouteList(l, family)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if p, ok := behind(r); ok {
			c.Prefix = p
			list = append(list, c)
		}
	}
	return list, nil
}

// behind is the network that a route leads to without a gateway.
func behind(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil || r.Gw != nil || r.Via != nil || len(r.MultiPath) > 0 || r.Type != unix.RTN_UNICAST {
		return netip.Prefix{}, false
	}
	p, ok := prefixOf(netlink.Addr{IPNet: r.Dst})
	return p.Masked(), ok && p.Bits() > 0 && !p.IsSingleIP() && !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsMulticast()
}

// prefixOf is an address with the length of its network.
func prefixOf(a netlink.Addr) (netip.Prefix, bool) {
	ip, ok := netip.AddrFromSlice(a.IP)
	ones, _ := a.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones), ok
}
