package share

import (
	"encoding/binary"
	"net/netip"
)

// The numbers of protocols that frames are parsed by (IANA).
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherIPv6 = 0x86dd

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	headerEther = 14
	headerIPv4  = 20
	headerIPv6  = 40
	headerTCP   = 20
	headerUDP   = 8
	headerICMP  = 8
)

// flow is a packet to a virtual address by what decides its fate.
type flow struct {
	client, local         netip.Addr
	clientPort, localPort uint16
	id                    uint32 // identification, of IPv4 or of a fragment
	proto                 byte
	packet                Packet // without Peer and sockets
	echo                  bool
	first, later          bool // the first fragment of a datagram; another one
}

// network is where a frame's network header begins, and its type; ok is false for
// frames that are too short and for those of a VLAN, which are not this
// interface's.
func network(b []byte) (at int, kind uint16, ok bool) {
	if len(b) < headerEther {
		return 0, 0, false
	}
	at, kind = headerEther, binary.BigEndian.Uint16(b[12:])
	if kind != etherVLAN {
		return at, kind, true
	}
	if len(b) < at+4 || binary.BigEndian.Uint16(b[at:])&0xfff != 0 {
		return 0, 0, false
	}
	return at + 4, binary.BigEndian.Uint16(b[at+2:]), true
}

// parse4 reads an IPv4 packet; malformed is the reason, empty if all is well. b is what
// the frame holds of it, at least a header.
func parse4(b []byte) (f flow, why Reason) {
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || header < headerIPv4 || length < header {
		return f, DropMalformed
	}
	f.client, f.local = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	f.id, f.proto = uint32(binary.BigEndian.Uint16(b[4:])), b[9]
	f.packet.Round = b[8]&1 == 1
	fragment := binary.BigEndian.Uint16(b[6:])
	f.later, f.first = fragment&0x1fff != 0, fragment&0x3fff == 0x2000
	if f.later {
		return f, ""
	}
	return f, f.transport(tail(b, header), length-header, parseInner4)
}

// parse6 is parse4 for IPv6 (RFC 8200).
func parse6(b []byte) (f flow, why Reason) {
	length := headerIPv6 + int(binary.BigEndian.Uint16(b[4:]))
	x, ok := walk(b)
	if b[0]>>4 != 6 || !ok || length < x.at {
		return f, DropMalformed
	}
	f.client, f.local = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	f.id, f.proto = x.id, x.proto
	f.packet.Round = b[7]&1 == 1
	f.first, f.later = x.fragment && x.offset == 0, x.offset != 0
	if f.later {
		return f, ""
	}
	return f, f.transport(tail(b, x.at), length-x.at, parseInner6)
}

// extensions is what is behind the extension headers of an IPv6 packet.
type extensions struct {
	at       int
	id       uint32
	offset   uint16
	proto    byte
	fragment bool
}

// walk goes through the extension headers (hop-by-hop, routing, fragment,
// destination options); false if there are more than six or they do not fit.
func walk(b []byte) (x extensions, ok bool) {
	x.at, x.proto = headerIPv6, b[6]
	for range 7 {
		if x.offset != 0 || x.proto != 0 && x.proto != 43 && x.proto != 44 && x.proto != 60 {
			return x, true
		}
		if len(b) < x.at+8 {
			return x, false
		}
		h := b[x.at:]
		if x.proto == 44 {
			field := binary.BigEndian.Uint16(h[2:])
			x.offset, x.fragment = field&0xfff8, field&0xfff9 != 0
			x.id = binary.BigEndian.Uint32(h[4:])
			x.at += 8
		} else {
			x.at += (int(h[1]) + 1) * 8
		}
		x.proto = h[0]
	}
	return x, false
}

// tail is what a frame holds of b from at on.
func tail(b []byte, at int) []byte {
	return b[min(at, len(b)):]
}

// transport reads what follows the IP header. room is how long that is by the IP
// header; b may be shorter. inner reads the packet inside an ICMP error.
func (f *flow) transport(b []byte, room int, inner func(*flow, []byte, int) Reason) Reason {
	icmp := byte(protoICMP)
	if f.local.Is6() {
		icmp = protoICMPv6
	}
	switch f.proto {
	case protoTCP:
		if len(b) < headerTCP || room < headerTCP || b[12]>>4 < 5 {
			return DropMalformed
		}
		f.clientPort, f.localPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		f.packet.Opens = b[13]&0x12 == 0x02
		return ""
	case protoUDP:
		if len(b) < headerUDP || room < headerUDP || binary.BigEndian.Uint16(b[4:]) < headerUDP {
			return DropMalformed
		}
		f.clientPort, f.localPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		f.packet.Datagram = true
		return ""
	case icmp:
		if len(b) < headerICMP || room < headerICMP {
			return DropMalformed
		}
		return inner(f, b, room)
	}
	return DropNoRule
}

// parseInner4 reads an ICMP message (RFC 792): an echo request, or an error
// about a packet that this address sent.
func parseInner4(f *flow, b []byte, room int) Reason {
	switch b[0] {
	case 8:
		f.echo, f.packet.Opens = true, true
		return ""
	case 3, 11, 12:
	default:
		return DropNoRule
	}
	b, room = b[headerICMP:], room-headerICMP
	if len(b) < headerIPv4 || b[0]>>4 != 4 || b[0]&15 < 5 {
		return DropMalformed
	}
	if netip.AddrFrom4([4]byte(b[12:])) != f.local || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return DropNoRule
	}
	header := int(b[0]&15) * 4
	if room < header+4 {
		return DropMalformed
	}
	f.client, f.proto = netip.AddrFrom4([4]byte(b[16:])), b[9]
	return f.inner(tail(b, header))
}

// parseInner6 is parseInner4 for ICMPv6 (RFC 4443).
func parseInner6(f *flow, b []byte, room int) Reason {
	switch b[0] {
	case 128:
		f.echo, f.packet.Opens = true, true
		return ""
	case 1, 2, 3, 4:
	default:
		return DropNoRule
	}
	b, room = b[headerICMP:], room-headerICMP
	if len(b) < headerIPv6 || b[0]>>4 != 6 {
		return DropMalformed
	}
	if netip.AddrFrom16([16]byte(b[8:])) != f.local {
		return DropNoRule
	}
	x, ok := walk(b)
	switch {
	case !ok:
		return DropMalformed
	case x.offset != 0:
		return DropNoRule
	case room < x.at+4:
		return DropMalformed
	}
	f.client, f.proto = netip.AddrFrom16([16]byte(b[24:])), x.proto
	return f.inner(tail(b, x.at))
}

// inner reads the ports of a packet that this address sent. Its identification is
// this node's and says nothing.
func (f *flow) inner(b []byte) Reason {
	if f.proto != protoTCP && f.proto != protoUDP {
		return DropNoRule
	}
	if len(b) < 4 {
		return DropMalformed
	}
	f.localPort, f.clientPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	f.packet.Datagram = f.proto == protoUDP
	f.id = 0
	return ""
}
