package ebpf

import (
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkRoundTrip measures what a request and its answer cost a machine that is the
// client, the switch and the servers at once, by how the filter is attached to the
// servers' veths: to a server's own address, to the virtual one where the frames come in
// at the server itself, and where they come in at another one, which sends them on. One thread
// has all the sockets, and what the kernel does for a frame it does in that thread's
// system calls: so its own time is all of it.
func BenchmarkRoundTrip(b *testing.B) {
	for _, how := range []string{howTCX, howNative} {
		f := newFarm(b, how, webConfig())
		for _, pass := range f.passes {
			if how != howNative { // only what is sent from XDP needs a program on the switch's port
				check0(b, pass.Close())
			}
		}
		b.Run(how, func(b *testing.B) { f.roundTrips(b) })
	}
}

func (f *farm) roundTrips(b *testing.B) {
	const entry, other = 1, 2
	f.enterBy(entry)
	for _, way := range []struct {
		name, address string
		server        int
	}{{"plain", "10.1.0.1", entry}, {"own", vip, entry}, {"forwarded", vip, other}} {
		for n := 1; n <= farmNodes; n++ {
			f.table(n, rowsOf(rowOf(uint8(way.server))))
		}
		b.Run(way.name+"/kept", func(b *testing.B) {
			t := f.talk(b, way.address, way.server)
			t.open()
			t.measure(t.ask)
			t.close()
		})
		b.Run(way.name+"/new", func(b *testing.B) {
			t := f.talk(b, way.address, way.server)
			t.measure(func() { t.open(); t.ask(); t.close() })
		})
	}
}

// talk is a connection of which one thread has both ends.
type talk struct {
	b                        *testing.B
	farm                     *farm
	to                       [4]byte
	listener, client, server int
	buffer                   []byte
}

const requestSize, answerSize = 100, 850 // as wrk asks nginx for its first page

func (f *farm) talk(b *testing.B, address string, server int) *talk {
	b.Helper()
	lockThread(b)
	var cpus unix.CPUSet
	check0(b, unix.SchedGetaffinity(0, &cpus))
	one := unix.CPUSet{}
	for n := range 1024 {
		if cpus.IsSet(n) {
			one.Set(n)
			break
		}
	}
	check0(b, unix.SchedSetaffinity(0, &one))
	b.Cleanup(func() { check0(b, unix.SchedSetaffinity(0, &cpus)) })
	t := &talk{b: b, farm: f, to: addr(address).As4(), buffer: make([]byte, 4096)}
	f.nodes[server].do(b, func() {
		t.listener = t.socket()
		check0(b, unix.SetsockoptInt(t.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		check0(b, unix.Bind(t.listener, &unix.SockaddrInet4{Port: openPort}))
		check0(b, unix.Listen(t.listener, 16))
	})
	b.Cleanup(func() { check0(b, unix.Close(t.listener)) })
	enter(b, f.client)
	return t
}

func (t *talk) socket() int {
	t.b.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check0(t.b, err)
	return fd
}

func (t *talk) open() {
	t.client = t.socket()
	check0(t.b, unix.Connect(t.client, &unix.SockaddrInet4{Port: openPort, Addr: t.to}))
	var err error
	t.server, _, err = unix.Accept4(t.listener, unix.SOCK_CLOEXEC)
	check0(t.b, err)
	check0(t.b, unix.SetsockoptInt(t.server, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}

// close is by the client, without a state TIME-WAIT, so that ports do not run out.
func (t *talk) close() {
	check0(t.b, unix.SetsockoptLinger(t.client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	check0(t.b, unix.Close(t.client))
	check0(t.b, unix.Close(t.server))
}

func (t *talk) ask() {
	t.pass(t.client, t.server, requestSize)
	t.pass(t.server, t.client, answerSize)
}

func (t *talk) pass(from, to, size int) {
	_, err := unix.Write(from, t.buffer[:size])
	check0(t.b, err)
	for size > 0 {
		n, err := unix.Read(to, t.buffer)
		check0(t.b, err)
		size -= n
	}
}

// measure reports the least time of many requests.
func (t *talk) measure(one func()) {
	const many = 500
	best := math.Inf(1)
	for t.b.Loop() {
		begun := threadTime(t.b)
		for range many {
			one()
		}
		best = min(best, threadTime(t.b)-begun)
	}
	t.b.ReportMetric(best/many, "cpu-ns/request")
	t.b.ReportMetric(0, "ns/op")
}
