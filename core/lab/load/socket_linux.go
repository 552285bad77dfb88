package load

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// dial begins a connection, or makes a socket for datagrams; source may be the zero address. The socket belongs
// to the network namespace of the calling thread.
func dial(target netip.AddrPort, source netip.Addr, udp bool) (int, error) {
	family := unix.AF_INET
	if !target.Addr().Is4() {
		family = unix.AF_INET6
	}
	kind := unix.SOCK_STREAM
	if udp {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if !udp {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil && source.IsValid() {
		// The port is chosen at connect, where it need not be unique of itself (ip(7)).
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err == nil {
			err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0)))
		}
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(target))
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// abandon closes a socket without leaving a port in TIME-WAIT: what the kernel
// still has of the connection is answered with a reset.
func abandon(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

// causeOf translates what the kernel says.
func causeOf(err error) Cause {
	switch {
	case errors.Is(err, errAnswer):
		return BadAnswer
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return Reset
	case errors.Is(err, unix.ECONNREFUSED):
		return Refused
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.ENETDOWN):
		return Unreachable
	case errors.Is(err, unix.ETIMEDOUT):
		return NoConnection
	default:
		return Local // EADDRNOTAVAIL, EMFILE, ENOBUFS, …
	}
}
