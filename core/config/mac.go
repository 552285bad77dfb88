package config

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/orchestrator-ha/orchestrator/core/share"
)

// unicastMAC reads an Ethernet address of one machine, with colons or hyphens.
func unicastMAC(s string) (share.MAC, error) {
	var mac share.MAC
	b, err := net.ParseMAC(s)
	if err != nil || len(b) != len(mac) {
		return mac, fmt.Errorf("%q is not an Ethernet address", short(s))
	}
	copy(mac[:], b)
	switch {
	case mac == share.MAC{}:
		return mac, fmt.Errorf("%s means no address", s)
	case mac[0]&1 != 0: // the group bit, IEEE 802 section 8.2
		return mac, fmt.Errorf("%s is an address of a group: the last bit of its first byte is set", s)
	}
	return mac, nil
}

// virtualMAC is the MAC that a vmac_invisible address is answered with: the
// one that is given, else SafeKit's for IPv4, and for IPv6 one that differs
// from it. Both are locally administered (IEEE 802 section 8.4).
func virtualMAC(a netip.Addr, given value) share.MAC {
	if given.set && given.ok {
		return given.mac
	}
	b := a.AsSlice()
	mac := share.MAC{0x5a, 0xfe}
	if a.Is6() {
		mac[1] = 0xf6
	}
	copy(mac[2:], b[len(b)-4:])
	return mac
}
