package vip

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// frame builds the announcement of an address: a gratuitous ARP request or an
// unsolicited neighbour advertisement, with its Ethernet header.
func frame(addr netip.Addr, mac net.HardwareAddr) ([]byte, error) {
	if len(mac) != 6 {
		return nil, fmt.Errorf("announce %s: %q is no Ethernet address", addr, mac)
	}
	if addr.Is4() {
		return arpRequest(addr, mac), nil
	}
	if addr.Is6() && !addr.Is4In6() {
		return neighbourAdvertisement(addr, mac), nil
	}
	return nil, fmt.Errorf("announce %s: it is no plain IPv4 or IPv6 address", addr)
}

// arpRequest asks everybody for addr, with addr itself as the one who asks
// (RFC 826, RFC 5227).
func arpRequest(addr netip.Addr, mac net.HardwareAddr) []byte {
	ip := addr.As4()
	b := make([]byte, 0, 60)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, mac...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1) // ARP; Ethernet, IPv4, 6 and 4 bytes, request
	b = append(b, mac...)
	b = append(b, ip[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(b, ip[:]...)
	return b[:cap(b)] // padded to the smallest Ethernet frame
}

// neighbourAdvertisement tells all nodes of the link where addr is (RFC 4861,
// 4.4 and 7.2.6).
func neighbourAdvertisement(addr netip.Addr, mac net.HardwareAddr) []byte {
	const icmpLen = 32
	from, to := addr.As16(), netip.MustParseAddr("ff02::1").As16()
	b := make([]byte, 0, 14+40+icmpLen)
	b = append(b, 0x33, 0x33, 0, 0, 0, 1)
	b = append(b, mac...)
	b = append(b, 0x86, 0xdd)
	b = append(b, 0x60, 0, 0, 0, 0, icmpLen, 58, 255) // version 6, ICMPv6, hop limit 255
	b = append(b, from[:]...)
	b = append(b, to[:]...)
	b = append(b, 136, 0, 0, 0, 0x20, 0, 0, 0) // override, neither router nor solicited
	b = append(b, from[:]...)
	b = append(b, 2, 1) // option: target link-layer address, 8 bytes
	b = append(b, mac...)
	binary.BigEndian.PutUint16(b[14+40+2:], icmp6Checksum(b[14:]))
	return b
}

// icmp6Checksum is the checksum of the ICMPv6 message in an IPv6 packet without
// extension headers (RFC 4443, 2.3), whose checksum field is 0.
func icmp6Checksum(packet []byte) uint16 {
	message := packet[40:]
	sum := uint32(len(message)) + 58
	for _, part := range [][]byte{packet[8:40], message} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
