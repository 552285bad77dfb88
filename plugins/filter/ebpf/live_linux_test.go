package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const (
	xdpDrop    = 1      // XDP_DROP of linux/bpf.h
	xdpTX      = 3      // XDP_TX
	liveFrames = 1 << 1 // BPF_F_TEST_XDP_LIVE_FRAMES: what is run on is sent for real
	matchAway  = 1_000  // frames to find out whom a match means

	// The time of a frame is the difference of these counts: to begin and to end takes
	// milliseconds, whatever the count.
	fewFrames, manyFrames = 10_000, 210_000
)

// way is a pair of veths. Frames are made by one end and sent to the other, where
// something decides about them: sender and receiver share a processor, so the time
// of a frame is that of both.
type way struct {
	metric  string
	ifindex int // of the end that makes frames
}

// BenchmarkLiveFrames measures what frames that belong to somebody else cost, from
// the device to their end: dropped by the shortest XDP program (the floor), by the filter, by
// nftables, by xt_cluster, and sent on by the filter. Each metric is the time of
// a frame in ns; less that of the shortest program, it is the price of the decision.
// As the filter's price is small beside the floor, both take turns on the same device, and
// what is reported is the median of the differences of neighbours.
// Peers that this machine does not have are left out.
func BenchmarkLiveFrames(b *testing.B) {
	fx := newFixture(b)
	end := livePrograms(b, xdpDrop)
	// The filter's own way. Its other end swallows what is sent back.
	mine := attachLive(b, "other0", end)
	var ways []way
	if index := fx.nftables(b); index > 0 {
		ways = append(ways, way{"nftables-ns", index})
	}
	// What is another node's the filter sends on, in directed mode, or drops.
	frame := newFrameMaker(b, fx.frame("tcp", syn))
	flooded := newFrameMaker(b, fx.frame("tcp", all(syn, func(p *packet) { p.eth.DstMAC = hardware(virtualMAC) })))
	if index := fx.xtCluster(b, frame); index > 0 {
		ways = append(ways, way{"xt_cluster-ns", index})
	}
	cost := func(ifindex int, m *frameMaker) float64 {
		few, many := m.send(ifindex, fewFrames), m.send(ifindex, manyFrames)
		return (many - few) / (manyFrames - fewFrames)
	}
	under := func(p *bpf.Program) float64 {
		check0(b, fx.filter.attached[fx.ifindex].links[linkXDP].Update(p))
		return cost(mine, flooded)
	}
	fx.be(webConfig())
	if moved := fx.counted(func() { frame.send(mine, matchAway) }); moved["web/forward-new"] != matchAway {
		b.Fatalf("not all frames are sent on: %v", moved)
	}
	fx.be(invisibleConfig())
	if moved := fx.counted(func() { flooded.send(mine, matchAway) }); moved["web/drop-other"] != matchAway {
		b.Fatalf("not all frames are dropped: %v", moved)
	}
	var floors []float64
	over := map[string][]float64{} // the floor of its round
	for b.Loop() {
		first := under(end)
		drop := under(fx.program(linkXDP)) + under(fx.program(linkXDP))
		floor := (first + under(end)) / 2
		floors = append(floors, floor)
		check0(b, fx.filter.attached[fx.ifindex].links[linkXDP].Update(fx.program(linkXDP)))
		over["filter-ns"] = append(over["filter-ns"], drop/2-floor)
		for _, w := range ways {
			over[w.metric] = append(over[w.metric], cost(w.ifindex, frame)-floor)
		}
		fx.be(webConfig())
		over["forward-ns"] = append(over["forward-ns"], cost(mine, frame)-floor)
		fx.be(invisibleConfig())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(floors)), "rounds")
	b.ReportMetric(median(floors), "floor-ns")
	for metric, values := range over {
		b.ReportMetric(median(floors)+median(values), metric)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// be configures the filter anew; all buckets are another node's.
func (fx *fixture) be(c sdk.FilterConfig) {
	fx.t.Helper()
	fx.config = c
	_, err := fx.filter.Configure(context.Background(), c)
	check0(fx.t, err)
	fx.set(rowOf(2), true)
}

// frameMaker makes frames that are all the same.
type frameMaker struct {
	t       testing.TB
	program *bpf.Program
	frame   []byte
}

// rewritten is how much of a frame the sender writes anew: Ethernet and the IPv4
// header up to its checksum. The kernel uses the buffers of frames again as they came
// back, and the filter changes these bytes.
const rewritten = 28

func newFrameMaker(t testing.TB, frame []byte) *frameMaker {
	t.Helper()
	list := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // xdp_md: data
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // … data_end
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, rewritten),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
	}
	for at := 0; at < rewritten; at += 4 {
		list = append(list, asm.StoreImm(asm.R2, int16(at), int64(int32(binary.NativeEndian.Uint32(frame[at:]))), asm.Word))
	}
	list = append(list, asm.Mov.Imm(asm.R0, xdpTX).WithSymbol("out"), asm.Return())
	p, err := bpf.NewProgram(&bpf.ProgramSpec{Type: bpf.XDP, License: "Dual BSD/GPL", Instructions: list})
	check0(t, err)
	t.Cleanup(func() { p.Close() })
	return &frameMaker{t, p, frame}
}

// send makes frames and answers how long this thread worked at it, in ns: the kernel lets
// them arrive in the call that makes them.
func (m *frameMaker) send(ifindex, count int) float64 {
	m.t.Helper()
	start := threadTime(m.t)
	_, err := m.program.Run(&bpf.RunOptions{
		Data: m.frame, Repeat: uint32(count), Flags: liveFrames,
		Context: xdpContext{DataEnd: uint32(len(m.frame)), Ingress: uint32(ifindex)},
	})
	check0(m.t, err)
	return threadTime(m.t) - start
}

// livePrograms loads a program that gives all frames the same verdict.
func livePrograms(t testing.TB, verdict int32) *bpf.Program {
	t.Helper()
	p, err := bpf.NewProgram(&bpf.ProgramSpec{
		Type: bpf.XDP, AttachType: bpf.AttachXDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()},
	})
	check0(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func attachLive(t testing.TB, device string, p *bpf.Program) (ifindex int) {
	t.Helper()
	i, err := net.InterfaceByName(device)
	check0(t, err)
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: i.Index, Flags: link.XDPDriverMode})
	check0(t, err)
	t.Cleanup(func() { l.Close() })
	return i.Index
}

// livePair is a way whose receiving end, of that name, has a program.
func (fx *fixture) livePair(name string, p *bpf.Program) (ifindex int) {
	fx.t.Helper()
	veth(fx.t, fx.space, name, name+"peer", ownMAC)
	attachLive(fx.t, name, p)
	// Without a program there, a veth makes no frames.
	return attachLive(fx.t, name+"peer", livePrograms(fx.t, xdpPass))
}

// system runs a program in the fixture's namespace.
func system(argv ...string) (string, error) {
	program := argv[0]
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/" + program
	}
	out, err := exec.Command(program, argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// nftables drops by a hash of address and port, at the device's ingress, as a
// stateless share of a cluster does. 0: this machine cannot.
func (fx *fixture) nftables(b *testing.B) int {
	index := fx.livePair("nft", livePrograms(b, xdpPass))
	rules := "table netdev t { chain c { type filter hook ingress device nft priority 0; " +
		"ip daddr " + vip + " tcp dport 80 jhash ip saddr . tcp sport mod 2 seed 0xdeadbeef vmap { 0 : drop, 1 : drop };\n}\n}\n"
	if _, err := system("nft", rules); err != nil {
		b.Logf("nftables is not measured: %v", err)
		return 0
	}
	return index
}

// xtCluster drops as the manual of iptables-extensions(8) says, on the node of two
// that is not meant. 0: this machine cannot.
func (fx *fixture) xtCluster(b *testing.B, frame *frameMaker) int {
	index := fx.livePair("xt", livePrograms(b, xdpPass))
	for node := 1; node <= 2; node++ {
		mangle := []string{"iptables-legacy", "-w", "-t", "mangle", "-A", "PREROUTING", "-i", "xt"}
		mark := append(mangle[:len(mangle):len(mangle)], "-m", "cluster", "--cluster-total-nodes", "2", "--cluster-local-node", strconv.Itoa(node),
			"--cluster-hash-seed", "0xdeadbeef", "-j", "MARK", "--set-mark", "0xffff")
		drop := append(mangle[:len(mangle):len(mangle)], "-m", "mark", "!", "--mark", "0xffff", "-j", "DROP")
		_, err := system("iptables-legacy", "-w", "-t", "mangle", "-F")
		for _, rule := range [][]string{mark, drop} {
			if err == nil {
				_, err = system(rule...)
			}
		}
		if err != nil {
			b.Logf("xt_cluster is not measured: %v", err)
			return 0
		}
		frame.send(index, matchAway)
		list, err := system("iptables-legacy", "-w", "-t", "mangle", "-L", "PREROUTING", "-v", "-x", "-n")
		check0(b, err)
		for line := range strings.Lines(list) {
			fields := strings.Fields(line)
			if len(fields) > 2 && fields[2] == "DROP" && fields[0] == strconv.Itoa(matchAway) {
				return index
			}
		}
	}
	b.Log("xt_cluster is not measured: neither node drops the frames")
	return 0
}
