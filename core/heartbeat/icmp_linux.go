package heartbeat

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
)

// An echo request (RFC 792, RFC 4443): type, code, checksum, identifier and
// sequence, then this process's cookie and the node that is asked.
const (
	echoLen    = 8 + 9
	echo4      = 8
	echoReply4 = 0
	echo6      = 128
	echoReply6 = 129
)

// openICMP opens a raw socket that receives echo replies only. It returns -1
// with an error if the process lacks the right (CAP_NET_RAW).
func openICMP(local netip.Addr) (int, error) {
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if local.Is6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, fmt.Errorf("open a raw ICMP socket (needs CAP_NET_RAW): %w", err)
	}
	if local.Is6() {
		var block unix.ICMPv6Filter
		for i := range block.Data {
			block.Data[i] = ^uint32(0)
		}
		block.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
		err = unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &block)
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
	} else {
		const icmpFilter = 1 // ICMP_FILTER, a mask of the types not wanted
		blocked := ^uint32(1 << echoReply4)
		err = unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, int(int32(blocked)))
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(local, 0)))
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("prepare the raw ICMP socket of %s: %w", local, err)
	}
	return fd, nil
}

// ask sends an echo request to a node's kernel. Errors count as no answer.
func (s *socket) ask(node core.NodeID, cookie uint64, seq uint16) {
	if s.icmp < 0 || s.hosts[node] == nil {
		return
	}
	b := s.echo[:]
	clear(b[:8])
	b[0] = echo4
	if s.local.Addr().Unmap().Is6() {
		b[0] = echo6 // the kernel fills in the checksum (RFC 3542)
	}
	binary.BigEndian.PutUint16(b[4:], uint16(cookie))
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint64(b[8:], cookie)
	b[16] = byte(node)
	if b[0] == echo4 {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	unix.Sendto(s.icmp, b, 0, s.hosts[node])
}

// answer reads an echo reply: which node answered one of this process's pings.
func (s *socket) answer(b []byte, cookie uint64) (core.NodeID, bool) {
	want := byte(echoReply6)
	if s.local.Addr().Unmap().Is4() { // the IPv4 header comes along
		if len(b) < 20 || len(b) < int(b[0]&15)*4 {
			return 0, false
		}
		b = b[int(b[0]&15)*4:]
		want = echoReply4
	}
	if len(b) != echoLen || b[0] != want || binary.BigEndian.Uint64(b[8:]) != cookie || b[16] > core.MaxNodes {
		return 0, false
	}
	return core.NodeID(b[16]), true
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
