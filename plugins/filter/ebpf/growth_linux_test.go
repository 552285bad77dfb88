package ebpf

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

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
	empty := livePrograms(b, xdpPass)
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
			sum += fx.cost(fx.program(linkXDP), f)
		}
		best = min(best, sum/float64(len(frames)))
		floor = min(floor, fx.cost(empty, frames[0]))
	}
	b.ReportMetric(best-floor, "ns/packet")
	b.ReportMetric(0, "ns/op")
}
