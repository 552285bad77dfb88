package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

const goldenFile = "testdata/verdicts.txt"

// In the golden table this node is number 3, so that there are nodes below and
// above it.
const goldenSelf = 3

// TestGolden writes down what becomes of every kind of packet in every state, as
// the kernel's program decides it, and compares with testdata/verdicts.txt
// (UPDATE=1 rewrites it). Each frame is also held against share.Filter, and what
// is sent on is checked byte by byte.
func TestGolden(t *testing.T) {
	tw := newTwins(t, 1)
	packets := tw.goldenPackets()
	var text strings.Builder
	text.WriteString(goldenHead)
	cases := 0
	for _, state := range goldenStates() {
		for _, sender := range goldenSenders() {
			fmt.Fprintf(&text, "\n%s, %s\n\n%-34s", state.name, sender.name, "")
			for _, row := range goldenRows() {
				fmt.Fprintf(&text, " %-19s", "["+row.String()+"]")
			}
			text.WriteString("\n")
			cells := make([][]string, len(packets))
			for _, row := range goldenRows() {
				tw.stand(state.here, row)
				for n, p := range packets {
					cells[n] = append(cells[n], tw.cell(p.name, sender.change(bytes.Clone(p.frame))))
					cases++
				}
			}
			for n, p := range packets {
				fmt.Fprintf(&text, "%-34s %s\n", p.name, strings.TrimRight(strings.Join(cells[n], " "), " "))
			}
		}
	}
	t.Logf("%d cases", cases)
	if os.Getenv("UPDATE") != "" {
		check0(t, os.MkdirAll("testdata", 0o755))
		check0(t, os.WriteFile(goldenFile, []byte(text.String()), 0o644))
		return
	}
	want, err := os.ReadFile(goldenFile)
	check0(t, err)
	wanted, got := strings.Split(string(want), "\n"), strings.Split(text.String(), "\n")
	for n := range max(len(wanted), len(got)) {
		if n >= len(wanted) || n >= len(got) || wanted[n] != got[n] {
			t.Fatalf("%s, line %d:\nwant %s\ngot  %s\n(UPDATE=1 rewrites the file)", goldenFile, n+1, at(wanted, n), at(got, n))
		}
	}
}

func at(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return "nothing"
}

const goldenHead = `What becomes of a frame, as the kernel's program decides. This node is 3.

A column is a row of the table: [owner<previous owners, the latest first], 0 is
nobody. A cell is the reason; behind it where the frame is sent, and * if that is
on the round. A point: it passes untouched and uncounted.
`

func goldenRows() []share.Row {
	return []share.Row{
		share.MakeRow(3), share.MakeRow(2), share.MakeRow(3, 2), share.MakeRow(2, 3), share.MakeRow(3, 4, 2),
		share.MakeRow(4, 2), share.MakeRow(0, 3), share.MakeRow(0, 2), 0,
	}
}

type goldenState struct {
	name string
	here share.Here
}

func goldenStates() []goldenState {
	here := func(serves, ready, agreed bool) share.Here {
		return share.Here{Self: goldenSelf, Serves: serves, Ready: ready, Agreed: agreed}
	}
	return []goldenState{
		{"all well", here(true, true, true)},
		{"application not ready", here(true, false, true)},
		{"no lease", here(false, true, true)},
		{"nodes may not agree", here(true, true, false)},
	}
}

type goldenSender struct {
	name   string
	change func(frame []byte) []byte
}

// goldenSenders: a frame is as a client sends it, or as a node forwards it.
func goldenSenders() []goldenSender {
	from := func(node, hops uint8) func([]byte) []byte {
		return func(b []byte) []byte {
			mac := macOf(node)
			copy(b[6:12], mac[:])
			if l3 := ipAt(b); l3 > 0 && hopsOf(b, l3) >= 60 {
				setHops(b, l3, hops)
			}
			return b
		}
	}
	return []goldenSender{
		{"from a client", func(b []byte) []byte { return b }},
		{"from node 2", from(2, 62)},
		{"from node 2, on the round", from(2, 61)},
	}
}

// ipAt is where the IP header of a frame begins; 0: it has none.
func ipAt(b []byte) int {
	at := 14
	if binary.BigEndian.Uint16(b[12:]) == 0x8100 {
		at = 18
	}
	if len(b) < at+20 {
		return 0
	}
	return at
}

func hopsOf(b []byte, l3 int) uint8 {
	if b[l3]>>4 == 6 {
		return b[l3+7]
	}
	return b[l3+8]
}

// setHops sets TTL or hop limit and computes the checksum of an IPv4 header anew.
func setHops(b []byte, l3 int, hops uint8) {
	if b[l3]>>4 == 6 {
		b[l3+7] = hops
		return
	}
	b[l3+8] = hops
	header := b[l3 : l3+max(20, min(int(b[l3]&15)*4, len(b)-l3))]
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], checksum(header))
}

// stand puts kernel and twin into a state, with one row for every bucket.
func (tw *twins) stand(here share.Here, row share.Row) {
	t := tw.t
	if tw.config.Self != uint8(here.Self) || tw.twin.Self != here.Self {
		tw.config.Self = uint8(here.Self)
		_, err := tw.filter.Configure(context.Background(), tw.config)
		check0(t, err)
	}
	tw.twin.Here, tw.twin.Rows = here, map[string]share.Rows{}
	table := sdk.FilterTable{Module: "web", Accept: here.Ready, Agreed: here.Agreed, Groups: map[string][]sdk.Row{}, MACs: map[uint8][]sdk.MAC{}}
	for n, mac := range tw.twin.Nodes {
		table.MACs[uint8(n)] = []sdk.MAC{sdk.MAC(mac)}
	}
	for _, g := range tw.config.Groups {
		table.Groups[g.Name] = rowsOf(uint32(row))
		rows := make(share.Rows, share.Buckets)
		for b := range rows {
			rows[b] = row
		}
		tw.twin.Rows[g.Name] = rows
	}
	check0(t, tw.filter.SetTable(context.Background(), table))
	lease := bootNow(t) + hour
	if !here.Serves {
		lease = bootNow(t) - 1
	}
	check0(t, tw.filter.Renew(lease))
	tw.forget()
}

// cell runs a frame and says in a word what became of it.
func (tw *twins) cell(name string, frame []byte) string {
	var out []byte
	var code uint32
	o, judged := tw.twin.Judge(bytes.Clone(frame))
	moved := tw.countedAt(func() { code, out = tw.run(frame) })
	if len(moved) > 1 {
		tw.t.Errorf("%s: counters %v moved", name, moved)
	}
	reason := ""
	for r, n := range moved {
		if reason = r[strings.LastIndex(r, "/")+1:]; n != 1 {
			tw.t.Errorf("%s: counters %v moved", name, moved)
		}
		if judged && r != counterOf(o) {
			tw.t.Errorf("%s: the kernel says %s, the twin %s", name, r, counterOf(o))
		}
	}
	if judged && reason != string(o.Reason) {
		tw.t.Errorf("%s: the kernel says %s, the twin %s", name, reason, o.Reason)
	}
	word := map[uint32]string{1: "drop", 2: "accept", 3: "forward"}[code]
	if reason != "" && !strings.HasPrefix(reason, word) {
		tw.t.Errorf("%s: reason %s, but the verdict is %d", name, reason, code)
	}
	if word != "forward" {
		if !bytes.Equal(out, frame) {
			tw.t.Errorf("%s: the frame was changed", name)
		}
		if reason == "" {
			reason = "."
		}
		return fmt.Sprintf("%-19s", reason)
	}
	to := out[5]
	l3 := ipAt(frame)
	odd := hopsOf(out, l3)&1 == 1
	hops := hopsOf(frame, l3) - 1
	if (hops&1 == 1) != odd {
		hops--
	}
	want := bytes.Clone(frame)
	mac := macOf(to)
	copy(want, mac[:])
	copy(want[6:], ownMAC[:])
	setHops(want, l3, hops)
	if !bytes.Equal(out, want) {
		tw.t.Errorf("%s: sent on as\n%x, want\n%x", name, out, want)
	}
	mark := ""
	if odd {
		mark = "*"
	}
	return fmt.Sprintf("%-19s", fmt.Sprintf("%s>%d%s", reason, to, mark))
}

type goldenPacket struct {
	name  string
	frame []byte
}

// goldenPackets are the packets of the table, for both families.
func (tw *twins) goldenPackets() []goldenPacket {
	var all []goldenPacket
	for _, four := range []bool{true, false} {
		c := crafter{t: tw.t, four: four, open: tw.openPort(four)}
		all = append(all, c.packets()...)
	}
	return all
}

// openPort is the client's port of the connection that this node has.
func (tw *twins) openPort(four bool) uint16 {
	client, local := addr(clientIP), addr(vip)
	if !four {
		client, local = addr(client6), addr(vip6)
	}
	for _, port := range tw.maker.ports[6:] {
		if tw.known[socketName("tcp", netip.AddrPortFrom(client, port), netip.AddrPortFrom(local, openPort))] == share.Connected {
			return port
		}
	}
	tw.t.Fatal("no open connection")
	return 0
}

// crafter crafts packets with gopacket.
type crafter struct {
	t    testing.TB
	four bool
	open uint16
}

func (c crafter) serialize(ls ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	check0(c.t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	return bytes.Clone(buf.Bytes())
}

// ip makes Ethernet and IP headers for a protocol.
func (c crafter) ip(proto layers.IPProtocol) (eth *layers.Ethernet, ip gopacket.SerializableLayer, net gopacket.NetworkLayer) {
	eth = &layers.Ethernet{SrcMAC: hardware(clientMAC), DstMAC: hardware(ownMAC), EthernetType: layers.EthernetTypeIPv4}
	if c.four {
		four := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: ip4(clientIP), DstIP: ip4(vip), Id: 7}
		return eth, four, four
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	six := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: ip4(client6), DstIP: ip4(vip6)}
	return eth, six, six
}

func (c crafter) tcp(from, to uint16, change func(*layers.TCP)) []byte {
	eth, ip, net := c.ip(layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: layers.TCPPort(from), DstPort: layers.TCPPort(to), Seq: 7, Window: 1000, ACK: true}
	if change != nil {
		change(tcp)
	}
	check0(c.t, tcp.SetNetworkLayerForChecksum(net))
	return c.serialize(eth, ip, tcp)
}

func (c crafter) udp(from, to uint16) []byte {
	eth, ip, net := c.ip(layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}
	check0(c.t, udp.SetNetworkLayerForChecksum(net))
	return c.serialize(eth, ip, udp, gopacket.Payload("question"))
}

// icmp is an ICMP message of a type, for both families, with what is quoted in it.
func (c crafter) icmp(four, six uint8, quoted []byte) []byte {
	if c.four {
		eth, ip, _ := c.ip(layers.IPProtocolICMPv4)
		return c.serialize(eth, ip, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(four, 4)}, gopacket.Payload(quoted))
	}
	eth, ip, net := c.ip(layers.IPProtocolICMPv6)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(six, 0)}
	check0(c.t, icmp.SetNetworkLayerForChecksum(net))
	return c.serialize(eth, ip, icmp, gopacket.Payload(append(make([]byte, 4), quoted...)))
}

// quote is the start of a packet that this address sent to a client.
func (c crafter) quote(proto uint8, local, client uint16) []byte {
	var b []byte
	if c.four {
		b = make([]byte, 20)
		b[0], b[8], b[9] = 0x45, 60, proto
		copy(b[12:], ip4(vip))
		copy(b[16:], ip4(clientIP))
	} else {
		b = make([]byte, 40)
		b[0], b[6], b[7] = 0x60, proto, 60
		copy(b[8:], ip4(vip6))
		copy(b[24:], ip4(client6))
	}
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, local), client)
	return append(b, make([]byte, 4)...)
}

func (c crafter) packets() []goldenPacket {
	family := map[bool]string{true: "4 ", false: "6 "}[c.four]
	var all []goldenPacket
	add := func(name string, frame []byte) { all = append(all, goldenPacket{family + name, frame}) }
	flags := func(set func(*layers.TCP)) []byte { return c.tcp(40000, 80, set) }
	add("syn", flags(func(t *layers.TCP) { t.SYN, t.ACK = true, false }))
	add("syn, a port shared by address", c.tcp(40000, 443, func(t *layers.TCP) { t.SYN, t.ACK = true, false }))
	add("ack", flags(nil))
	add("syn and ack", flags(func(t *layers.TCP) { t.SYN = true }))
	add("rst", flags(func(t *layers.TCP) { t.RST, t.ACK = true, false }))
	add("fin", flags(func(t *layers.TCP) { t.FIN = true }))
	add("of the connection that is here", c.tcp(c.open, openPort, nil))
	add("to a listener that is here", c.tcp(c.open^1, openPort, nil))
	add("tcp, no rule", c.tcp(40000, 9, nil))
	add("udp", c.udp(40000, 53))
	add("udp of a connected socket", c.udp(80, 53))
	add("udp to a socket that is bound", c.udp(40000, 443))
	add("udp by identification", c.udp(40000, 5000))
	add("udp, no rule", c.udp(40000, 9))
	add("echo", c.icmp(8, 128, nil))
	add("echo reply", c.icmp(0, 129, nil))
	add("too big, connection here", c.icmp(3, 2, c.quote(6, openPort, c.open)))
	add("too big, other connection", c.icmp(3, 2, c.quote(6, 80, 40000)))
	add("too big, connected udp", c.icmp(3, 2, c.quote(17, 53, 80)))
	add("time exceeded, udp", c.icmp(11, 3, c.quote(17, 53, 40000)))
	add("too big about gre", c.icmp(3, 2, c.quote(47, 0, 0)))
	add("too big, quote cut short", c.icmp(3, 2, c.quote(6, 80, 40000)[:20]))
	all = append(all, c.changed(family)...)
	return all
}

// changed are packets that something was done to.
func (c crafter) changed(family string) []goldenPacket {
	var all []goldenPacket
	add := func(name string, frame []byte) { all = append(all, goldenPacket{family + name, frame}) }
	alter := func(name string, frame []byte, change func([]byte)) { change(frame); add(name, frame) }
	ack := func() []byte { return c.tcp(40000, 80, nil) }
	tagged := func(control uint16) []byte {
		b := ack()
		tag := binary.BigEndian.AppendUint16([]byte{0x81, 0}, control)
		return append(append(bytes.Clone(b[:12]), tag...), b[12:]...)
	}
	add("priority tag", tagged(0xe000))
	add("of VLAN 5", tagged(0x0005))
	alter("to another node's MAC", ack(), func(b []byte) { b[5] = 9 })
	alter("to all", ack(), func(b []byte) { copy(b, bytes.Repeat([]byte{255}, 6)) })
	alter("to an address of this node", ack(), func(b []byte) { b[map[bool]int{true: 33, false: 53}[c.four]] = 1 })
	for _, hops := range []uint8{1, 2, 3, 255} {
		alter(fmt.Sprintf("hops %d", hops), ack(), func(b []byte) { setHops(b, 14, hops) })
	}
	add("cut within the TCP header", ack()[:map[bool]int{true: 14 + 20 + 12, false: 14 + 40 + 12}[c.four]])
	alter("IP length without room for TCP", ack(), func(b []byte) {
		b[map[bool]int{true: 17, false: 19}[c.four]] = map[bool]byte{true: 39, false: 19}[c.four]
	})
	alter("another version", ack(), func(b []byte) { b[14] = 0x50 })
	alter("TCP header too short by its word", ack(), func(b []byte) { b[map[bool]int{true: 46, false: 66}[c.four]] = 0x40 })
	add("gre", c.serializeIP(47, make([]byte, 12)))
	add("first fragment", c.fragment(5, 0, true, c.udp(80, 53)))
	add("later fragment of it", c.fragment(5, 185, false, c.udp(80, 53)))
	add("first fragment of another", c.fragment(6, 0, true, c.udp(40000, 53)))
	add("later fragment of that", c.fragment(6, 185, false, c.udp(40000, 53)))
	add("later fragment of an unknown", c.fragment(9, 185, false, c.udp(80, 53)))
	if c.four {
		b := ack()
		options := append(append(bytes.Clone(b[:34]), 148, 4, 0, 0), b[34:]...)
		options[14] = 0x46
		binary.BigEndian.PutUint16(options[16:], uint16(len(options)-14))
		setHops(options, 14, 64)
		add("IP options", options)
		alter("IP options beyond the frame", ack(), func(b []byte) { b[14] = 0x4f })
		return all
	}
	for _, x := range []struct {
		name string
		kind uint8
	}{{"hop-by-hop", 0}, {"routing header", 43}, {"destination options", 60}, {"atomic fragment", 44}, {"authentication header", 51}} {
		add(x.name, c.extended(ack(), 1, x.kind))
	}
	add("six extension headers", c.extended(ack(), 6, 60))
	add("seven extension headers", c.extended(ack(), 7, 60))
	alter("extension header beyond the frame", c.extended(ack(), 1, 60), func(b []byte) { b[55] = 200 })
	return all
}

// serializeIP is a packet of any protocol.
func (c crafter) serializeIP(proto uint8, body []byte) []byte {
	eth, ip, _ := c.ip(layers.IPProtocol(proto))
	return c.serialize(eth, ip, gopacket.Payload(body))
}

// extended puts n extension headers of a kind behind the IPv6 header.
func (c crafter) extended(frame []byte, n int, kind uint8) []byte {
	for range n {
		header := []byte{frame[20], 0, 0, 0, 0, 0, 0, 0}
		frame = append(append(bytes.Clone(frame[:54]), header...), frame[54:]...)
		frame[20] = kind
		binary.BigEndian.PutUint16(frame[18:], uint16(len(frame)-54))
	}
	return frame
}

// fragment makes a frame one part of a datagram; offset in units of eight bytes.
func (c crafter) fragment(id, offset uint16, more bool, frame []byte) []byte {
	if c.four {
		binary.BigEndian.PutUint16(frame[18:], id)
		field := offset
		if more {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(frame[20:], field)
		setHops(frame, 14, 64)
		return frame
	}
	frame = c.extended(frame, 1, 44)
	field := offset << 3
	if more {
		field |= 1
	}
	binary.BigEndian.PutUint16(frame[56:], field)
	binary.BigEndian.PutUint32(frame[58:], uint32(id))
	return frame
}

// TestJumbo: a frame that takes more than one buffer is judged by its first.
func TestJumbo(t *testing.T) {
	tw := newTwins(t, 2)
	tw.stand(share.Here{Self: 1, Serves: true, Ready: true, Agreed: true}, share.MakeRow(2))
	c := crafter{t: t, four: true}
	eth, ip, net := c.ip(layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 80, ACK: true}
	check0(t, tcp.SetNetworkLayerForChecksum(net))
	frame := c.serialize(eth, ip, tcp, gopacket.Payload(make([]byte, 8946)))
	out := make([]byte, len(frame)+64)
	opts := bpf.RunOptions{Data: frame, DataOut: out, Context: xdpContext{DataEnd: 2000, Ingress: uint32(tw.ifindex)}}
	code, err := tw.program(linkXDP).Run(&opts)
	check0(t, err)
	want, _ := tw.twin.Judge(frame)
	if code != 3 || !bytes.Equal(opts.DataOut, want.Frame) {
		t.Errorf("verdict %d, %d bytes: %x", code, len(opts.DataOut), opts.DataOut[:60])
	}
}
