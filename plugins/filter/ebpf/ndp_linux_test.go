package ebpf

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/netip"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const (
	vip6    = "fd00:1::100"
	real6   = "fd00:1::1"
	client6 = "fd00:1::50"
	link6   = "fe80::ff:fe00:1" // of ownMAC, RFC 4291, appendix A
)

var virtualMAC6 = sdk.MAC{0x5a, 0xfe, 0, 0, 1, 0}

// six adds an IPv6 address to a configuration.
func six(c sdk.FilterConfig) sdk.FilterConfig {
	i := &c.Interfaces[0]
	i.Addresses = append(i.Addresses, addr(vip6))
	if !i.Directed {
		i.MACs = append(i.MACs, virtualMAC6)
	}
	return c
}

func newSix(t testing.TB, invisible bool, order ...string) *fixture {
	t.Helper()
	fx := newFixture(t, order...)
	fx.config = six(webConfig())
	if invisible {
		fx.config = six(invisibleConfig())
	}
	_, err := fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
	return fx
}

// nd is a message of neighbour discovery. It begins as a client's question for the
// virtual address.
type nd struct {
	eth     layers.Ethernet
	ip      layers.IPv6
	icmp    layers.ICMPv6
	target  string
	flags   byte // R, S, O: the upper three bits; not 0 makes an advertisement
	options []byte
}

func ip6(s string) net.IP { return net.IP(netip.MustParseAddr(s).AsSlice()) }

// macOption is a link-layer address option: type 1 is the source's, 2 the target's.
func macOption(kind byte, mac sdk.MAC) []byte { return append([]byte{kind, 1}, mac[:]...) }

func ndFrame(t testing.TB, change func(*nd)) []byte {
	t.Helper()
	m := nd{
		eth:    layers.Ethernet{SrcMAC: hardware(clientMAC), DstMAC: hardware(sdk.MAC{0x33, 0x33, 0xff, 0, 1, 0}), EthernetType: layers.EthernetTypeIPv6},
		ip:     layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: ip6(client6), DstIP: ip6("ff02::1:ff00:100")},
		icmp:   layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(135, 0)},
		target: vip6, options: macOption(1, clientMAC),
	}
	if change != nil {
		change(&m)
	}
	body := append([]byte{m.flags, 0, 0, 0}, ip6(m.target)...)
	body = append(body, m.options...)
	check0(t, m.icmp.SetNetworkLayerForChecksum(&m.ip))
	buf := gopacket.NewSerializeBuffer()
	check0(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, &m.eth, &m.ip, &m.icmp, gopacket.Payload(body)))
	return buf.Bytes()
}

// advertisement is what must come back to a client.
func advertisement(t testing.TB, claims, to sdk.MAC, dst string, flags byte) []byte {
	t.Helper()
	return ndFrame(t, func(m *nd) {
		m.eth.SrcMAC, m.eth.DstMAC = hardware(ownMAC), hardware(to)
		m.ip.SrcIP, m.ip.DstIP = ip6(vip6), ip6(dst)
		m.icmp.TypeCode = layers.CreateICMPv6TypeCode(136, 0)
		m.flags, m.options = flags, macOption(2, claims)
	})
}

const (
	solicited = 0x40
	override  = 0x20
)

type ndCase struct {
	name    string
	row     uint32
	noLease bool
	change  func(*nd)
	raw     func([]byte) []byte
	want    string // pass, drop, send
	reason  string
	claims  sdk.MAC // send: the address that the answer gives in directed mode
}

func ndToUs(m *nd)   { m.eth.DstMAC, m.ip.DstIP = hardware(ownMAC), ip6(vip6) }
func noOption(m *nd) { m.options = nil }

func ndAll(changes ...func(*nd)) func(*nd) {
	return func(m *nd) {
		for _, c := range changes {
			c(m)
		}
	}
}

// advertised makes the message one that says the virtual address is at mac.
func advertised(mac sdk.MAC) func(*nd) {
	return func(m *nd) {
		m.eth.SrcMAC, m.eth.DstMAC = hardware(mac), hardware(sdk.MAC{0x33, 0x33, 0, 0, 0, 1})
		m.ip.SrcIP, m.ip.DstIP = ip6(vip6), ip6("ff02::1")
		m.icmp.TypeCode = layers.CreateICMPv6TypeCode(136, 0)
		m.flags, m.options = override, macOption(2, mac)
	}
}

func ndCases() []ndCase {
	nonce := append([]byte{14, 1}, make([]byte, 6)...) // RFC 3971, RFC 7527
	return []ndCase{
		{name: "multicast, owner", row: rowOf(1), want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "multicast, not owner", row: rowOf(2), want: "drop", reason: "drop-ndp-other"},
		{name: "multicast, previous owner", row: rowOf(2, 1), want: "drop", reason: "drop-ndp-other"},
		{name: "multicast, nobody", row: 0, want: "drop", reason: "drop-nobody"},
		{name: "multicast, owner, no lease", row: rowOf(1), noLease: true, want: "drop", reason: "drop-lease"},
		{name: "unicast, owner", row: rowOf(1), change: ndToUs, want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "unicast, not owner", row: rowOf(2), change: ndToUs, want: "send", reason: "ndp-refresh", claims: macOf(2)},
		{name: "unicast, not owner, no lease", row: rowOf(2), noLease: true, change: ndToUs, want: "drop", reason: "drop-lease"},
		{name: "unicast to another node", row: rowOf(2), change: ndAll(ndToUs, func(m *nd) { m.eth.DstMAC = hardware(macOf(2)) }), want: "drop", reason: "drop-ndp-other"},
		{name: "no option", row: rowOf(1), change: ndAll(ndToUs, noOption), want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "a nonce besides", row: rowOf(1), change: func(m *nd) { m.options = append(nonce, m.options...) }, want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "probe for a duplicate", row: rowOf(1), change: ndAll(noOption, func(m *nd) { m.ip.SrcIP = net.IPv6zero }), want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "probe for a duplicate with a nonce", row: rowOf(1), change: func(m *nd) { m.ip.SrcIP, m.options = net.IPv6zero, nonce }, want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "padded frame", row: rowOf(1), raw: func(b []byte) []byte { return append(b, 1, 2, 3, 4) }, want: "send", reason: "ndp-answer", claims: ownMAC},
		{name: "another address", row: rowOf(1), change: func(m *nd) { m.target = real6 }, want: "pass"},
		{name: "answer about another address", row: rowOf(1), change: ndAll(advertised(clientMAC), func(m *nd) { m.target = client6 }), want: "pass"},
		{name: "router solicitation", row: rowOf(1), change: func(m *nd) { m.icmp.TypeCode = layers.CreateICMPv6TypeCode(133, 0) }, want: "pass"},
		{name: "hop limit", row: rowOf(1), change: func(m *nd) { m.ip.HopLimit = 254 }, want: "drop", reason: "drop-malformed"},
		{name: "code", row: rowOf(1), change: func(m *nd) { m.icmp.TypeCode = layers.CreateICMPv6TypeCode(135, 1) }, want: "drop", reason: "drop-malformed"},
		{name: "checksum", row: rowOf(1), raw: func(b []byte) []byte { b[57] ^= 1; return b }, want: "drop", reason: "drop-malformed"},
		{name: "option without length", row: rowOf(1), change: func(m *nd) { m.options = make([]byte, 8) }, want: "drop", reason: "drop-malformed"},
		{name: "option longer than the message", row: rowOf(1), change: func(m *nd) { m.options[1] = 2 }, want: "drop", reason: "drop-malformed"},
		{name: "cut", row: rowOf(1), raw: func(b []byte) []byte { return b[:80] }, want: "drop", reason: "drop-malformed"},
		{name: "announcement of a peer", row: rowOf(1), change: advertised(macOf(2)), want: "drop", reason: "drop-ndp-announce"},
		{name: "announcement of a stranger", row: rowOf(1), change: advertised(clientMAC), want: "drop", reason: "drop-stranger"},
		{name: "announcement of a stranger, no option", row: rowOf(1), change: ndAll(advertised(clientMAC), noOption), want: "drop", reason: "drop-stranger"},
		{name: "question in the name of the address", row: rowOf(1), change: func(m *nd) { m.ip.SrcIP, m.target = ip6(vip6), real6 }, want: "drop", reason: "drop-stranger"},
	}
}

func TestNDP(t *testing.T) {
	for _, p := range programs() {
		for _, invisible := range []bool{false, true} {
			name := p.name + "/directed"
			if invisible {
				name = p.name + "/invisible"
			}
			t.Run(name, func(t *testing.T) {
				fx := newSix(t, invisible, p.name)
				for _, c := range ndCases() {
					if invisible && c.want == "send" {
						c.claims = virtualMAC6
					}
					fx.checkND(t, p, c)
				}
			})
		}
	}
}

func (fx *fixture) checkND(t *testing.T, p program, c ndCase) {
	t.Helper()
	fx.set(c.row, true)
	lease := bootNow(t) + hour
	if c.noLease {
		lease = bootNow(t) - 1
	}
	check0(t, fx.filter.Renew(lease))
	frame := ndFrame(t, c.change)
	if c.raw != nil {
		frame = c.raw(frame)
	}
	want := bytes.Clone(frame)
	if c.want == "send" {
		want = advertisement(t, c.claims, clientMAC, client6, solicited|override)
		if bytes.Equal(frame[22:38], net.IPv6zero) {
			want = advertisement(t, c.claims, clientMAC, "ff02::1", override) // in a frame that other neighbours do not get
		}
	}
	var code uint32
	var out []byte
	moved := fx.counted(func() { code, out = p.run(fx, frame) })
	wantMoved := map[string]uint64{}
	if c.reason != "" {
		wantMoved["web/"+c.reason] = 1
	}
	if got := p.codes[code]; got != c.want || !maps.Equal(moved, wantMoved) {
		t.Errorf("%s: verdict %s, counters %v, want %s, %v", c.name, got, moved, c.want, wantMoved)
		return
	}
	if !bytes.Equal(out, want) {
		t.Errorf("%s: frame is\n%x, want\n%x", c.name, out, want)
	}
}

// TestNDPMended: what the kernel sends in the name of a virtual address gets the
// interface's own, and what it would answer does not leave.
func TestNDPMended(t *testing.T) {
	asVIP := func(m *nd) {
		m.eth.SrcMAC, m.options = hardware(ownMAC), macOption(1, ownMAC)
		m.ip.SrcIP, m.target = ip6(vip6), client6
	}
	own := advertised(ownMAC)
	virtually := func(m *nd) { m.options = macOption(2, virtualMAC6) }
	for _, invisible := range []bool{false, true} {
		fx := newSix(t, invisible)
		announced := own
		if invisible {
			announced = ndAll(own, virtually)
		}
		cases := []struct {
			name   string
			change func(*nd)
			want   func(*nd) // nil: it does not leave
			mended bool
		}{
			{"question as the virtual address", asVIP, ndAll(asVIP, func(m *nd) { m.ip.SrcIP = ip6(link6) }), true},
			{"the same, without an option", ndAll(asVIP, noOption), ndAll(asVIP, noOption, func(m *nd) { m.ip.SrcIP = ip6(link6) }), true},
			{"question as itself", ndAll(asVIP, func(m *nd) { m.ip.SrcIP = ip6(real6) }), ndAll(asVIP, func(m *nd) { m.ip.SrcIP = ip6(real6) }), false},
			{"somebody else's, bridged", ndAll(asVIP, func(m *nd) { m.eth.SrcMAC = hardware(macOf(2)) }), ndAll(asVIP, func(m *nd) { m.eth.SrcMAC = hardware(macOf(2)) }), false},
			{"announcement", own, announced, invisible},
			{"announcement of the virtual address", ndAll(own, virtually), ndAll(own, virtually), false},
			{"answer", ndAll(own, func(m *nd) { m.flags |= solicited }), nil, false},
			{"answer about itself", ndAll(own, func(m *nd) { m.flags |= solicited; m.target = real6 }), ndAll(own, func(m *nd) { m.flags |= solicited; m.target = real6 }), false},
		}
		for _, c := range cases {
			frame := ndFrame(t, c.change)
			opts := bpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+64), Context: [11]uint32{10: uint32(fx.ifindex)}}
			var code uint32
			moved := fx.counted(func() {
				var err error
				code, err = fx.filter.objs.FilterOut.Run(&opts)
				check0(t, err)
			})
			if leaves := code == 0xffffffff; leaves != (c.want != nil) || (moved["web/ndp-mended"] == 1) != c.mended {
				t.Errorf("invisible %v, %s: verdict %d, counters %v", invisible, c.name, int32(code), moved)
				continue
			}
			if c.want != nil && !bytes.Equal(opts.DataOut, ndFrame(t, c.want)) {
				t.Errorf("invisible %v, %s: frame is\n%x, want\n%x", invisible, c.name, opts.DataOut, ndFrame(t, c.want))
			}
		}
	}
}

// TestNDPHidden: a question behind extension headers reaches the kernel, which
// answers; the answer does not leave.
func TestNDPHidden(t *testing.T) {
	for _, p := range programs() {
		fx := newSix(t, true, p.name)
		addAddr(t, "eth0", real6+"/64")
		addAddr(t, "eth0", vip6+"/128")
		fx.set(rowOf(1), true)
		plain := ndFrame(t, func(m *nd) { m.eth.DstMAC = hardware(sdk.MAC{0x33, 0x33, 0xff, 0, 1, 0}) })
		frame := bytes.Clone(plain[:54])
		frame[20] = 60 // destination options: eight bytes of padding, RFC 8200
		frame[19] += 8
		frame = append(frame, 58, 0, 1, 4, 0, 0, 0, 0)
		frame, send := append(frame, plain[54:]...), sender(t, "other0")
		eventually(t, "an answer was stopped", func() bool { // not before the interface is ready
			send(frame)
			return fx.count("drop-ndp-own") > 0
		})
		if n := fx.count("ndp-answer"); n != 0 {
			t.Errorf("%s: it was answered %d times", p.name, n)
		}
	}
}
