package ebpf

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// BenchmarkVerdict measures what the filter costs a packet over an XDP program
// that does nothing. Frames that are forwarded have TTL 1 and are dropped at the
// last moment: the kernel runs one buffer again and again, which must stay as it
// is.
func BenchmarkVerdict(b *testing.B) {
	fx := newFixture(b, howTCX)
	fx.config.Interfaces[0].Addresses = append(fx.config.Interfaces[0].Addresses, addr(vip6))
	_, err := fx.filter.Configure(context.Background(), withUDP(fx.config))
	check0(b, err)
	port := fx.connect()
	empty := emptyProgram(b)
	frame := func(change func(*packet)) []byte { return fx.frame("tcp", change) }
	cases := []struct {
		name  string
		row   uint32
		frame []byte
	}{
		{"not-ip", rowOf(1), frame(func(p *packet) { p.eth.EthernetType = 0x88cc })},
		{"not-virtual", rowOf(1), frame(func(p *packet) { p.ip.DstIP = ip4(realIP) })},
		{"accept-settled", rowOf(1), frame(nil)},
		{"accept-new", rowOf(1), frame(syn)},
		{"forward-new", rowOf(2), frame(all(syn, ttl(1)))},
		{"forward-settled", rowOf(2), frame(ttl(1))},
		{"accept-socket", rowOf(1, 2), frame(open(&port))},
		{"search-miss", rowOf(1, 2), frame(ttl(1))},
		{"drop-no-rule", rowOf(1), frame(func(p *packet) { p.tcp.DstPort = 9 })},
		{"accept-settled-ipv6", rowOf(1), crafter{t: b}.tcp(40000, 80, nil)},
		{"accept-settled-udp", rowOf(1), crafter{t: b, four: true}.udp(40000, 5353)},
	}
	alone := map[string]*bpf.Program{
		"kernel-lookup-hit": lookupAlone(b, port, openPort), "kernel-lookup-miss": lookupAlone(b, 40000, 80), "kernel-clock": clockAlone(b),
	}
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
			best, floor := math.Inf(1), math.Inf(1)
			for b.Loop() {
				best = min(best, fx.cost(fx.program(linkXDP), c.frame))
				floor = min(floor, fx.cost(empty, c.frame))
			}
			b.ReportMetric(best-floor, "ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// clockAlone is an XDP program that does nothing but ask for the time.
func clockAlone(t testing.TB) *bpf.Program {
	t.Helper()
	p, err := bpf.NewProgram(&bpf.ProgramSpec{
		Type: bpf.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.FnKtimeGetBootNs.Call(), asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	check0(t, err)
	t.Cleanup(func() { p.Close() })
	return p
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

// BenchmarkSockets counts the connections of a kernel that has so many besides those of
// the machine. What it takes the processor is the least of all rounds.
func BenchmarkSockets(b *testing.B) {
	fx := newFixture(b)
	open := 0
	for _, n := range []int{5_000, 100_000} {
		fx.crowd(b, open, n)
		open = n
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			lockThread(b)
			enter(b, fx.space)
			best := math.Inf(1)
			for b.Loop() {
				begun := threadTime(b)
				got, err := fx.filter.Sockets(context.Background(), "web")
				check0(b, err)
				best = min(best, threadTime(b)-begun)
				sum := 0
				for _, n := range got["http"] {
					sum += int(n)
				}
				if sum != n {
					b.Fatalf("%d connections counted", sum)
				}
			}
			b.ReportMetric(best/float64(n), "cpu-ns/socket")
		})
	}
}

// threadTime is how long this thread has had a processor, in ns.
func threadTime(t testing.TB) float64 {
	t.Helper()
	var now unix.Timespec
	check0(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now))
	return float64(now.Nano())
}
