package vip

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Find finds the interface whose network holds addr. wantName, if not empty,
// is the only interface allowed. The error names this node's networks.
func Find(addr netip.Addr, wantName string) (Interface, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return Interface{}, fmt.Errorf("find the interface of %s: list interfaces: %w", addr, err)
	}
	var all []candidate
	for _, l := range links {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return Interface{}, fmt.Errorf("find the interface of %s: list addresses of %s: %w", addr, l.Attrs().Name, err)
		}
		for _, a := range addrs {
			if p, ok := prefixOf(a); ok {
				all = append(all, candidate{loopback: l.Attrs().Flags&net.FlagLoopback != 0, Interface: Interface{
					Name: l.Attrs().Name, Index: l.Attrs().Index, MAC: l.Attrs().HardwareAddr, RealAddr: p.Addr(), Prefix: p.Masked()}})
			}
		}
	}
	return choose(all, addr.Unmap(), wantName)
}

// prefixOf is an address with the length of its network.
func prefixOf(a netlink.Addr) (netip.Prefix, bool) {
	ip, ok := netip.AddrFromSlice(a.IP)
	ones, _ := a.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones), ok
}

// Add puts a virtual address on an interface, and does nothing if it is
// already there. It fails if the interface is gone or has addr as its own.
func (h *Holder) Add(on Interface, addr netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	addr = addr.Unmap()
	l, err := netlink.LinkByIndex(on.Index)
	if err != nil {
		return fmt.Errorf("add %s: find interface %s: %w", addr, on.Name, err)
	}
	there, err := held(l, addr)
	if err != nil {
		return fmt.Errorf("add %s: %w", addr, err)
	}
	if err := h.prepare(l, addr); err != nil {
		return fmt.Errorf("add %s: %w", addr, err)
	}
	if !there {
		if err := netlink.AddrAdd(l, virtual(addr)); err != nil && !errors.Is(err, unix.EEXIST) {
			h.release(l, addr)
			return fmt.Errorf("add %s to %s: %w", addr, on.Name, err)
		}
	}
	return nil
}

// Remove takes a virtual address off an interface, and does nothing if it or
// the interface is not there. It refuses an address that was not added
// as a virtual one.
func (h *Holder) Remove(on Interface, addr netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	addr = addr.Unmap()
	l, err := netlink.LinkByIndex(on.Index)
	if gone := (netlink.LinkNotFoundError{}); errors.As(err, &gone) {
		delete(h.links, on.Index)
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: find interface %s: %w", addr, on.Name, err)
	}
	there, err := held(l, addr)
	if err != nil {
		return fmt.Errorf("remove %s: %w", addr, err)
	}
	if there {
		if err := netlink.AddrDel(l, virtual(addr)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove %s from %s: %w", addr, on.Name, err)
		}
	}
	if err := h.release(l, addr); err != nil {
		return fmt.Errorf("remove %s: %w", addr, err)
	}
	return nil
}

// virtual is a virtual address as the kernel is to have it.
func virtual(addr netip.Addr) *netlink.Addr {
	a := &netlink.Addr{
		IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())},
		Flags: unix.IFA_F_NOPREFIXROUTE,
	}
	if addr.Is6() {
		a.Flags |= unix.IFA_F_NODAD
		a.ValidLft = math.MaxUint32 // for ever, but preferred for 0 s: deprecated
	}
	return a
}

// held tells whether an interface has addr as a virtual address. It fails if
// it has it otherwise.
func held(l netlink.Link, addr netip.Addr) (bool, error) {
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	addrs, err := netlink.AddrList(l, family)
	if err != nil {
		return false, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
	}
	for _, a := range addrs {
		p, ok := prefixOf(a)
		if !ok || p.Addr() != addr {
			continue
		}
		if !p.IsSingleIP() || a.Flags&unix.IFA_F_NOPREFIXROUTE == 0 {
			return false, fmt.Errorf("%s has %s as an address of its own, set by somebody else; a virtual address must be a free one, or take that one away first", l.Attrs().Name, p)
		}
		return true, nil
	}
	return false, nil
}

// prepare sets what the interface needs before its first address.
func (h *Holder) prepare(l netlink.Link, addr netip.Addr) error {
	state := h.links[l.Attrs().Index]
	if state == nil {
		state = &link{held: map[netip.Addr]bool{}}
		h.links[l.Attrs().Index] = state
	}
	if addr.Is4() && state.announce == "" {
		file := arpAnnounce(l)
		before, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read arp_announce of %s: %w", l.Attrs().Name, err)
		}
		if err := os.WriteFile(file, []byte("2"), 0o644); err != nil {
			return fmt.Errorf("set arp_announce of %s: %w", l.Attrs().Name, err)
		}
		state.announce = strings.TrimSpace(string(before))
	}
	state.held[addr] = true
	return nil
}

// release undoes prepare after the interface's last address.
func (h *Holder) release(l netlink.Link, addr netip.Addr) error {
	state := h.links[l.Attrs().Index]
	if state == nil {
		return nil
	}
	delete(state.held, addr)
	if state.announce != "" && !state.holds4() {
		if err := os.WriteFile(arpAnnounce(l), []byte(state.announce), 0o644); err != nil {
			return fmt.Errorf("put back arp_announce=%s of %s: %w", state.announce, l.Attrs().Name, err)
		}
		state.announce = ""
	}
	if len(state.held) == 0 {
		delete(h.links, l.Attrs().Index)
	}
	return nil
}

// arpAnnounce is the file of an interface's setting, in the caller's network
// namespace.
func arpAnnounce(l netlink.Link) string {
	return filepath.Join("/proc/sys/net/ipv4/conf", l.Attrs().Name, "arp_announce")
}
