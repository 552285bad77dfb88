package ebpf

import (
	"context"
	"maps"
	"testing"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestCountedByClass: a frame is counted once, where its bucket stands; who asks for an
// address, too; and what no bucket had to do with, at the module alone.
func TestCountedByClass(t *testing.T) {
	fx := newFixture(t)
	noRule := func(p *packet) { p.tcp.DstPort = 9 }
	for _, c := range []struct {
		row    uint32
		kind   string
		change func(*packet)
		want   string
	}{
		{rowOf(1), "tcp", syn, "web/http/own/accept-new"},
		{rowOf(1), "tcp", nil, "web/http/own/accept-owner"},
		{rowOf(2), "tcp", nil, "web/http/other/forward-owner"},
		{rowOf(0), "tcp", syn, "web/http/other/drop-nobody"},
		{rowOf(1, 2), "tcp", nil, "web/http/own-moving/forward-previous"},
		{rowOf(2, 1), "tcp", nil, "web/http/other-moving/forward-owner"},
		{rowOf(2), "tcp", ttl(1), "web/http/other/drop-ttl"},
		{rowOf(9), "tcp", nil, "web/http/other/drop-no-mac"},
		{rowOf(1), "arp", nil, "web/http/own/arp-answer"},
		{rowOf(2, 1), "arp", nil, "web/http/other-moving/drop-arp-other"},
		{rowOf(1), "tcp", noRule, "web///drop-no-rule"},
	} {
		fx.set(c.row, true)
		frame := fx.frame(c.kind, c.change)
		if moved := fx.countedAt(func() { fx.run(frame) }); !maps.Equal(moved, map[string]uint64{c.want: 1}) {
			t.Errorf("row %08x: counted at %v, want %s", c.row, moved, c.want)
		}
	}
}

// TestGroupCountsAnew: a group that takes the place of another one begins at zero, and the
// others go on.
func TestGroupCountsAnew(t *testing.T) {
	fx := newFixture(t)
	fx.set(rowOf(1), true)
	fx.run(fx.frame("tcp", syn))
	fx.run(fx.frame("tcp", func(p *packet) { p.tcp.DstPort = 9 }))
	fx.config.Groups[0].Name = "www"
	for range 2 { // a slot is given away only when the group that had it is gone
		fx.configure()
	}
	s, err := fx.filter.State(context.Background())
	check0(t, err)
	want := sdk.FilterCount{Module: "web", Reason: "drop-no-rule", Packets: 1}
	if len(s.Packets) != 1 || s.Packets[0] != want {
		t.Errorf("counted %+v, want %+v", s.Packets, want)
	}
}
