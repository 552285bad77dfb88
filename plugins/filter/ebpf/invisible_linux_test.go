package ebpf

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

var virtualMAC = sdk.MAC{0x5a, 0xfe, 10, 1, 0, 100}

func invisibleConfig() sdk.FilterConfig {
	c := webConfig()
	c.Interfaces[0].Directed = false
	c.Interfaces[0].MACs = []sdk.MAC{virtualMAC}
	return c
}

func newInvisible(t testing.TB, order ...string) *fixture {
	t.Helper()
	fx := newFixture(t, order...)
	fx.config = invisibleConfig()
	_, err := fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
	return fx
}

// hand gives this node a part in the hand-over of every bucket, as it would have
// after a change of the row.
func (fx *fixture) hand(row uint32, h share.Hand) {
	fx.t.Helper()
	m := fx.filter.members["web"]
	var rows tableValue
	for n := range rows {
		rows[n] = withHand(row, h)
	}
	for _, slot := range m.Groups {
		check0(fx.t, fx.filter.objs.Tables.Put(uint32(slot)*2+uint32(m.live&liveHalf), &rows))
	}
}

// TestInvisibleTwin holds the kernel's verdict of invisible mode against the one in
// Go, on random states.
func TestInvisibleTwin(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			fx := newInvisible(t, p.name)
			port := fx.connect()
			rnd := rand.New(rand.NewPCG(5, 6))
			seen := map[string]int{}
			for range 2000 {
				row, from := randomRow(rnd), uint8(rnd.IntN(4))
				here := share.Here{
					Self: share.Row(self).Owner(), Serves: rnd.IntN(6) > 0, Ready: rnd.IntN(5) > 0, Agreed: rnd.IntN(3) > 0,
					Hand: share.Hand(rnd.IntN(4)),
				}
				pkt := share.Packet{Opens: rnd.IntN(2) == 0, Socket: rnd.IntN(2) == 0}
				if pkt.Opens && from > 1 {
					pkt.Peer = share.Row(from).Owner()
				}
				seen[fx.checkInvisible(t, p, here, row, pkt, port)]++
				if t.Failed() {
					t.Fatalf("%+v, row %v, %+v", here, share.Row(row), pkt)
				}
			}
			t.Log(seen)
			if len(seen) < 10 {
				t.Errorf("only %d reasons were seen", len(seen))
			}
		})
	}
}

// checkInvisible runs one case and answers its reason.
func (fx *fixture) checkInvisible(t *testing.T, p program, here share.Here, row uint32, pkt share.Packet, port uint16) (reason string) {
	t.Helper()
	now := bootNow(t)
	lease := now + hour
	if !here.Serves {
		lease = now - 1
	}
	fx.setRows(rowsOf(row), here.Ready, here.Agreed)
	fx.hand(row, here.Hand)
	check0(t, fx.filter.Renew(lease))
	frame := fx.frame("tcp", func(f *packet) {
		f.eth.DstMAC = hardware(virtualMAC)
		if pkt.Peer != 0 {
			f.eth.SrcMAC, f.eth.DstMAC = hardware(macOf(uint8(pkt.Peer))), hardware(ownMAC)
		}
		f.tcp.SYN, f.tcp.ACK, f.tcp.DstPort, f.tcp.SrcPort = pkt.Opens, !pkt.Opens, openPort, layers.TCPPort(port)
		if !pkt.Socket {
			f.tcp.SrcPort ^= 1
		}
	})
	want := share.DecideInvisible(here, share.Row(row), pkt)
	expected, name := bytes.Clone(frame), "drop"
	switch {
	case want.Accept:
		name = "pass"
		copy(expected, ownMAC[:])
	case want.To != 0:
		name, expected = "send", forwarded(frame, uint8(want.To), 62)
	}
	var code uint32
	var out []byte
	moved := fx.counted(func() { code, out = p.run(fx, frame) })
	for reason = range moved {
	}
	if got := p.codes[code]; got != name || len(moved) != 1 || !bytes.Equal(out, expected) {
		t.Errorf("verdict %s, counters %v, want %s; frame is\n%x, want\n%x", got, moved, name, out, expected)
	}
	return reason
}

// TestInvisibleOther: what is neither to the virtual nor to the real address is
// somebody else's, and what comes to the real one from outside is judged as in
// directed mode.
func TestInvisibleOther(t *testing.T) {
	for _, p := range programs() {
		fx := newInvisible(t, p.name)
		for _, c := range []verdictCase{
			{name: "another node's", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.DstMAC = hardware(macOf(2)) }, want: "pass"},
			{name: "to the real address", row: rowOf(2), kind: "tcp", change: syn, want: "send", reason: "forward-new", to: 2, ttl: 62},
			{name: "another virtual address", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.DstMAC = hardware(sdk.MAC{0x5a, 0xfe, 10, 1, 0, 101}) }, want: "pass"},
			{name: "broadcast", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.DstMAC = hardware(sdk.MAC{255, 255, 255, 255, 255, 255}) }, want: "drop", reason: "drop-broadcast"},
		} {
			fx.check(t, p, c)
		}
	}
}

// TestHandOverOfTables: the parts in a planned move come from the tables, for
// the node that had the bucket and the one that gets it.
func TestHandOverOfTables(t *testing.T) {
	fx := newInvisible(t)
	epoch := uint64(0)
	const (
		moving  = iota // a step of a plan, another follows
		planned        // the last one
		agreed         // the same view, and all use it
		alone          // of this node itself
	)
	install := func(row uint32, step int) {
		t.Helper()
		if step == moving || step == planned {
			epoch++
		}
		table := sdk.FilterTable{Module: "web", Epoch: epoch, Accept: true, Agreed: step == agreed, Moving: step == moving, Groups: map[string][]sdk.Row{"http": rowsOf(row)}, MACs: map[uint8][]sdk.MAC{}}
		for n := uint8(1); n <= 3; n++ {
			table.MACs[n] = []sdk.MAC{macOf(n)}
		}
		check0(t, fx.filter.SetTable(context.Background(), table))
	}
	expect := func(step, toAll, fromPeer string) {
		t.Helper()
		for _, c := range []struct {
			change func(*packet)
			want   string
		}{
			{func(p *packet) { p.eth.DstMAC = hardware(virtualMAC) }, toAll},
			{fromNode(2), fromPeer},
		} {
			moved := fx.counted(func() { fx.run(fx.frame("tcp", all(syn, c.change))) })
			if moved["web/"+c.want] != 1 {
				t.Errorf("%s: counters %v, want %s", step, moved, c.want)
			}
		}
	}
	install(rowOf(2), planned)
	install(rowOf(2), agreed)
	expect("settled, another's", "drop-other", "drop-other")
	install(rowOf(2, 1), moving)
	expect("prepare, to this node", "drop-other", "accept-new")
	install(rowOf(1, 2), moving)
	expect("handing, to this node", "drop-handover", "accept-new")
	install(rowOf(1, 2), planned)
	expect("commit, to this node", "accept-new", "accept-new")
	install(rowOf(1), agreed)
	install(rowOf(1, 2), moving)
	expect("prepare, from this node", "accept-new", "accept-new")
	install(rowOf(2, 1), moving)
	expect("handing, from this node", "forward-handover", "drop-other")
	install(rowOf(2, 1), planned)
	expect("commit, from this node", "forward-handover", "drop-other")
	install(rowOf(2, 1), agreed)
	expect("agreed, from this node", "drop-other", "drop-other")
	install(rowOf(2, 1), moving)
	expect("the next plan, back to this node", "drop-other", "accept-new")
	install(rowOf(1, 2), planned)
	install(rowOf(2, 1), planned)
	install(rowOf(2, 1), alone)
	expect("from this node, not agreed yet", "forward-handover", "drop-other")
	install(rowOf(2, 1), agreed)
	install(rowOf(1, 2), alone)
	expect("the other has failed", "accept-new", "accept-new")
}

// TestInvisibleRefuses: a virtual address needs a virtual Ethernet address of its
// own.
func TestInvisibleRefuses(t *testing.T) {
	fx := newFixture(t)
	for want, macs := range map[string][]sdk.MAC{
		"0 virtual MAC addresses for the 1": nil,
		"2 virtual MAC addresses for the 1": {virtualMAC, virtualMAC},
		"00:00:00:00:00:00":                 {{}},
		"the interface's own":               {ownMAC},
		"5b:fe:0a:01:00:64":                 {{0x5b, 0xfe, 10, 1, 0, 100}},
	} {
		c := invisibleConfig()
		c.Interfaces[0].MACs = macs
		if _, err := fx.filter.Configure(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestHostProgram: what XDP has accepted for the virtual Ethernet address is
// taken by the kernel, on a veth too; the program for it goes with the last address
// that needs it.
func TestHostProgram(t *testing.T) {
	for _, how := range attachOrder() {
		fx := newInvisible(t, how)
		if got := fx.filter.attached[fx.ifindex].links[linkHost] != nil; got != (how != howTCX) {
			t.Errorf("%s: host program %v", how, got)
		}
		fx.config = webConfig()
		_, err := fx.filter.Configure(context.Background(), fx.config)
		check0(t, err)
		if fx.filter.attached[fx.ifindex].links[linkHost] != nil {
			t.Errorf("%s: the host program is left in directed mode", how)
		}
	}
}
