package vip

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Announce sends one announcement. It fails if the interface is missing or
// down, or if the process may not send raw frames (CAP_NET_RAW).
func Announce(t Target) error {
	b, err := frame(t.Addr, t.MAC)
	if err != nil {
		return err
	}
	// Protocol 0 receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("announce %s: open a packet socket (needs CAP_NET_RAW): %w", t.Addr, err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Ifindex: t.Index, Halen: 6}
	copy(to.Addr[:], b[:6])
	if err := unix.Sendto(fd, b, 0, to); err != nil {
		return fmt.Errorf("announce %s: send on interface %d: %w", t.Addr, t.Index, err)
	}
	return nil
}
