package heartbeat

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
)

// socket is one network: a UDP socket for beats and a raw one for pings.
type socket struct {
	name  string
	local netip.AddrPort
	udp   int
	icmp  int // -1: this process may not ping
	poll  int // udp's place in the poll set
	peers [core.MaxNodes + 1]unix.Sockaddr
	hosts [core.MaxNodes + 1]unix.Sockaddr
	addrs map[core.NodeID]netip.AddrPort
	echo  [echoLen]byte

	link      *unix.Ifreq // nil: no interface has the address
	linkAfter int64       // look for it again
}

// openSocket opens a network. The address need not exist yet; the port must be
// free.
func openSocket(n Network, log *slog.Logger) (*socket, error) {
	s := &socket{name: n.Name, local: n.Local, udp: -1, icmp: -1}
	v6 := n.Local.Addr().Unmap().Is6()
	family, level := unix.AF_INET, unix.IPPROTO_IP
	freebind, recverr, tos := unix.IP_FREEBIND, unix.IP_RECVERR, unix.IP_TOS
	if v6 {
		family, level = unix.AF_INET6, unix.IPPROTO_IPV6
		freebind, recverr, tos = unix.IPV6_FREEBIND, unix.IPV6_RECVERR, unix.IPV6_TCLASS
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("open a UDP socket for lan %s: %w", n.Name, err)
	}
	s.udp = fd
	unix.SetsockoptInt(fd, level, freebind, 1)
	unix.SetsockoptInt(fd, level, tos, 0xc0) // class selector 6, network control (RFC 4594); best effort
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20)
	if v6 {
		unix.SetsockoptInt(fd, level, unix.IPV6_V6ONLY, 1)
	}
	if err := unix.SetsockoptInt(fd, level, recverr, 1); err != nil {
		s.close()
		return nil, fmt.Errorf("ask for refusals on lan %s: %w", n.Name, err)
	}
	if err := unix.Bind(fd, sockaddr(n.Local)); err != nil {
		s.close()
		return nil, fmt.Errorf("open UDP %s of lan %s: %w", n.Local, n.Name, err)
	}
	if s.icmp, err = openICMP(n.Local.Addr().Unmap()); err != nil {
		log.Warn("cannot ask silent peers' kernels", "lan", n.Name, "error", err)
	}
	s.findLink()
	return s, nil
}

// setPeers takes over where the peers are.
func (s *socket) setPeers(n Network) {
	s.name, s.addrs = n.Name, n.Peers
	clear(s.peers[:])
	clear(s.hosts[:])
	for id, to := range n.Peers {
		s.peers[id] = sockaddr(to)
		s.hosts[id] = sockaddr(netip.AddrPortFrom(to.Addr(), 0))
	}
}

// refusal reads one entry of the UDP socket's error queue: the peer whose kernel
// said that no process listens (ICMP port unreachable, RFC 792; ICMPv6 type 1
// code 4, RFC 4443), 0 if the entry says something else. more is false when
// the queue is empty.
func (s *socket) refusal(b, oob []byte) (node core.NodeID, more bool) {
	_, n, _, to, err := unix.Recvmsg(s.udp, b, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return 0, false
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return 0, true
	}
	for _, m := range messages {
		isErr := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR ||
			m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		// struct sock_extended_err: errno (4), origin, type, code
		if isErr && len(m.Data) >= 8 && binary.NativeEndian.Uint32(m.Data) == uint32(unix.ECONNREFUSED) {
			return s.nodeAt(to), true
		}
	}
	return 0, true
}

// nodeAt finds the peer at an address, 0 if there is none.
func (s *socket) nodeAt(sa unix.Sockaddr) core.NodeID {
	var at netip.AddrPort
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		at = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	for id, peer := range s.addrs {
		if peer.Port() == at.Port() && peer.Addr().Unmap().WithZone("") == at.Addr() {
			return id
		}
	}
	return 0
}

// findLink looks for the interface that has the local address.
func (s *socket) findLink() {
	s.link = nil
	interfaces, err := net.Interfaces()
	if err != nil {
		return
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.Equal(s.local.Addr().AsSlice()) {
				s.link, _ = unix.NewIfreq(i.Name)
				return
			}
		}
	}
}

// linkDown tells whether the network's interface has no carrier, is switched
// off or is missing.
func (s *socket) linkDown(now int64) bool {
	if s.local.Addr().IsUnspecified() {
		return false
	}
	if s.link == nil && now >= s.linkAfter {
		s.linkAfter = now + linkRetry
		s.findLink()
	}
	if s.link == nil {
		return true
	}
	if err := unix.IoctlIfreq(s.udp, unix.SIOCGIFFLAGS, s.link); err != nil {
		s.link = nil
		return true
	}
	const running = unix.IFF_UP | unix.IFF_RUNNING
	return s.link.Uint16()&running != running
}

func (s *socket) close() {
	unix.Close(s.udp)
	if s.icmp >= 0 {
		unix.Close(s.icmp)
	}
}

// sockaddr converts an address for a system call.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	ip := a.Addr().Unmap()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
	if i, err := net.InterfaceByName(ip.Zone()); ip.Zone() != "" && err == nil {
		sa.ZoneId = uint32(i.Index)
	}
	return sa
}

// newCookie marks this process's pings.
func newCookie() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) ^ uint64(os.Getpid())
}
