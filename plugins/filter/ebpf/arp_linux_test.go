package ebpf

import (
	"bytes"
	"context"
	"maps"
	"net/netip"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

type arpCase struct {
	name    string
	row     uint32
	noLease bool
	change  func(*packet)
	want    string // pass, drop, send
	reason  string
	claims  sdk.MAC // send: the address that the answer gives
}

func arpCases() []arpCase {
	toUs := func(p *packet) { p.eth.DstMAC = hardware(ownMAC) }
	return []arpCase{
		{name: "broadcast, owner", row: rowOf(1), want: "send", reason: "arp-answer", claims: ownMAC},
		{name: "broadcast, not owner", row: rowOf(2), want: "drop", reason: "drop-arp-other"},
		{name: "broadcast, previous owner", row: rowOf(2, 1), want: "drop", reason: "drop-arp-other"},
		{name: "broadcast, nobody", row: 0, want: "drop", reason: "drop-nobody"},
		{name: "broadcast, owner, no lease", row: rowOf(1), noLease: true, want: "drop", reason: "drop-lease"},
		{name: "unicast, owner", row: rowOf(1), change: toUs, want: "send", reason: "arp-answer", claims: ownMAC},
		{name: "unicast, not owner", row: rowOf(2), change: toUs, want: "send", reason: "arp-refresh", claims: macOf(2)},
		{name: "unicast, not owner, no lease", row: rowOf(2), noLease: true, change: toUs, want: "drop", reason: "drop-lease"},
		{name: "unicast, owner without address", row: rowOf(9), change: toUs, want: "drop", reason: "drop-no-mac"},
		{name: "unicast to another node", row: rowOf(2), change: func(p *packet) { p.eth.DstMAC = hardware(macOf(2)) }, want: "drop", reason: "drop-arp-other"},
		{name: "probe for a duplicate", row: rowOf(1), change: func(p *packet) { p.arp.SourceProtAddress = make([]byte, 4) }, want: "send", reason: "arp-answer", claims: ownMAC},
		{name: "announcement of a peer", row: rowOf(1), change: all(announcement, fromNode(2), func(p *packet) { p.arp.SourceHwAddress = hardware(macOf(2)) }), want: "drop", reason: "drop-arp-announce"},
		{name: "announcement of a stranger", row: rowOf(1), change: announcement, want: "drop", reason: "drop-stranger"},
		{name: "answer of a stranger", row: rowOf(1), change: all(announcement, func(p *packet) { p.arp.Operation = 2 }), want: "drop", reason: "drop-stranger"},
		{name: "request of a stranger for another address", row: rowOf(1), change: all(announcement, func(p *packet) { p.arp.DstProtAddress = ip4(realIP) }), want: "drop", reason: "drop-stranger"},
		{name: "another address", row: rowOf(1), change: func(p *packet) { p.arp.DstProtAddress = ip4(realIP) }, want: "pass"},
		{name: "reply", row: rowOf(1), change: func(p *packet) { p.arp.Operation = 2 }, want: "pass"},
		{name: "not for IPv4", row: rowOf(1), change: func(p *packet) { p.arp.Protocol = 0x86dd }, want: "pass"},
	}
}

func announcement(p *packet) { p.arp.SourceProtAddress = ip4(vip) }

func TestARP(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			fx := newFixture(t, p.name)
			for _, c := range arpCases() {
				v := verdictCase{name: c.name, row: c.row, noLease: c.noLease, kind: "arp", change: c.change, want: c.want, reason: c.reason}
				fx.check(t, p, v)
				if c.want == "send" {
					fx.checkAnswer(t, p, c)
				}
			}
		})
	}
}

func (fx *fixture) checkAnswer(t *testing.T, p program, c arpCase) {
	t.Helper()
	frame := fx.frame("arp", c.change)
	_, out := p.run(fx, frame)
	want := bytes.Clone(frame)
	copy(want, clientMAC[:])
	copy(want[6:], ownMAC[:])
	want[21] = 2
	copy(want[22:], c.claims[:])
	copy(want[28:], ip4(vip))
	copy(want[32:], clientMAC[:])
	copy(want[38:], frame[28:32])
	if !bytes.Equal(out, want) {
		t.Errorf("%s: the answer is\n%x, want\n%x", c.name, out, want)
	}
}

// TestARPElsewhere: a request for the address on another filtered interface is
// not answered by this node's kernel.
func TestARPElsewhere(t *testing.T) {
	fx := newFixture(t)
	s := newSpace(t)
	veth(t, s, "far0", "eth1", macOf(7))
	other := webConfig()
	other.Module = "other"
	other.Interfaces = []sdk.FilterInterface{{Name: "eth1", Directed: true, Addresses: []netip.Addr{addr("10.2.0.100")}}}
	_, err := fx.filter.Configure(context.Background(), other)
	check0(t, err)
	fx.set(rowOf(1), true)
	for _, a := range fx.filter.attached {
		if a.name == "eth1" {
			fx.ifindex = a.index
		}
	}
	var code uint32
	moved := fx.counted(func() { code, _ = fx.run(fx.frame("arp", nil)) })
	if code != 1 || !maps.Equal(moved, map[string]uint64{"web/drop-arp-interface": 1}) {
		t.Errorf("verdict %d, counters %v", code, moved)
	}
}

// mendCase is what the kernel sends, and how it leaves.
type mendCase struct {
	name   string
	change func(*packet)
	want   func(*packet)
	mended bool
}

// TestARPMended: what the kernel sends in the name of a virtual address gets
// the interface's own, and nothing tells the real Ethernet address for one that has
// a virtual one.
func TestARPMended(t *testing.T) {
	asVIP := func(p *packet) {
		p.eth.SrcMAC, p.arp.SourceHwAddress = hardware(ownMAC), hardware(ownMAC)
		p.arp.SourceProtAddress, p.arp.DstProtAddress = ip4(vip), ip4(clientIP)
	}
	own := func(*packet) {}
	virtually := func(p *packet) { p.arp.SourceHwAddress = hardware(virtualMAC) }
	asSelf := func(p *packet) { p.arp.SourceProtAddress = ip4(realIP) }
	announce := func(p *packet) { p.arp.DstProtAddress = ip4(vip) }
	answer := func(p *packet) { p.arp.Operation = 2 }
	both := []mendCase{
		{"request as the virtual address", own, asSelf, true},
		{"request as itself", asSelf, own, false},
		{"somebody else's, bridged", fromNode(2), own, false},
	}
	directed := append([]mendCase{{"announcement", announce, own, false}, {"answer", answer, own, false}}, both...)
	invisible := append([]mendCase{{"announcement", announce, virtually, true}, {"answer", answer, virtually, true}, {"announcement as it should be", all(announce, virtually), own, false}}, both...)
	checkMended(t, newFixture(t), directed, asVIP)
	checkMended(t, newInvisible(t), invisible, asVIP)
}

func checkMended(t *testing.T, fx *fixture, cases []mendCase, asVIP func(*packet)) {
	t.Helper()
	for _, c := range cases {
		c.change = all(asVIP, c.change)
		frame := fx.frame("arp", c.change)
		out := make([]byte, len(frame)+64)
		opts := bpf.RunOptions{Data: frame, DataOut: out, Context: [11]uint32{10: uint32(fx.ifindex)}}
		var code uint32
		moved := fx.counted(func() {
			var err error
			code, err = fx.filter.objs.FilterOut.Run(&opts)
			check0(t, err)
		})
		if code != 0xffffffff || (moved["web/arp-mended"] == 1) != c.mended {
			t.Errorf("%s: verdict %d, counters %v", c.name, int32(code), moved)
		}
		want := fx.frame("arp", all(c.change, c.want))
		if !bytes.Equal(opts.DataOut, want) {
			t.Errorf("%s: frame is\n%x, want\n%x", c.name, opts.DataOut, want)
		}
	}
}
