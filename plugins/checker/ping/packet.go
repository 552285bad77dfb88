package ping

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// family is what differs between ICMP (RFC 792) and ICMPv6 (RFC 4443).
type family struct {
	raw, datagram string // networks of icmp.ListenPacket
	any           string
	protocol      int
	ask, reply    icmp.Type
	gone          icmp.Type
	quoted        func(packet []byte) (dst netip.Addr, inner []byte)
	codes         map[int]string
}

var (
	four = family{
		raw: "ip4:icmp", datagram: "udp4", any: "0.0.0.0", protocol: 1,
		ask: ipv4.ICMPTypeEcho, reply: ipv4.ICMPTypeEchoReply, gone: ipv4.ICMPTypeDestinationUnreachable, quoted: quoted4,
		codes: map[int]string{0: "network unreachable", 1: "host unreachable", 9: "network prohibited", 10: "host prohibited", 13: "prohibited by a filter"},
	}
	six = family{
		raw: "ip6:ipv6-icmp", datagram: "udp6", any: "::", protocol: 58,
		ask: ipv6.ICMPTypeEchoRequest, reply: ipv6.ICMPTypeEchoReply, gone: ipv6.ICMPTypeDestinationUnreachable, quoted: quoted6,
		codes: map[int]string{0: "no route", 1: "prohibited by a filter", 3: "host unreachable"},
	}
)

// open makes a raw socket or, where this process may not, one of those that can
// send echo requests only (Linux, macOS). Such a socket chooses the identifier
// itself and gets no one else's answers.
func (f family) open() (conn *icmp.PacketConn, raw bool, err error) {
	conn, err = icmp.ListenPacket(f.raw, f.any)
	if err == nil {
		f.narrow(conn)
		return conn, true, nil
	}
	if !errors.Is(err, os.ErrPermission) {
		return nil, false, err
	}
	conn, err = icmp.ListenPacket(f.datagram, f.any)
	return conn, false, err
}

// narrow keeps other ICMP messages out, where the system can: every raw socket
// gets a copy of each.
func (f family) narrow(conn *icmp.PacketConn) {
	if c := conn.IPv4PacketConn(); c != nil {
		var filter ipv4.ICMPFilter
		filter.SetAll(true)
		filter.Accept(ipv4.ICMPTypeEchoReply)
		filter.Accept(ipv4.ICMPTypeDestinationUnreachable)
		_ = c.SetICMPFilter(&filter)
	}
	if c := conn.IPv6PacketConn(); c != nil {
		var filter ipv6.ICMPFilter
		filter.SetAll(true)
		filter.Accept(ipv6.ICMPTypeEchoReply)
		filter.Accept(ipv6.ICMPTypeDestinationUnreachable)
		_ = c.SetICMPFilter(&filter)
	}
}

// request is one echo request.
type request struct {
	family  family
	to      netip.Addr
	id, seq int
	raw     bool
}

func (r request) marshal() ([]byte, error) {
	m := icmp.Message{Type: r.family.ask, Body: &icmp.Echo{ID: r.id, Seq: r.seq, Data: []byte("orchestrator")}}
	return m.Marshal(nil) // the kernel computes the checksum of ICMPv6
}

func (r request) destination() net.Addr {
	if r.raw {
		return &net.IPAddr{IP: r.to.AsSlice(), Zone: r.to.Zone()}
	}
	return &net.UDPAddr{IP: r.to.AsSlice(), Zone: r.to.Zone()}
}

// answered says whether a packet settles the request: nil if it is the answer.
func (r request) answered(packet []byte, from net.Addr) (done bool, err error) {
	m, err := icmp.ParseMessage(r.family.protocol, packet)
	if err != nil {
		return false, nil // somebody's broken packet
	}
	sender := addrOf(from)
	switch body := m.Body.(type) {
	case *icmp.Echo:
		return m.Type == r.family.reply && sender == r.to.WithZone("") && body.Seq == r.seq && (!r.raw || body.ID == r.id), nil
	case *icmp.DstUnreach:
		dst, inner := r.family.quoted(body.Data)
		if dst != r.to.WithZone("") || !r.quotes(inner) {
			return false, nil
		}
		what := r.family.codes[m.Code]
		if what == "" {
			what = "unreachable"
		}
		return true, &unreachable{what, sender}
	}
	return false, nil
}

// quotes says whether the ICMP header in an error is that of the request.
func (r request) quotes(inner []byte) bool {
	if len(inner) < 8 {
		return false
	}
	id, seq := int(binary.BigEndian.Uint16(inner[4:])), int(binary.BigEndian.Uint16(inner[6:]))
	return int(inner[0]) == typeNumber(r.family.ask) && seq == r.seq && (!r.raw || id == r.id)
}

func typeNumber(t icmp.Type) int {
	switch t := t.(type) {
	case ipv4.ICMPType:
		return int(t)
	case ipv6.ICMPType:
		return int(t)
	}
	return -1
}

// quoted4 reads an IPv4 header: RFC 791, 3.1.
func quoted4(b []byte) (netip.Addr, []byte) {
	if len(b) < 20 {
		return netip.Addr{}, nil
	}
	length := int(b[0]&0x0f) * 4
	if length < 20 || len(b) < length {
		return netip.Addr{}, nil
	}
	return netip.AddrFrom4([4]byte(b[16:20])), b[length:]
}

// quoted6 reads an IPv6 header: RFC 8200, 3.
func quoted6(b []byte) (netip.Addr, []byte) {
	if len(b) < 40 {
		return netip.Addr{}, nil
	}
	return netip.AddrFrom16([16]byte(b[24:40])), b[40:]
}

func addrOf(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.IPAddr:
		ip = a.IP
	case *net.UDPAddr:
		ip = a.IP
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
