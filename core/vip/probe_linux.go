package vip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// probeInterval is the time between the questions of a probe, and half of that after
// the last one. RFC 5227 and 4862 wait for seconds, for the sake of networks
// whose switch ports are only just opening; a virtual address is probed by a node
// that has been on the network for a while.
const probeInterval = 100 * time.Millisecond

// maxClaims bounds what is kept of the answers to one probe, whoever sends them.
const maxClaims = 64

// Probe asks the network so many times who has addrs and answers the claims of all
// who say so until 200 ms after the last question, this interface's own
// excepted. Nobody who hears the question takes this node for an address's owner.
func Probe(ctx context.Context, on Interface, addrs []netip.Addr, times int) ([]Claim, error) {
	p := prober{on: on}
	defer p.close()
	for _, a := range addrs {
		if err := p.listen(a); err != nil {
			return nil, fmt.Errorf("ask on %s who has %s: %w", on.Name, a, err)
		}
	}
	for n := range times + 1 {
		for _, a := range addrs {
			if n == times {
				break
			}
			if err := sendFrame(p.socket(a), on.Index, probe(a, on.MAC)); err != nil {
				return nil, fmt.Errorf("ask on %s who has %s: %w", on.Name, a, err)
			}
		}
		if err := p.hear(ctx, addrs, time.Now().Add(probeInterval)); err != nil {
			return nil, fmt.Errorf("ask on %s who has a virtual address: %w", on.Name, err)
		}
	}
	return p.found, nil
}

// prober is one probe: a socket for each kind of address.
type prober struct {
	on      Interface
	sockets []unix.PollFd
	six     []bool // by socket: for IPv6
	found   []Claim
}

func (p *prober) close() {
	for _, s := range p.sockets {
		unix.Close(int(s.Fd))
	}
}

// socket is the one for an address's kind, -1 if there is none.
func (p *prober) socket(a netip.Addr) int {
	if at := slices.Index(p.six, a.Is6()); at >= 0 {
		return int(p.sockets[at].Fd)
	}
	return -1
}

// listen opens the socket for an address's kind, if it is the first.
func (p *prober) listen(a netip.Addr) error {
	if len(p.on.MAC) != 6 {
		return fmt.Errorf("%q is no Ethernet address", p.on.MAC)
	}
	if p.socket(a) >= 0 {
		return nil
	}
	fd, err := packetSocket()
	if err != nil {
		return err
	}
	p.sockets, p.six = append(p.sockets, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}), append(p.six, a.Is6())
	return listenForClaims(fd, p.on.Index, a.Is6())
}

// listenForClaims lets the socket receive ARP, or of IPv6 neighbour
// advertisements only.
func listenForClaims(fd, index int, six bool) error {
	protocol := uint16(unix.ETH_P_ARP)
	if six {
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

// hear notes whoever claims one of addrs until deadline. What has come is noted, too, if this
// process was stalled until after it.
func (p *prober) hear(ctx context.Context, addrs []netip.Addr, deadline time.Time) error {
	for left := time.Until(deadline); ; left = time.Until(deadline) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := unix.Poll(p.sockets, int(max(left, 0).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for answers: %w", err)
		}
		for _, s := range p.sockets {
			if err := p.receive(int(s.Fd), addrs); err != nil {
				return err
			}
		}
		if left <= 0 {
			return nil
		}
	}
}

// receiveLimit is how many frames are taken before the clock is looked at again: in a
// flood there is always one more.
const receiveLimit = 100

// receive takes what a socket has.
func (p *prober) receive(fd int, addrs []netip.Addr) error {
	frame := make([]byte, 2048)
	for range receiveLimit {
		n, _, err := unix.Recvfrom(fd, frame, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		addr, mac, ok := claim(frame[:n])
		same := func(c Claim) bool { return c.Addr == addr && bytes.Equal(c.MAC, mac) }
		if ok && len(p.found) < maxClaims && slices.Contains(addrs, addr) && !bytes.Equal(mac, p.on.MAC) && !slices.ContainsFunc(p.found, same) {
			p.found = append(p.found, Claim{addr, mac})
		}
	}
	return nil
}
