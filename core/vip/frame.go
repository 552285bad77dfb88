package vip

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// frames builds the announcement of an address, with Ethernet headers: a
// gratuitous ARP request and the same as a reply, or an unsolicited neighbour
// advertisement. mac is what neighbours are to send to, source is where the
// frames come from.
func frames(addr netip.Addr, mac, source net.HardwareAddr) ([][]byte, error) {
	for _, a := range []net.HardwareAddr{mac, source} {
		if len(a) != 6 {
			return nil, fmt.Errorf("announce %s: %q is no Ethernet address", addr, a)
		}
	}
	switch {
	case addr.Is4():
		return [][]byte{
			arp(opRequest, source, mac, addr, make(net.HardwareAddr, 6), addr),
			arp(opReply, source, mac, addr, mac, addr),
		}, nil
	case addr.Is6() && !addr.Is4In6():
		return [][]byte{neighbourAdvertisement(addr, mac, source)}, nil
	}
	return nil, fmt.Errorf("announce %s: it is no plain IPv4 or IPv6 address", addr)
}

// probe builds the question who has addr, of somebody who does not want to be
// noted for it: an ARP probe (RFC 5227, 1.1) or a neighbour solicitation as for
// duplicate address detection (RFC 4862, 5.4.2).
func probe(addr netip.Addr, source net.HardwareAddr) []byte {
	if addr.Is4() {
		return arp(opRequest, source, source, netip.IPv4Unspecified(), make(net.HardwareAddr, 6), addr)
	}
	return neighbourSolicitation(addr, source)
}

// Operations of ARP, RFC 826.
const (
	opRequest = 1
	opReply   = 2
)

// arp builds an ARP packet for everybody (RFC 826).
func arp(op byte, source, senderMAC net.HardwareAddr, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) []byte {
	b := make([]byte, 0, 60)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, source...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, op) // ARP; Ethernet, IPv4, 6 and 4 bytes
	b = append(b, senderMAC...)
	b = append(b, sender.AsSlice()...)
	b = append(b, targetMAC...)
	b = append(b, target.AsSlice()...)
	return b[:cap(b)] // padded to the smallest Ethernet frame
}

// Types of ICMPv6 messages, RFC 4861.
const (
	typeSolicitation  = 135
	typeAdvertisement = 136
)

// neighbourAdvertisement tells all nodes of the link where addr is (RFC 4861,
// 4.4 and 7.2.6).
func neighbourAdvertisement(addr netip.Addr, mac, source net.HardwareAddr) []byte {
	target := addr.As16()
	message := []byte{typeAdvertisement, 0, 0, 0, 0x20, 0, 0, 0} // override, neither router nor solicited
	message = append(message, target[:]...)
	message = append(message, 2, 1) // option: target link-layer address, 8 bytes
	message = append(message, mac...)
	return neighbourDiscovery(source, addr, netip.MustParseAddr("ff02::1"), message)
}

// neighbourSolicitation asks whoever has addr (RFC 4861, 4.3), from the
// unspecified address and so without a link-layer address.
func neighbourSolicitation(addr netip.Addr, source net.HardwareAddr) []byte {
	target := addr.As16()
	message := append([]byte{typeSolicitation, 0, 0, 0, 0, 0, 0, 0}, target[:]...)
	to := netip.MustParseAddr("ff02::1:ff00:0").As16() // solicited-node address, RFC 4291, 2.7.1
	copy(to[13:], target[13:])
	return neighbourDiscovery(source, netip.IPv6Unspecified(), netip.AddrFrom16(to), message)
}

// neighbourDiscovery puts headers before an ICMPv6 message to a multicast address.
func neighbourDiscovery(source net.HardwareAddr, from, to netip.Addr, message []byte) []byte {
	group := to.As16()
	b := make([]byte, 0, 14+40+len(message))
	b = append(b, 0x33, 0x33)
	b = append(b, group[12:]...) // RFC 2464, 7
	b = append(b, source...)
	b = append(b, 0x86, 0xdd)
	b = append(b, 0x60, 0, 0, 0, 0, byte(len(message)), 58, 255) // version 6, ICMPv6, hop limit 255
	b = append(b, from.AsSlice()...)
	b = append(b, group[:]...)
	b = append(b, message...)
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
