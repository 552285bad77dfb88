package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
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

// invisibleSockets are those that a node has in TestInvisibleTwin.
type invisibleSockets struct {
	tcp       uint16 // the client's port of a connection to openPort
	connected uint16 // of a UDP socket on udpPort that is connected to it; else nobody is there
}

const udpPort, boundPort = 53, 443

// withDatagrams adds rules for UDP.
func (fx *fixture) withDatagrams() {
	fx.t.Helper()
	for _, port := range []uint16{udpPort, boundPort} {
		fx.config.Groups[0].Rules = append(fx.config.Groups[0].Rules, sdk.FilterRule{Port: port, Protocol: "udp", Hash: sdk.HashPort})
	}
	_, err := fx.filter.Configure(context.Background(), fx.config)
	check0(fx.t, err)
}

// openDatagrams gives this node a UDP socket that is connected and one that is not.
func (fx *fixture) openDatagrams() (port uint16) {
	fx.t.Helper()
	b, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip4(vip), Port: boundPort})
	check0(fx.t, err)
	port = 40001
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: ip4(vip), Port: udpPort}, &net.UDPAddr{IP: ip4(clientIP), Port: int(port)})
	check0(fx.t, err)
	fx.t.Cleanup(func() { b.Close(); c.Close() })
	return port
}

// TestInvisibleTwin holds the kernel's verdict of invisible mode against the one in
// Go, on random states.
func TestInvisibleTwin(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			fx := newInvisible(t, p.name)
			fx.withDatagrams()
			sockets := invisibleSockets{fx.connect(), fx.openDatagrams()}
			rnd := rand.New(rand.NewPCG(5, 6))
			seen := map[string]int{}
			for range 4000 {
				row, from := randomRow(rnd), uint8(rnd.IntN(4))
				here := share.Here{
					Self: share.Row(self).Owner(), Serves: rnd.IntN(6) > 0, Ready: rnd.IntN(5) > 0, Agreed: rnd.IntN(3) > 0,
				}
				if !share.Row(row).Settled() {
					here.Hand = share.Hand(rnd.IntN(4))
				}
				var pkt share.Packet
				switch rnd.IntN(4) {
				case 0:
					pkt = share.Packet{Socket: rnd.IntN(2) == 0}
				case 1:
					pkt = share.Packet{Opens: true}
				case 2:
					pkt = share.Packet{Opens: true, Echo: true}
				case 3:
					pkt = share.Packet{Datagram: true, Socket: rnd.IntN(3) == 0}
					pkt.Bound = !pkt.Socket && rnd.IntN(3) > 0
				}
				if (pkt.Opens || pkt.Datagram) && from > 1 {
					pkt.Peer, pkt.Round = share.Row(from).Owner(), true
				}
				seen[fx.checkInvisible(t, p, here, row, pkt, sockets)]++
				if t.Failed() {
					t.Fatalf("%+v, row %v, %+v", here, share.Row(row), pkt)
				}
			}
			t.Log(seen)
			if len(seen) < 11 {
				t.Errorf("only %d reasons were seen", len(seen))
			}
		})
	}
}

// invisibleFrame is a packet as bytes.
func (fx *fixture) invisibleFrame(pkt share.Packet, sockets invisibleSockets) []byte {
	kind := "tcp"
	switch {
	case pkt.Echo:
		kind = "icmp"
	case pkt.Datagram:
		kind = "ip"
	}
	return fx.frame(kind, func(f *packet) {
		f.eth.DstMAC = hardware(virtualMAC)
		if pkt.Peer != 0 {
			f.eth.SrcMAC, f.eth.DstMAC = hardware(macOf(uint8(pkt.Peer))), hardware(ownMAC)
		}
		if pkt.Round {
			f.ip.TTL = 63
		}
		f.tcp.SYN, f.tcp.ACK, f.tcp.DstPort, f.tcp.SrcPort = pkt.Opens, !pkt.Opens, openPort, layers.TCPPort(sockets.tcp)
		if !pkt.Socket {
			f.tcp.SrcPort ^= 1
		}
		if !pkt.Datagram {
			return
		}
		from, to := sockets.connected, uint16(udpPort)
		if !pkt.Socket {
			from ^= 1
		}
		if pkt.Bound {
			to = boundPort
		}
		f.ip.Protocol, f.body = layers.IPProtocolUDP, datagram(from, to)
	})
}

// datagram is an empty one (RFC 768).
func datagram(from, to uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	return append(b, 0, 8, 0, 0)
}

// checkInvisible runs one case and answers its reason.
func (fx *fixture) checkInvisible(t *testing.T, p program, here share.Here, row uint32, pkt share.Packet, sockets invisibleSockets) (reason string) {
	t.Helper()
	now := bootNow(t)
	lease := now + hour
	if !here.Serves {
		lease = now - 1
	}
	fx.setRows(rowsOf(row), here.Ready, here.Agreed)
	fx.hand(row, here.Hand)
	check0(t, fx.filter.Renew(lease))
	frame := fx.invisibleFrame(pkt, sockets)
	want := share.DecideInvisible(here, share.Row(row), pkt)
	expected, name := bytes.Clone(frame), "drop"
	switch {
	case want.Accept:
		name = "pass"
		copy(expected, ownMAC[:])
	case want.To != 0:
		ttl := uint8(62)
		if want.Round {
			ttl = 63
		}
		name, expected = "send", forwarded(frame, uint8(want.To), ttl)
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
		fx.withDatagrams()
		fx.openDatagrams()
		toBound := func(p *packet) { p.ip.Protocol, p.body = layers.IPProtocolUDP, datagram(40000, boundPort) }
		for _, c := range []verdictCase{
			{name: "another node's", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.DstMAC = hardware(macOf(2)) }, want: "pass"},
			{name: "to the real address", row: rowOf(2), kind: "tcp", change: syn, want: "send", reason: "forward-new", to: 2, ttl: 62},
			{name: "an echo request to the real address, by way of a node", row: rowOf(1, 2), kind: "icmp", change: fromNode(2), want: "pass", reason: "accept-echo"},
			{name: "a datagram to the real address", row: rowOf(2, 1), kind: "ip", change: toBound, want: "send", reason: "forward-new", to: 2, ttl: 62},
			{name: "a datagram to the real address, by way of a node", row: rowOf(1, 2), kind: "ip", change: all(toBound, fromNode(2)), want: "pass", reason: "accept-new"},
			{name: "a datagram that was handed over, too", row: rowOf(1, 2), kind: "ip", change: all(toBound, fromNode(2), ttl(63)), want: "drop", reason: "drop-handover"},
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
	toAll := func(p *packet) { p.eth.DstMAC = hardware(virtualMAC) }
	judged := func(step, kind, want string, change func(*packet)) {
		t.Helper()
		moved := fx.counted(func() { fx.run(fx.frame(kind, change)) })
		if moved["web/"+want] != 1 {
			t.Errorf("%s: %s: counters %v, want %s", step, kind, moved, want)
		}
	}
	// An echo request differs in one thing: who takes what all see is not handed it, too.
	expect := func(step, seen, handed string) {
		t.Helper()
		judged(step, "tcp", seen, all(syn, toAll))
		judged(step, "tcp", handed, all(syn, fromNode(2), ttl(63)))
		echo := strings.NewReplacer("accept-new", "accept-echo")
		judged(step, "icmp", echo.Replace(seen), toAll)
		if seen == "accept-new" && handed == "accept-new" {
			handed = "drop-handover"
		}
		judged(step, "icmp", echo.Replace(handed), all(fromNode(2), ttl(63)))
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

// TestHandedFragments: of a datagram in fragments, too, a node takes what all see or what
// it is handed, and the one that it does not take makes it forget nothing of the other.
func TestHandedFragments(t *testing.T) {
	fx := newInvisible(t)
	fx.withDatagrams()
	fx.openDatagrams()
	fx.setRows(rowsOf(rowOf(1, 2)), true, true)
	first := func(p *packet) {
		p.ip.Id, p.ip.Flags, p.ip.Protocol, p.body = 9, layers.IPv4MoreFragments, layers.IPProtocolUDP, datagram(40000, boundPort)
	}
	later := func(p *packet) {
		p.ip.Id, p.ip.FragOffset, p.ip.Protocol, p.body = 9, 1, layers.IPProtocolUDP, make([]byte, 8)
	}
	seen := func(p *packet) { p.eth.DstMAC = hardware(virtualMAC) }
	for _, c := range []struct {
		name, want string
		change     func(*packet)
	}{
		{"the first", "accept-new", all(first, seen)},
		{"the first, handed over", "drop-handover", all(first, fromNode(2), ttl(63))},
		{"a later one", "accept-fragment", all(later, seen)},
	} {
		moved := fx.counted(func() { fx.run(fx.frame("ip", c.change)) })
		if moved["web/"+c.want] != 1 {
			t.Errorf("%s: counters %v, want %s", c.name, moved, c.want)
		}
	}
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
	for _, how := range attachOrder("") {
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
