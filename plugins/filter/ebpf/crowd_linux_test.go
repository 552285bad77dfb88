package ebpf

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkCrowd measures that a packet's cost does not depend on how many connections
// are open on the machine. The last part of a name is their number.
func BenchmarkCrowd(b *testing.B) {
	fx := newFixture(b, howTCX)
	open := 0
	for _, n := range []int{0, 100_000, 1_000_000} {
		fx.crowd(b, open, n)
		open = n
		for _, one := range []struct {
			name   string
			row    uint32
			change func(*packet)
		}{{"open connections", rowOf(1), nil}, {"open connections, bucket on the move", rowOf(1, 2), ttl(1)}} {
			b.Run(fmt.Sprintf("%s-%d", one.name, n), func(b *testing.B) {
				lockThread(b)
				enter(b, fx.space)
				fx.set(one.row, true)
				fx.measure(b, one.change)
			})
		}
	}
}

// measure reports the cost of a frame over a program that does nothing.
func (fx *fixture) measure(b *testing.B, change func(*packet)) {
	b.Helper()
	empty := livePrograms(b, xdpPass)
	fx.onLoopback()
	frame := fx.frame("tcp", change)
	best, floor := math.Inf(1), math.Inf(1)
	for b.Loop() {
		best = min(best, fx.cost(fx.program(linkXDP), frame))
		floor = min(floor, fx.cost(empty, frame))
	}
	b.ReportMetric(best-floor, "ns/packet")
	b.ReportMetric(0, "ns/op")
}

// crowd makes this machine have as many open connections to the virtual address as said.
// They are made by TCP_REPAIR (tcp(7)), which opens one without a peer, and kept as
// messages that nobody reads (unix(7), SCM_RIGHTS): a process may not have so many files.
func (fx *fixture) crowd(b *testing.B, from, to int) {
	b.Helper()
	const batch, perPair = 250, 25_000
	var pair [2]int
	for done := from; done < to; done += batch {
		if (done-from)%perPair == 0 {
			ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			check0(b, err)
			b.Cleanup(func() { check0(b, errors.Join(unix.Close(ends[0]), unix.Close(ends[1]))) })
			pair = ends
		}
		var some []int
		for i := range batch {
			some = append(some, repaired(b, done+i))
		}
		check0(b, unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(some...), nil, 0))
		for _, fd := range some {
			check0(b, unix.Close(fd))
		}
	}
}

// repaired is the socket of the i-th of many open connections.
func repaired(t testing.TB, i int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check0(t, err)
	check0(t, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1))
	check0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: openPort, Addr: addr(vip).As4()}))
	client := [4]byte{10, 1, 0, byte(128 + i/60_000)} // on the network of eth0: there is a route
	check0(t, unix.Connect(fd, &unix.SockaddrInet4{Port: 2000 + i%60_000, Addr: client}))
	return fd
}
