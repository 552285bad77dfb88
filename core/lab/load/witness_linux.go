package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A witness reads the SYN-ACKs that come to the client from the target. Two with
// the same acknowledgement number are answers to one SYN; when their sequence
// numbers differ they are of two connections: two servers took the SYN, or one did
// twice. A SYN-ACK that is only repeated has the same number (RFC 9293).
type witness struct {
	fd    int
	six   bool
	seen  map[handshake]synAck
	order []aged // by time, to forget the old ones
}

// handshake names a SYN by what its answers have in common.
type handshake struct {
	client netip.Addr
	port   uint16
	ack    uint32
}

type synAck struct {
	seq uint32
	mac [6]byte
}

type aged struct {
	handshake
	at time.Duration
}

const (
	rememberSYN = 10 * time.Second // longer than anything waits for a SYN-ACK

	etherLen = 14
	ip4Len   = 20
	ip6Len   = 40
	synAcked = 0x12 // the flags SYN and ACK
)

func newWitness(target netip.AddrPort, epoll int) (*witness, error) {
	w := &witness{six: !target.Addr().Is4(), seen: map[handshake]synAck{}}
	protocol, filter := unix.ETH_P_IP, filter4
	if w.six {
		protocol, filter = unix.ETH_P_IPV6, filter6
	}
	var err error
	// Nothing is received before bind, when the filter is in force.
	if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("look for SYNs answered twice: open a packet socket (root is needed): %w", err)
	}
	err = setFilter(w.fd, filter(target))
	if err == nil {
		_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) // a smaller one may do as well
		err = unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, uint16(protocol)))})
	}
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, w.fd, &unix.EpollEvent{Fd: int32(w.fd), Events: unix.EPOLLIN})
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("look for SYNs answered twice: %w", err)
	}
	return w, nil
}

func (w *witness) close() { _ = unix.Close(w.fd) }

// read counts what has come.
func (w *witness) read(buffer []byte, now time.Duration, count *counters) {
	for len(w.order) > 0 && now-w.order[0].at > rememberSYN {
		delete(w.seen, w.order[0].handshake)
		w.order = w.order[1:]
	}
	for {
		n, _, err := unix.Recvfrom(w.fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if syn, answer, ok := w.parse(buffer[:n]); ok {
			w.take(syn, answer, now, count)
		}
	}
}

func (w *witness) take(syn handshake, answer synAck, now time.Duration, count *counters) {
	first, known := w.seen[syn]
	if !known {
		w.seen[syn] = answer
		w.order = append(w.order, aged{syn, now})
		return
	}
	if first.seq != answer.seq {
		count.double(now, net.HardwareAddr(first.mac[:]).String(), net.HardwareAddr(answer.mac[:]).String())
	}
}

// parse reads a frame that has passed the filter.
func (w *witness) parse(b []byte) (syn handshake, answer synAck, ok bool) {
	header, destination, length := ip4Len, etherLen+16, 4
	if w.six {
		header, destination, length = ip6Len, etherLen+24, 16
	} else if len(b) > etherLen {
		header = int(b[etherLen]&0x0f) * 4
	}
	tcp := etherLen + header
	if len(b) < tcp+20 {
		return syn, answer, false
	}
	syn.client, _ = netip.AddrFromSlice(b[destination : destination+length])
	syn.port = binary.BigEndian.Uint16(b[tcp+2:])
	answer.seq, syn.ack = binary.BigEndian.Uint32(b[tcp+4:]), binary.BigEndian.Uint32(b[tcp+8:])
	copy(answer.mac[:], b[6:12])
	return syn, answer, true
}

// filter4 lets SYN-ACKs of the target pass, by IPv4; filter6 by IPv6, without
// extension headers.
func filter4(target netip.AddrPort) []bpf.Instruction {
	from := target.Addr().As4()
	list := equal(bpf.LoadAbsolute{Off: etherLen + 9, Size: 1}, unix.IPPROTO_TCP)
	list = append(list, equal(bpf.LoadAbsolute{Off: etherLen + 12, Size: 4}, binary.BigEndian.Uint32(from[:]))...)
	list = append(list, bpf.LoadMemShift{Off: etherLen})
	list = append(list, equal(bpf.LoadIndirect{Off: etherLen, Size: 2}, uint32(target.Port()))...)
	return flags(list, bpf.LoadIndirect{Off: etherLen + 13, Size: 1})
}

func filter6(target netip.AddrPort) []bpf.Instruction {
	from := target.Addr().As16()
	list := equal(bpf.LoadAbsolute{Off: etherLen + 6, Size: 1}, unix.IPPROTO_TCP)
	for i := 0; i < len(from); i += 4 {
		list = append(list, equal(bpf.LoadAbsolute{Off: etherLen + 8 + uint32(i), Size: 4}, binary.BigEndian.Uint32(from[i:]))...)
	}
	list = append(list, equal(bpf.LoadAbsolute{Off: etherLen + ip6Len, Size: 2}, uint32(target.Port()))...)
	return flags(list, bpf.LoadAbsolute{Off: etherLen + ip6Len + 13, Size: 1})
}

// equal drops the frame unless what is loaded has a value.
func equal(load bpf.Instruction, value uint32) []bpf.Instruction {
	return []bpf.Instruction{load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1}, bpf.RetConstant{}}
}

func flags(list []bpf.Instruction, load bpf.Instruction) []bpf.Instruction {
	return append(list, load, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: synAcked},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: synAcked, SkipTrue: 1}, bpf.RetConstant{}, bpf.RetConstant{Val: 1 << 16})
}

func setFilter(fd int, list []bpf.Instruction) error {
	raw, err := bpf.Assemble(list)
	if err != nil {
		return fmt.Errorf("assemble a packet filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, one := range raw {
		code[i] = unix.SockFilter{Code: one.Op, Jt: one.Jt, Jf: one.Jf, K: one.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}
