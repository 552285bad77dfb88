package vip

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// Claim is what somebody on the network says: that an address is at a MAC address.
type Claim struct {
	Addr netip.Addr
	MAC  net.HardwareAddr
}

// claim reads what a frame says: the sender of an ARP packet, or the target of a
// neighbour advertisement.
func claim(frame []byte) (netip.Addr, net.HardwareAddr, bool) {
	if len(frame) < 14 {
		return netip.Addr{}, nil, false
	}
	source, packet := frame[6:12], frame[14:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0806:
		return arpClaim(packet)
	case 0x86dd:
		return advertisementClaim(source, packet)
	}
	return netip.Addr{}, nil, false
}

func arpClaim(packet []byte) (netip.Addr, net.HardwareAddr, bool) {
	if len(packet) < 28 || !bytes.Equal(packet[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return netip.Addr{}, nil, false
	}
	return netip.AddrFrom4([4]byte(packet[14:18])), bytes.Clone(packet[8:14]), true
}

// advertisementClaim reads a neighbour advertisement without extension headers:
// nobody sends others, and RFC 6980 keeps fragments out.
func advertisementClaim(source, packet []byte) (netip.Addr, net.HardwareAddr, bool) {
	if len(packet) < 40+24 || packet[6] != 58 || packet[7] != 255 || packet[40] != typeAdvertisement {
		return netip.Addr{}, nil, false
	}
	addr := netip.AddrFrom16([16]byte(packet[48:64]))
	for options := packet[64:]; len(options) >= 8; {
		size := 8 * int(options[1])
		if size == 0 || size > len(options) {
			break
		}
		if options[0] == 2 { // target link-layer address, RFC 4861, 4.6.1
			return addr, bytes.Clone(options[2:8]), true
		}
		options = options[size:]
	}
	return addr, bytes.Clone(source), true
}
