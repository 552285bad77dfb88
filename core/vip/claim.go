package vip

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// claim tells the MAC address that a frame says addr is at: an ARP packet with
// addr as its sender, or a neighbour advertisement of addr.
func claim(frame []byte, addr netip.Addr) (net.HardwareAddr, bool) {
	if len(frame) < 14 {
		return nil, false
	}
	source, packet := frame[6:12], frame[14:]
	switch {
	case addr.Is4() && binary.BigEndian.Uint16(frame[12:]) == 0x0806:
		return arpClaim(packet, addr)
	case addr.Is6() && binary.BigEndian.Uint16(frame[12:]) == 0x86dd:
		return advertisementClaim(source, packet, addr)
	}
	return nil, false
}

func arpClaim(packet []byte, addr netip.Addr) (net.HardwareAddr, bool) {
	if len(packet) < 28 || !bytes.Equal(packet[:6], []byte{0, 1, 8, 0, 6, 4}) || !bytes.Equal(packet[14:18], addr.AsSlice()) {
		return nil, false
	}
	return bytes.Clone(packet[8:14]), true
}

// advertisementClaim reads a neighbour advertisement without extension headers,
// which RFC 6980 keeps fragments out of, and nobody sends others.
func advertisementClaim(source, packet []byte, addr netip.Addr) (net.HardwareAddr, bool) {
	if len(packet) < 40+24 || packet[6] != 58 || packet[7] != 255 || packet[40] != typeAdvertisement || !bytes.Equal(packet[48:64], addr.AsSlice()) {
		return nil, false
	}
	for options := packet[64:]; len(options) >= 8; {
		size := 8 * int(options[1])
		if size == 0 || size > len(options) {
			break
		}
		if options[0] == 2 { // target link-layer address, RFC 4861, 4.6.1
			return bytes.Clone(options[2:8]), true
		}
		options = options[size:]
	}
	return bytes.Clone(source), true
}
