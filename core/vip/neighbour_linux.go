package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Neighbours tells the MAC addresses that the kernel knows for addrs on an
// interface.
func Neighbours(index int, addrs []netip.Addr) ([]net.HardwareAddr, error) {
	list, err := netlink.NeighList(index, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	var macs []net.HardwareAddr
	for _, n := range list {
		if a, ok := netip.AddrFromSlice(n.IP); ok && len(n.HardwareAddr) == 6 && slices.Contains(addrs, a.Unmap()) {
			macs = append(macs, n.HardwareAddr)
		}
	}
	return macs, nil
}

// AskAgain has the kernel ask at once, with the next packet, for neighbours on an interface
// that have not answered: by itself it does so a second after it asked for the last time (RFC
// 4861, section 7.2.2, and ARP likewise), and while a cable was out it asked in vain.
func AskAgain(index int) error {
	list, err := netlink.NeighList(index, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	var all error
	for _, n := range list {
		if n.State != netlink.NUD_INCOMPLETE {
			continue
		}
		if err := netlink.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			all = errors.Join(all, fmt.Errorf("forget neighbour %s: %w", n.IP, err))
		}
	}
	return all
}
