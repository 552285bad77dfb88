package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/share"
)

func address(s string) (a netip.Addr, hint string, err error) {
	if s == "" {
		return a, "write an address such as 192.0.2.10", fmt.Errorf("the address is empty")
	}
	if before, _, slash := strings.Cut(s, "/"); slash {
		return a, fmt.Sprintf("write addr=%q and the rest as netmask", short(before)), fmt.Errorf("%q has a netmask in it", short(s))
	}
	a, err = netip.ParseAddr(s)
	switch {
	case err != nil && strings.Trim(s, "0123456789.") == "":
		return a, "an IPv4 address has four numbers from 0 to 255", fmt.Errorf("%q is not an IP address", short(s))
	case err != nil:
		return a, "write an address such as 192.0.2.10", fmt.Errorf("%q is not an IP address", short(s))
	case a.Zone() != "":
		return a, "write it without %" + a.Zone(), fmt.Errorf("%q has a zone in it", short(s))
	}
	return a.Unmap(), "", nil
}

// netmask gives the number of leading one bits.
func netmask(s string) (int64, error) {
	if n, err := strconv.ParseInt(strings.TrimPrefix(s, "/"), 10, 64); err == nil && n >= 1 && n <= 128 {
		return n, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 0, fmt.Errorf("%q is not a netmask", short(s))
	}
	b := a.As4()
	mask := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	for n := int64(1); n <= 32; n++ {
		if mask == ^uint32(0)<<(32-n) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is not a netmask: its one bits have a gap", short(s))
}

// addresses reads some addresses with spaces between.
func addresses(s string) (list []netip.Addr, hint string, err error) {
	for _, word := range strings.Fields(s) {
		a, hint, err := address(word)
		if err != nil {
			return nil, hint, err
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, "write addresses with spaces between, such as 192.0.2.1 192.0.2.2", fmt.Errorf("there is no address")
	}
	return list, "", nil
}

// host reads an address, IPv6 perhaps in [ ], or a name of DNS (RFC 1123
// section 2.1). Names are not looked up.
func host(s string) (clean, hint string, err error) {
	hint = "write an address, or a name that DNS can have"
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !closed || err != nil || !a.Is6() {
			return s, hint, fmt.Errorf("%q is not an IPv6 address in [ ]", short(s))
		}
		return a.String(), "", nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String(), "", nil
	}
	if s != "" && strings.Trim(s, "0123456789.") == "" {
		return s, "an IPv4 address has four numbers from 0 to 255", fmt.Errorf("%q is not an IP address", short(s))
	}
	if len(s) > 253 || !hostPattern.MatchString(s) {
		return s, hint, fmt.Errorf("%q is neither an address nor a host name", short(s))
	}
	return s, "", nil
}

// label is one part of a name of DNS.
const label = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

var hostPattern = regexp.MustCompile(`^` + label + `(\.` + label + `)*$`)

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
