package vip

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Announce sends one announcement. It fails if the interface is missing or
// down, or if the process may not send raw frames (CAP_NET_RAW).
func Announce(t Target) error {
	source := t.Source
	if source == nil {
		source = t.MAC
	}
	list, err := frames(t.Addr, t.MAC, source)
	if err != nil {
		return err
	}
	fd, err := packetSocket()
	if err != nil {
		return fmt.Errorf("announce %s: %w", t.Addr, err)
	}
	defer unix.Close(fd)
	for _, b := range list {
		if err := sendFrame(fd, t.Index, b); err != nil {
			return fmt.Errorf("announce %s: %w", t.Addr, err)
		}
	}
	return nil
}

// packetSocket opens a socket for whole frames. It receives nothing until it is
// bound to a protocol.
func packetSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open a packet socket (needs CAP_NET_RAW): %w", err)
	}
	return fd, nil
}

func sendFrame(fd, index int, b []byte) error {
	to := &unix.SockaddrLinklayer{Ifindex: index, Halen: 6}
	copy(to.Addr[:], b[:6])
	if err := unix.Sendto(fd, b, 0, to); err != nil {
		return fmt.Errorf("send on interface %d: %w", index, err)
	}
	return nil
}
