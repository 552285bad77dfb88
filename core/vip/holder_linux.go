package vip

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Add puts a virtual address on an interface and makes the interface fit to hold
// it; what is there already stays. An invisible address is one that is
// reached by a virtual MAC, which the interface receives in promiscuous mode only.
// It fails if the interface is gone or has addr as its own.
func (h *Holder) Add(on Interface, addr netip.Addr, invisible bool) error {
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
	state, err := h.state(l)
	if err != nil {
		return fmt.Errorf("add %s: %w", addr, err)
	}
	state.held[addr] = invisible
	if err := state.prepare(l); err != nil {
		return fmt.Errorf("add %s: %w", addr, errors.Join(err, h.release(l, addr)))
	}
	if there {
		return nil
	}
	if err := netlink.AddrAdd(l, virtual(addr)); err != nil && !errors.Is(err, unix.EEXIST) {
		if errors.Is(err, unix.EACCES) && addr.Is6() {
			err = fmt.Errorf("%w; IPv6 is switched off there: set net.ipv6.conf.%s.disable_ipv6=0", err, l.Attrs().Name)
		}
		return fmt.Errorf("add %s to %s: %w", addr, on.Name, errors.Join(err, h.release(l, addr)))
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
	if isGone(err) {
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

// RemoveEverywhere takes a virtual address off every interface that has it: what
// an earlier run of the program left may have been renamed since.
func (h *Holder) RemoveEverywhere(addr netip.Addr) error {
	addr = addr.Unmap()
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("remove %s: list interfaces: %w", addr, err)
	}
	var all error
	for _, l := range links {
		if there, err := held(l, addr); err == nil && there {
			all = errors.Join(all, h.Remove(Interface{Name: l.Attrs().Name, Index: l.Attrs().Index}, addr))
		}
	}
	return all
}

// Before tells an interface's settings as they are without virtual addresses,
// for Restore in a later run of the program.
func (h *Holder) Before(on Interface) (Settings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if state := h.links[on.Index]; state != nil {
		return state.before, nil
	}
	l, err := netlink.LinkByIndex(on.Index)
	if err != nil {
		return Settings{}, fmt.Errorf("read the settings of interface %s: %w", on.Name, err)
	}
	return settings(l)
}

// Restore sets an interface as an earlier run of the program found it, unless the
// interface is gone or holds virtual addresses of this run.
func (h *Holder) Restore(name string, s Settings) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, err := netlink.LinkByName(name)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore the settings of interface %s: %w", name, err)
	}
	if h.links[l.Attrs().Index] != nil {
		return nil
	}
	return errors.Join(setARPAnnounce(l, s.ARPAnnounce), setPromiscuous(l, s.Promiscuous))
}

// Look compares an interface with what it is to hold.
func (h *Holder) Look(on Interface, addrs []netip.Addr) (Look, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, err := netlink.LinkByIndex(on.Index)
	if isGone(err) {
		return Look{Gone: true}, nil
	}
	if err != nil {
		return Look{}, fmt.Errorf("look at interface %s: %w", on.Name, err)
	}
	a := l.Attrs()
	look := Look{Name: a.Name, MAC: a.HardwareAddr, Down: a.Flags&net.FlagUp == 0}
	look.Dark = !look.Down && a.RawFlags&unix.IFF_RUNNING == 0
	if look.Missing, look.Own, err = compare(l, addrs); err != nil {
		return look, fmt.Errorf("look at interface %s: %w", on.Name, err)
	}
	if state := h.links[on.Index]; state != nil {
		now, err := settings(l)
		if err != nil {
			return look, err
		}
		look.Unset = state.unset(now)
	}
	return look, nil
}

func isGone(err error) bool {
	gone := netlink.LinkNotFoundError{}
	return errors.As(err, &gone)
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

// isVirtual tells an address that looks as virtual makes them.
func isVirtual(p netip.Prefix, flags int) bool {
	return p.IsSingleIP() && flags&unix.IFA_F_NOPREFIXROUTE != 0
}

// held tells whether an interface has addr as a virtual address. It fails if
// it has it otherwise.
func held(l netlink.Link, addr netip.Addr) (bool, error) {
	missing, _, err := compare(l, []netip.Addr{addr})
	return err == nil && len(missing) == 0, err
}

// compare tells which virtual addresses an interface does not have, and which
// others it has. It fails if one of the virtual ones is there otherwise.
func compare(l netlink.Link, addrs []netip.Addr) (missing []netip.Addr, own []netip.Prefix, err error) {
	list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
	}
	there := map[netip.Addr]bool{}
	for _, a := range list {
		p, ok := prefixOf(a)
		switch {
		case !ok:
		case isVirtual(p, a.Flags):
			there[p.Addr()] = true
		case slices.Contains(addrs, p.Addr()):
			return nil, nil, fmt.Errorf("%s has %s as an address of its own, set by somebody else; a virtual address must be a free one, or take that one away first", l.Attrs().Name, p)
		default:
			own = append(own, p)
		}
	}
	for _, a := range addrs {
		if !there[a] {
			missing = append(missing, a)
		}
	}
	slices.SortFunc(own, netip.Prefix.Compare)
	return missing, own, nil
}
