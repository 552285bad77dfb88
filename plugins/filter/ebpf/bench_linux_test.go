package ebpf

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net"
	"net/netip"
	"testing"
	"time"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// BenchmarkVerdict measures what the filter costs a packet over an XDP program
// that does nothing. Frames that are forwarded have TTL 1 and are dropped at the
// last moment: the kernel runs one buffer again and again, which must stay as it
// is.
func BenchmarkVerdict(b *testing.B) {
	fx := newFixture(b, howTCX)
	port := fx.connect()
	empty := emptyProgram(b)
	cases := []struct {
		name   string
		row    uint32
		change func(*packet)
	}{
		{"not-ip", rowOf(1), func(p *packet) { p.eth.EthernetType = 0x88cc }},
		{"not-virtual", rowOf(1), func(p *packet) { p.ip.DstIP = ip4(realIP) }},
		{"accept-settled", rowOf(1), nil},
		{"accept-new", rowOf(1), syn},
		{"forward-new", rowOf(2), all(syn, ttl(1))},
		{"forward-settled", rowOf(2), ttl(1)},
		{"accept-socket", rowOf(1, 2), open(&port)},
		{"search-miss", rowOf(1, 2), ttl(1)},
		{"drop-no-rule", rowOf(1), func(p *packet) { p.tcp.DstPort = 9 }},
	}
	alone := map[string]*bpf.Program{"kernel-lookup-hit": lookupAlone(b, port, openPort), "kernel-lookup-miss": lookupAlone(b, 40000, 80)}
	for name, p := range alone {
		b.Run(name, func(b *testing.B) {
			lockThread(b)
			enter(b, fx.space)
			frame := fx.frame("tcp", nil)
			best, floor := math.Inf(1), math.Inf(1)
			for b.Loop() {
				best = min(best, fx.cost(p, frame))
				floor = min(floor, fx.cost(empty, frame))
			}
			b.ReportMetric(best-floor, "ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			// A goroutine of its own: it must go where the interface is.
			lockThread(b)
			enter(b, fx.space)
			fx.set(c.row, true)
			fx.onLoopback()
			frame := fx.frame("tcp", c.change)
			best, floor := math.Inf(1), math.Inf(1)
			for b.Loop() {
				best = min(best, fx.cost(fx.filter.objs.FilterXdp, frame))
				floor = min(floor, fx.cost(empty, frame))
			}
			b.ReportMetric(best-floor, "ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// lookupAlone is an XDP program that does nothing but look for the socket of a
// client's port in the kernel's table: what of a verdict's cost is the kernel's.
func lookupAlone(t testing.TB, clientPort, localPort uint16) *bpf.Program {
	t.Helper()
	word := func(a string) int64 { return int64(int32(binary.LittleEndian.Uint32(ip4(a)))) }
	ports := int64(bits.ReverseBytes16(clientPort)) | int64(bits.ReverseBytes16(localPort))<<16
	p, err := bpf.NewProgram(&bpf.ProgramSpec{
		Type: bpf.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -12, word(clientIP), asm.Word),
			asm.StoreImm(asm.RFP, -8, word(vip), asm.Word),
			asm.StoreImm(asm.RFP, -4, int64(int32(ports)), asm.Word),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -12),
			asm.Mov.Imm(asm.R3, 12),
			asm.Mov.Imm(asm.R4, -1), // BPF_F_CURRENT_NETNS
			asm.Mov.Imm(asm.R5, 0),
			asm.FnSkcLookupTcp.Call(),
			asm.JEq.Imm(asm.R0, 0, "none"),
			asm.Mov.Reg(asm.R1, asm.R0),
			asm.FnSkRelease.Call(),
			asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("none"),
			asm.Mov.Imm(asm.R0, xdpPass),
			asm.Return(),
		},
	})
	check0(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// BenchmarkGrowth measures what a packet costs when there is more of everything
// that the filter looks up: virtual addresses, rules for single ports, nodes.
func BenchmarkGrowth(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("addresses-%d", size), func(b *testing.B) { grown(b, size, 1, 2) })
	}
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("rules-%d", size), func(b *testing.B) { grown(b, 1, size, 2) })
	}
	for _, size := range []int{2, 16, 64} {
		b.Run(fmt.Sprintf("nodes-%d", size), func(b *testing.B) { grown(b, 1, 1, size) })
	}
}

// grown measures a new connection that a node forwarded to this one: address,
// rule, row and sender are looked up. Eight such, to different addresses and ports
// from different nodes, take turns.
func grown(b *testing.B, addresses, rules, nodes int) {
	fx := newFixture(b, howTCX)
	c := webConfig()
	c.Self = 1
	for n := 1; n < addresses; n++ {
		c.Interfaces[0].Addresses = append(c.Interfaces[0].Addresses, netip.AddrFrom4([4]byte{10, 1, byte(1 + n>>8), byte(n)}))
	}
	c.Groups[0].Rules = c.Groups[0].Rules[2:]
	for n := range rules {
		c.Groups[0].Rules = append(c.Groups[0].Rules, sdk.FilterRule{Port: uint16(80 + n), Protocol: "tcp", Hash: sdk.HashPort})
	}
	fx.config = c
	_, err := fx.filter.Configure(context.Background(), c)
	check0(b, err)
	fx.onLoopback()
	t := sdk.FilterTable{Module: "web", Accept: true, Agreed: true, Groups: map[string][]sdk.Row{"http": make([]sdk.Row, share.Buckets)}, MACs: map[uint8][]sdk.MAC{}}
	for n := 1; n <= nodes; n++ {
		t.MACs[uint8(n)] = []sdk.MAC{{2, 0, 0, 0, byte(n * 7), byte(n)}}
	}
	for n := range t.Groups["http"] {
		t.Groups["http"][n] = sdk.Row(2 + n%(nodes-1))
	}
	check0(b, fx.filter.SetTable(context.Background(), t))
	empty := emptyProgram(b)
	var frames [8][]byte
	for n := range frames {
		sender := t.MACs[uint8(2+n*max(1, nodes/8)%(nodes-1))][0]
		to := c.Interfaces[0].Addresses[n*(addresses-1)/7]
		port := 80 + n*(rules-1)/7
		frames[n] = fx.frame("tcp", func(p *packet) {
			p.eth.SrcMAC, p.ip.DstIP, p.tcp.DstPort = hardware(sender), to.AsSlice(), layers.TCPPort(port)
			p.tcp.SYN, p.tcp.ACK = true, false
		})
	}
	best, floor := math.Inf(1), math.Inf(1)
	for b.Loop() {
		var sum float64
		for _, f := range frames {
			sum += fx.cost(fx.filter.objs.FilterXdp, f)
		}
		best = min(best, sum/float64(len(frames)))
		floor = min(floor, fx.cost(empty, frames[0]))
	}
	b.ReportMetric(best-floor, "ns/packet")
	b.ReportMetric(0, "ns/op")
}

func emptyProgram(t testing.TB) *bpf.Program {
	t.Helper()
	p, err := bpf.NewProgram(&bpf.ProgramSpec{
		Type: bpf.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	check0(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// cost is the time of one run in ns, of many, by the kernel's own clock; the
// time in which others had the processor does not count.
func (fx *fixture) cost(p *bpf.Program, frame []byte) float64 {
	_, took, err := p.Benchmark(frame, 20_000, nil)
	check0(fx.t, err)
	return float64(took.Nanoseconds())
}

// onLoopback lets the maps say of interface 1 what they say of eth0: that is where
// Program.Benchmark lets frames come in.
func (fx *fixture) onLoopback() {
	fx.t.Helper()
	for _, m := range fx.filter.members {
		for n := range m.Links {
			m.Links[n].Index = 1
		}
	}
	check0(fx.t, fx.filter.writeIndex())
}

// BenchmarkSetTable is a change of all 4096 rows, from the call to the moment
// that it is in force.
func BenchmarkSetTable(b *testing.B) {
	fx := newFixture(b)
	tables := [2]sdk.FilterTable{}
	for n := range tables {
		tables[n] = sdk.FilterTable{
			Module: "web", Accept: true, Agreed: true,
			Groups: map[string][]sdk.Row{"http": rowsOf(rowOf(uint8(n + 1)))},
			MACs:   map[uint8][]sdk.MAC{1: {macOf(1)}, 2: {macOf(2)}, 3: {macOf(3)}},
		}
	}
	n := 0
	for b.Loop() {
		check0(b, fx.filter.SetTable(context.Background(), tables[n&1]))
		n++
	}
}

// BenchmarkSockets walks a kernel that has 5,000 connections besides those of
// the machine.
func BenchmarkSockets(b *testing.B) {
	fx := newFixture(b)
	fx.connectMany(5000)
	for b.Loop() {
		got, err := fx.filter.Sockets(context.Background(), "web")
		check0(b, err)
		sum := 0
		for _, n := range got["http"] {
			sum += int(n)
		}
		if sum != 5000 {
			b.Fatalf("%d connections counted", sum)
		}
	}
	b.ReportMetric(share.Buckets, "buckets")
}

func (fx *fixture) connectMany(n int) {
	fx.t.Helper()
	l, err := net.Listen("tcp", vip+":8080")
	check0(fx.t, err)
	fx.t.Cleanup(func() { l.Close() })
	for range n {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ip4(clientIP)}}).Dial("tcp", vip+":8080")
		check0(fx.t, err)
		in, err := l.Accept()
		check0(fx.t, err)
		fx.t.Cleanup(func() { c.Close(); in.Close() })
	}
}

// BenchmarkConnections measures what a packet costs while this server has many
// connections: in a settled row, where nobody asks for them, and where the kernel's
// table is asked, with and without success. The frames are of connections all over
// the table, so that most of what is looked at is in no cache.
func BenchmarkConnections(b *testing.B) {
	for _, size := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			fx := newFixture(b, howTCX)
			fx.onLoopback()
			fx.openMany(size)
			empty := emptyProgram(b)
			alone := lookupAlone(b, 40000, 80)
			frames := make([][]byte, 200)
			for n := range frames {
				frames[n] = fx.frame("tcp", func(p *packet) {
					client, port := manyClient(n * (size / len(frames)))
					p.ip.SrcIP, p.tcp.SrcPort, p.tcp.DstPort = client[:], layers.TCPPort(port), openPort
				})
			}
			settled, found, kernel := math.Inf(1), math.Inf(1), math.Inf(1)
			for b.Loop() {
				floor := fx.once(empty, frames)
				fx.set(rowOf(1), true)
				settled = min(settled, fx.once(fx.filter.objs.FilterXdp, frames)-floor)
				fx.set(rowOf(1, 2), true)
				found = min(found, fx.once(fx.filter.objs.FilterXdp, frames)-floor)
				kernel = min(kernel, fx.once(alone, frames)-floor)
			}
			b.ReportMetric(settled, "ns/settled")
			b.ReportMetric(found, "ns/found")
			b.ReportMetric(kernel, "ns/kernel-miss")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// once is the mean time of a program for frames that take turns.
func (fx *fixture) once(p *bpf.Program, frames [][]byte) float64 {
	var sum time.Duration
	for _, f := range frames {
		_, took, err := p.Benchmark(f, 1000, nil)
		check0(fx.t, err)
		sum += took
	}
	return float64(sum.Nanoseconds()) / float64(len(frames))
}

// manyClient is the n-th of many clients.
func manyClient(n int) (a [4]byte, port uint16) {
	return [4]byte{10, 2, byte(n / 30_000 >> 8), byte(n / 30_000)}, uint16(20_000 + n%30_000)
}

// openMany makes n connections of vip:openPort, to clients that do not exist. A
// socket in repair mode (TCP_REPAIR) is connected without a word; then it is closed,
// since a process may not have so many files, and stays in the kernel's table until
// the client confirms, which none does.
func (fx *fixture) openMany(n int) {
	fx.t.Helper()
	l, err := netlink.LinkByName("eth0")
	check0(fx.t, err)
	check0(fx.t, netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip4(strangerIP), HardwareAddr: hardware(macOf(60))}))
	_, clients, err := net.ParseCIDR("10.2.0.0/16")
	check0(fx.t, err)
	check0(fx.t, netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: clients, Gw: ip4(strangerIP)}))
	for i := range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		check0(fx.t, err)
		check0(fx.t, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1))
		check0(fx.t, unix.Bind(fd, &unix.SockaddrInet4{Port: openPort, Addr: addr(vip).As4()}))
		client, port := manyClient(i)
		check0(fx.t, unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: client}))
		check0(fx.t, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 0))
		check0(fx.t, unix.Close(fd))
	}
	counts, err := fx.filter.Sockets(context.Background(), "web")
	check0(fx.t, err)
	var sum uint32
	for _, c := range counts["http"] {
		sum += c
	}
	if int(sum) < n*9/10 { // some are given up meanwhile
		fx.t.Fatalf("%d of %d connections are there", sum, n)
	}
}
