package ebpf

import (
	"github.com/gopacket/gopacket/layers"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// verdictCase is a frame, the state of things, and what must become of it.
type verdictCase struct {
	name      string
	row       uint32
	notReady  bool
	noLease   bool
	disagreed bool // nodes may use different tables
	kind      string
	change    func(*packet)
	raw       func([]byte)

	want   string // pass (not ours), accept, drop, send
	reason string // the counter that moves; empty: none
	to     uint8  // send: the node
	ttl    uint8  // send: the TTL afterwards
}

func syn(p *packet)                  { p.tcp.SYN, p.tcp.ACK = true, false }
func fromNode(n uint8) func(*packet) { return func(p *packet) { p.eth.SrcMAC = hardware(macOf(n)) } }
func ttl(n uint8) func(*packet)      { return func(p *packet) { p.ip.TTL = n } }

// open makes the packet one of the connection that this node has.
func open(port *uint16) func(*packet) {
	return func(p *packet) { p.tcp.SrcPort, p.tcp.DstPort = layers.TCPPort(*port), openPort }
}

func all(changes ...func(*packet)) func(*packet) {
	return func(p *packet) {
		for _, c := range changes {
			c(p)
		}
	}
}

// freshCases are rule 1.
func freshCases() []verdictCase {
	return []verdictCase{
		{name: "syn, owner", row: rowOf(1), kind: "tcp", change: syn, want: "accept", reason: "accept-new"},
		{name: "syn, owner with previous owners", row: rowOf(1, 2, 3), kind: "tcp", change: syn, want: "accept", reason: "accept-new"},
		{name: "syn, owner, from peer", row: rowOf(1), kind: "tcp", change: all(syn, fromNode(2)), want: "accept", reason: "accept-new"},
		{name: "syn, not owner", row: rowOf(2), kind: "tcp", change: syn, want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, not owner, odd ttl", row: rowOf(2), kind: "tcp", change: all(syn, ttl(63)), want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, previous owner", row: rowOf(2, 1), kind: "tcp", change: syn, want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, not owner, from peer", row: rowOf(2), kind: "tcp", change: all(syn, fromNode(3)), want: "accept", reason: "accept-new"},
		{name: "syn, not owner, from the owner", row: rowOf(2), kind: "tcp", change: all(syn, fromNode(2)), want: "accept", reason: "accept-new"},
		{name: "syn, not ready, owner", row: rowOf(1), notReady: true, kind: "tcp", change: syn, want: "drop", reason: "drop-not-ready"},
		{name: "syn, not ready, owner, from peer", row: rowOf(1), notReady: true, kind: "tcp", change: all(syn, fromNode(2)), want: "drop", reason: "drop-not-ready"},
		{name: "syn, not ready, not owner", row: rowOf(2), notReady: true, kind: "tcp", change: syn, want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, not ready, from peer", row: rowOf(2), notReady: true, kind: "tcp", change: all(syn, fromNode(3)), want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, not ready, from the owner", row: rowOf(2), notReady: true, kind: "tcp", change: all(syn, fromNode(2)), want: "drop", reason: "drop-not-ready"},
		{name: "syn, no lease, owner", row: rowOf(1), noLease: true, kind: "tcp", change: syn, want: "drop", reason: "drop-lease"},
		{name: "syn, no lease, not owner", row: rowOf(2), noLease: true, kind: "tcp", change: syn, want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, no lease, from peer", row: rowOf(2), noLease: true, kind: "tcp", change: all(syn, fromNode(3)), want: "send", reason: "forward-new", to: 2, ttl: 62},
		{name: "syn, no lease, from the owner", row: rowOf(2), noLease: true, kind: "tcp", change: all(syn, fromNode(2)), want: "drop", reason: "drop-lease"},
		{name: "syn, nobody owns", row: 0, kind: "tcp", change: syn, want: "drop", reason: "drop-nobody"},
		{name: "syn, nobody owns, previous owners", row: rowOf(0, 1), kind: "tcp", change: syn, want: "drop", reason: "drop-nobody"},
		{name: "syn, owner without address", row: rowOf(9), kind: "tcp", change: syn, want: "drop", reason: "drop-no-mac"},
		{name: "syn to the open connection's listener port", row: rowOf(1), kind: "tcp", change: all(syn, func(p *packet) { p.tcp.DstPort = openPort }), want: "accept", reason: "accept-new"},
		{name: "syn and ack is not new", row: rowOf(2), kind: "tcp", change: func(p *packet) { p.tcp.SYN = true }, want: "send", reason: "forward-owner", to: 2, ttl: 62},
	}
}

// openCases are rules 2 to 5 and 7; port is that of the open connection.
func openCases(port *uint16) []verdictCase {
	return []verdictCase{
		{name: "settled, owner", row: rowOf(1), kind: "tcp", want: "accept", reason: "accept-owner"},
		{name: "settled, owner, not ready", row: rowOf(1), notReady: true, kind: "tcp", want: "accept", reason: "accept-owner"},
		{name: "settled, owner, from peer", row: rowOf(1), kind: "tcp", change: fromNode(2), want: "accept", reason: "accept-owner"},
		{name: "settled, owner, disagreement", row: rowOf(1), disagreed: true, kind: "tcp", want: "drop", reason: "drop-disagreed"},
		{name: "settled, owner, disagreement, connection here", row: rowOf(1), disagreed: true, kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "settled, not owner, disagreement, connection here", row: rowOf(2), disagreed: true, kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "settled, owner, no lease", row: rowOf(1), noLease: true, kind: "tcp", want: "drop", reason: "drop-lease"},
		{name: "settled, not owner", row: rowOf(2), kind: "tcp", want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "settled, not owner, connection here", row: rowOf(2), kind: "tcp", change: open(port), want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "settled, not owner, no lease", row: rowOf(2), noLease: true, kind: "tcp", want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "settled, not owner, from peer, connection here", row: rowOf(2), kind: "tcp", change: all(open(port), fromNode(3)), want: "accept", reason: "accept-socket"},
		{name: "settled, not owner, from peer, none here", row: rowOf(2), kind: "tcp", change: fromNode(3), want: "send", reason: "forward-previous", to: 2, ttl: 63},
		{name: "settled, not owner, on the round, owner above", row: rowOf(2), kind: "tcp", change: all(fromNode(3), ttl(61)), want: "send", reason: "forward-previous", to: 2, ttl: 59},
		{name: "fin of a settled connection", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.tcp.FIN = true }, want: "accept", reason: "accept-owner"},
		{name: "rst of a settled connection", row: rowOf(2), kind: "tcp", change: func(p *packet) { p.tcp.RST, p.tcp.ACK = true, false }, want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "owner, connection here", row: rowOf(1, 2), kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "owner, connection here, no lease", row: rowOf(1, 2), noLease: true, kind: "tcp", change: open(port), want: "drop", reason: "drop-lease"},
		{name: "owner, none here", row: rowOf(1, 2), kind: "tcp", want: "send", reason: "forward-previous", to: 2, ttl: 63},
		{name: "owner, none here, no lease", row: rowOf(1, 2), noLease: true, kind: "tcp", want: "drop", reason: "drop-lease"},
		{name: "owner, none here, lowest first", row: rowOf(1, 4, 3, 5), kind: "tcp", want: "send", reason: "forward-previous", to: 3, ttl: 63},
		{name: "owner, only a listener here", row: rowOf(1, 2), kind: "tcp", change: func(p *packet) { p.tcp.DstPort = openPort }, want: "send", reason: "forward-previous", to: 2, ttl: 63},
		{name: "owner, from peer, first asked", row: rowOf(1, 2), kind: "tcp", change: all(fromNode(3), ttl(62)), want: "send", reason: "forward-previous", to: 2, ttl: 61},
		{name: "owner, from a previous owner, first asked", row: rowOf(1, 2), kind: "tcp", change: all(fromNode(2), ttl(62)), want: "send", reason: "forward-previous", to: 2, ttl: 61},
		{name: "owner, on the round, others above", row: rowOf(1, 4, 2), kind: "tcp", change: all(fromNode(4), ttl(61)), want: "send", reason: "forward-previous", to: 2, ttl: 59},
		{name: "direct frame is never on the round", row: rowOf(1, 2), kind: "tcp", change: ttl(61), want: "send", reason: "forward-previous", to: 2, ttl: 59},
		{name: "previous owner, connection here", row: rowOf(2, 1), kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "previous owner, connection here, from peer", row: rowOf(2, 1), kind: "tcp", change: all(open(port), fromNode(2)), want: "accept", reason: "accept-socket"},
		{name: "previous owner, connection here, not ready", row: rowOf(2, 1), notReady: true, kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "previous owner, none here", row: rowOf(2, 1), kind: "tcp", want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "previous owner, on the round, owner above", row: rowOf(2, 1), kind: "tcp", change: all(fromNode(2), ttl(61)), want: "send", reason: "forward-previous", to: 2, ttl: 59},
		{name: "not in the row, connection here", row: rowOf(2, 3), kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "not in the row, none here", row: rowOf(2, 3), kind: "tcp", want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "not in the row, from peer", row: rowOf(3, 2), kind: "tcp", change: all(fromNode(3), ttl(62)), want: "send", reason: "forward-previous", to: 2, ttl: 61},
		{name: "no owner, connection here", row: rowOf(0, 1, 2), kind: "tcp", change: open(port), want: "accept", reason: "accept-socket"},
		{name: "no owner, previous owner elsewhere", row: rowOf(0, 2), kind: "tcp", want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "no owner, last previous owner", row: rowOf(0, 1), kind: "tcp", want: "accept", reason: "accept-owner"},
		{name: "nobody at all", row: 0, kind: "tcp", want: "drop", reason: "drop-nobody"},
		{name: "ttl 1 goes no further", row: rowOf(2), kind: "tcp", change: ttl(1), want: "drop", reason: "drop-ttl"},
		{name: "ttl 2 goes no further", row: rowOf(2), kind: "tcp", change: ttl(2), want: "drop", reason: "drop-ttl"},
		{name: "ttl 3 goes one step", row: rowOf(2), kind: "tcp", change: ttl(3), want: "send", reason: "forward-owner", to: 2, ttl: 2},
		{name: "ttl 1 is good enough for here", row: rowOf(1), kind: "tcp", change: ttl(1), want: "accept", reason: "accept-owner"},
		{name: "ip options", row: rowOf(2), kind: "tcp", change: ipOptions, want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "ip options, accepted", row: rowOf(1), kind: "tcp", change: all(syn, ipOptions), want: "accept", reason: "accept-new"},
		{name: "data", row: rowOf(2), kind: "tcp", change: func(p *packet) { p.body = make([]byte, 1000) }, want: "send", reason: "forward-owner", to: 2, ttl: 62},
	}
}

func laterFragment(id uint16) func(*packet) {
	return func(p *packet) { p.ip.FragOffset, p.ip.Id = 100, id }
}

func ipOptions(p *packet) {
	p.ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
}

// roundEndCases have this node as number 5, so that it can be the last of a
// round.
func roundEndCases() []verdictCase {
	return []verdictCase{
		{name: "owner, end of the round", row: rowOf(5, 2), kind: "tcp", change: all(fromNode(2), ttl(61)), want: "accept", reason: "accept-reset"},
		{name: "owner, end of the round, no lease", row: rowOf(5, 2), noLease: true, kind: "tcp", change: all(fromNode(2), ttl(61)), want: "drop", reason: "drop-lease"},
		{name: "previous owner, end of the round", row: rowOf(2, 5), kind: "tcp", change: all(fromNode(2), ttl(61)), want: "accept", reason: "accept-reset"},
		{name: "previous owner, first asked", row: rowOf(6, 5), kind: "tcp", change: all(fromNode(2), ttl(62)), want: "send", reason: "forward-previous", to: 6, ttl: 61},
		{name: "not in the row, on the round", row: rowOf(2, 6), kind: "tcp", change: all(fromNode(2), ttl(61)), want: "send", reason: "forward-previous", to: 6, ttl: 59},
		{name: "not in the row, end of the round", row: rowOf(2, 3), kind: "tcp", change: all(fromNode(3), ttl(61)), want: "accept", reason: "accept-reset"},
	}
}

// otherCases are what is not TCP, and what is broken.
func otherCases(port *uint16) []verdictCase {
	icmpError := func(typ uint8) func(*packet) {
		return func(p *packet) {
			p.icmp.TypeCode = layers.CreateICMPv4TypeCode(typ, 4)
			p.body = innerPacket(vip, clientIP, openPort, *port)
		}
	}
	return []verdictCase{
		{name: "udp to the address", row: rowOf(1), kind: "ip", change: func(p *packet) { p.ip.Protocol, p.body = 17, []byte{1, 2, 0, 80, 0, 8, 0, 0} }, want: "drop", reason: "drop-no-rule"},
		{name: "port without a rule", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.tcp.DstPort = 81 }, want: "drop", reason: "drop-no-rule"},
		{name: "another address", row: rowOf(2), kind: "tcp", change: func(p *packet) { p.ip.DstIP = ip4(realIP) }, want: "pass"},
		{name: "another node's frame, flooded", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.DstMAC = hardware(macOf(2)) }, want: "pass"},
		{name: "broadcast frame", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.DstMAC = hardware(sdk.MAC{255, 255, 255, 255, 255, 255}) }, want: "drop", reason: "drop-broadcast"},
		{name: "first fragment", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.ip.Flags, p.ip.Id = layers.IPv4MoreFragments, 1 }, want: "accept", reason: "accept-owner"},
		{name: "later fragment", row: rowOf(1), kind: "tcp", change: laterFragment(1), want: "accept", reason: "accept-fragment"},
		{name: "later fragment of it, though the row has changed", row: rowOf(2), kind: "tcp", change: laterFragment(1), want: "accept", reason: "accept-fragment"},
		{name: "first fragment, not owner", row: rowOf(2), kind: "tcp", change: func(p *packet) { p.ip.Flags, p.ip.Id = layers.IPv4MoreFragments, 2 }, want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "later fragment of that", row: rowOf(3), kind: "tcp", change: laterFragment(2), want: "send", reason: "forward-fragment", to: 2, ttl: 62},
		{name: "later fragment of an unknown datagram", row: rowOf(3), kind: "tcp", change: laterFragment(3), want: "send", reason: "forward-fragment", to: 3, ttl: 62},
		{name: "later fragment of an unknown datagram, from peer", row: rowOf(3), kind: "tcp", change: all(laterFragment(3), fromNode(2)), want: "accept", reason: "accept-fragment"},
		{name: "later fragment, no lease", row: rowOf(1), noLease: true, kind: "tcp", change: laterFragment(1), want: "drop", reason: "drop-lease"},
		{name: "first fragment without ports", row: rowOf(1), kind: "ip", change: func(p *packet) { p.ip.Flags, p.body = layers.IPv4MoreFragments, make([]byte, 8) }, want: "drop", reason: "drop-malformed"},
		{name: "do not fragment is no fragment", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.ip.Flags = layers.IPv4DontFragment }, want: "accept", reason: "accept-owner"},
		{name: "cut TCP header", row: rowOf(1), kind: "ip", change: func(p *packet) { p.body = make([]byte, 12) }, want: "drop", reason: "drop-malformed"},
		{name: "no TCP header", row: rowOf(1), kind: "ip", want: "drop", reason: "drop-malformed"},
		{name: "TCP header too short by its own word", row: rowOf(1), kind: "ip", change: func(p *packet) { p.body = make([]byte, 20) }, want: "drop", reason: "drop-malformed"},
		{name: "IP header shorter than it may be", row: rowOf(1), kind: "tcp", raw: func(b []byte) { b[14] = 0x44 }, want: "drop", reason: "drop-malformed"},
		{name: "IP version 6 in an IPv4 frame", row: rowOf(1), kind: "tcp", raw: func(b []byte) { b[14] = 0x65 }, want: "drop", reason: "drop-malformed"},
		{name: "IP length shorter than its header", row: rowOf(1), kind: "tcp", raw: func(b []byte) { b[16], b[17] = 0, 19 }, want: "drop", reason: "drop-malformed"},
		{name: "IP length without room for TCP", row: rowOf(1), kind: "tcp", raw: func(b []byte) { b[16], b[17] = 0, 39 }, want: "drop", reason: "drop-malformed"},
		{name: "IP options beyond the frame", row: rowOf(1), kind: "ip", raw: func(b []byte) { b[14], b[16], b[17] = 0x4f, 0, 80 }, want: "drop", reason: "drop-malformed"},
		{name: "ipv6", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.EthernetType = layers.EthernetTypeIPv6 }, want: "pass"},
		{name: "vlan tag", row: rowOf(1), kind: "tcp", change: func(p *packet) { p.eth.EthernetType = layers.EthernetTypeDot1Q }, want: "pass"},
		{name: "echo, owner", row: rowOf(1), kind: "icmp", want: "accept", reason: "accept-echo"},
		{name: "echo, not owner", row: rowOf(2), kind: "icmp", want: "send", reason: "forward-echo", to: 2, ttl: 62},
		{name: "echo, from peer", row: rowOf(2), kind: "icmp", change: fromNode(3), want: "accept", reason: "accept-echo"},
		{name: "echo, no lease", row: rowOf(1), noLease: true, kind: "icmp", want: "drop", reason: "drop-lease"},
		{name: "echo reply", row: rowOf(1), kind: "icmp", change: func(p *packet) { p.icmp.TypeCode = 0 }, want: "drop", reason: "drop-no-rule"},
		{name: "icmp cut short", row: rowOf(1), kind: "ip", change: func(p *packet) { p.ip.Protocol, p.body = 1, make([]byte, 4) }, want: "drop", reason: "drop-malformed"},
		{name: "too big, settled", row: rowOf(2), kind: "icmp", change: icmpError(3), want: "send", reason: "forward-owner", to: 2, ttl: 62},
		{name: "too big, connection here", row: rowOf(2, 1), kind: "icmp", change: icmpError(3), want: "accept", reason: "accept-socket"},
		{name: "time exceeded, connection here", row: rowOf(2, 1), kind: "icmp", change: icmpError(11), want: "accept", reason: "accept-socket"},
		{name: "unreachable for another's packet", row: rowOf(1), kind: "icmp", change: func(p *packet) {
			p.icmp.TypeCode = layers.CreateICMPv4TypeCode(3, 1)
			p.body = innerPacket(realIP, clientIP, 80, 40000)
		}, want: "drop", reason: "drop-no-rule"},
		{name: "unreachable cut short", row: rowOf(1), kind: "icmp", change: func(p *packet) {
			p.icmp.TypeCode = layers.CreateICMPv4TypeCode(3, 1)
			p.body = innerPacket(vip, clientIP, 80, 40000)[:22]
		}, want: "drop", reason: "drop-malformed"},
	}
}

// innerPacket is the start of a packet inside an ICMP error.
func innerPacket(src, dst string, sport, dport uint16) []byte {
	b := make([]byte, 28)
	b[0], b[8], b[9] = 0x45, 60, 6
	copy(b[12:], ip4(src))
	copy(b[16:], ip4(dst))
	b[20], b[21], b[22], b[23] = byte(sport>>8), byte(sport), byte(dport>>8), byte(dport)
	return b
}
