package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// echo sends datagrams back with a line in front that has the node's name. The
// answer leaves from the address that was asked: a server of a farm has several,
// and a client listens to that one alone. end stops it and waits.
func echo(listen, node string) (end func(), err error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var set error
		err := raw.Control(func(fd uintptr) { set = tellDestination(int(fd)) })
		return errors.Join(err, set)
	}}
	packets, err := config.ListenPacket(context.Background(), "udp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for datagrams on %s: %w", listen, err)
	}
	conn := packets.(*net.UDPConn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		returnAll(conn, node+"\n")
	}()
	return func() { _ = conn.Close(); <-done }, nil
}

// tellDestination asks for the destination of each datagram beside it (ip(7),
// ipv6(7)).
func tellDestination(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	} else if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	if err != nil {
		return fmt.Errorf("ask for the destination of datagrams: %w", err)
	}
	return nil
}

func returnAll(conn *net.UDPConn, name string) {
	// The name stands in front, so that an answer needs no copying.
	buffer, control := make([]byte, len(name)+1<<16), make([]byte, 128)
	copy(buffer, name)
	for {
		n, controls, _, from, err := conn.ReadMsgUDPAddrPort(buffer[len(name):], control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier answer
		}
		// What tells the destination of a datagram tells the source of an answer. One
		// that cannot be sent is lost, as datagrams are.
		_, _, _ = conn.WriteMsgUDPAddrPort(buffer[:len(name)+n], control[:controls], from)
	}
}
