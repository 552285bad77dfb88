package vip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A probe is sent so many times, as one may be lost, and then answers are waited
// for as long again. RFC 5227 and 4862 wait for seconds, for the sake of networks
// whose switch ports are only just opening; a virtual address is probed by a node
// that has been on the network for a while.
const (
	probes        = 3
	probeInterval = 100 * time.Millisecond
)

// Probe asks the network who has addr and answers the MAC addresses of all who
// say so within about 400 ms, this interface's own excepted. Nobody who hears
// the question takes this node for the address's owner.
func Probe(ctx context.Context, on Interface, addr netip.Addr) ([]net.HardwareAddr, error) {
	found, err := ask(ctx, on, addr)
	if err != nil {
		return nil, fmt.Errorf("ask on %s who has %s: %w", on.Name, addr, err)
	}
	return found, nil
}

func ask(ctx context.Context, on Interface, addr netip.Addr) ([]net.HardwareAddr, error) {
	if len(on.MAC) != 6 {
		return nil, fmt.Errorf("%q is no Ethernet address", on.MAC)
	}
	fd, err := packetSocket()
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := listenForClaims(fd, on.Index, addr); err != nil {
		return nil, err
	}
	var found []net.HardwareAddr
	question := probe(addr, on.MAC)
	for n := range probes + 1 {
		if n < probes {
			if err := sendFrame(fd, on.Index, question); err != nil {
				return nil, err
			}
		}
		if found, err = hearClaims(ctx, fd, addr, on.MAC, time.Now().Add(probeInterval), found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// listenForClaims lets the socket receive ARP, or of IPv6 neighbour
// advertisements only.
func listenForClaims(fd, index int, addr netip.Addr) error {
	protocol := uint16(unix.ETH_P_ARP)
	if addr.Is6() {
		protocol = unix.ETH_P_IPV6
		program := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 14 + 6}, // next header
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMPV6, Jf: 3},
			{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 14 + 40}, // ICMPv6 type
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: typeAdvertisement, Jf: 1},
			{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
			{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
			return fmt.Errorf("filter what is received: %w", err)
		}
	}
	onWire := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: onWire, Ifindex: index}); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// hearClaims adds to found whoever claims addr until deadline.
func hearClaims(ctx context.Context, fd int, addr netip.Addr, own net.HardwareAddr, deadline time.Time, found []net.HardwareAddr) ([]net.HardwareAddr, error) {
	frame := make([]byte, 2048)
	for {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return found, nil
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return found, fmt.Errorf("wait for answers: %w", err)
		}
		n, _, err := unix.Recvfrom(fd, frame, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return found, fmt.Errorf("receive: %w", err)
		}
		mac, ok := claim(frame[:n], addr)
		known := func(m net.HardwareAddr) bool { return bytes.Equal(m, mac) }
		if ok && !known(own) && !slices.ContainsFunc(found, known) {
			found = append(found, mac)
		}
	}
}

// Neighbours tells the MAC addresses that the kernel knows for addrs on an
// interface.
func Neighbours(index int, addrs []netip.Addr) ([]net.HardwareAddr, error) {
	list, err := netlink.NeighList(index, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	var macs []net.HardwareAddr
	for _, n := range list {
		if a, ok := netip.AddrFromSlice(n.IP); ok && len(n.HardwareAddr) == 6 && slices.Contains(addrs, a.Unmap()) {
			macs = append(macs, n.HardwareAddr)
		}
	}
	return macs, nil
}
