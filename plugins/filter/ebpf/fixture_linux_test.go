package ebpf

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"strings"
	"testing"

	bpf "github.com/cilium/ebpf"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// In the fixture this node is number 1; its interface is eth0.
const (
	self     = uint8(1)
	vip      = "10.1.0.100"
	realIP   = "10.1.0.1"
	clientIP = "10.1.0.50"
	openPort = 8080
)

var (
	ownMAC    = macOf(1)
	clientMAC = macOf(50)
)

// fixture is a filter on a veth in a namespace of its own.
type fixture struct {
	t       testing.TB
	space   *space
	filter  *Filter
	ifindex int
	config  sdk.FilterConfig
}

func newFixture(t testing.TB, order ...string) *fixture {
	t.Helper()
	lockThread(t)
	s := newSpace(t)
	fx := &fixture{t: t, space: s, config: webConfig()}
	// The whole test goes on in the namespace.
	enter(t, s)
	veth(t, s, "eth0", "other0", ownMAC)
	addAddr(t, "eth0", realIP+"/24")
	addAddr(t, "eth0", vip+"/32")
	addAddr(t, "eth0", clientIP+"/24")
	l, err := netlink.LinkByName("eth0")
	check0(t, err)
	fx.ifindex = l.Attrs().Index
	fx.filter, err = New("", quiet())
	check0(t, err)
	t.Cleanup(func() { fx.filter.Close() })
	if len(order) == 0 {
		order = attachOrder("") // as on a card
	}
	fx.filter.order = order
	_, err = fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
	check0(t, fx.filter.Renew(bootNow(t)+hour))
	return fx
}

func webConfig() sdk.FilterConfig {
	return sdk.FilterConfig{
		Module: "web", Self: self, HashKey: testKey, Fence: true,
		Interfaces: []sdk.FilterInterface{{Name: "eth0", Directed: true, Addresses: []netip.Addr{addr(vip)}}},
		Groups: []sdk.FilterGroup{
			{Name: "http", Rules: []sdk.FilterRule{
				{Port: 80, Protocol: "tcp", Hash: sdk.HashPort},
				{Port: openPort, Protocol: "tcp", Hash: sdk.HashPort},
				{Protocol: "arp", Hash: sdk.HashAddress},
			}},
		},
	}
}

// set puts one row in force for every bucket, with addresses for nodes 1 to 6.
func (fx *fixture) set(row uint32, ready bool) {
	fx.t.Helper()
	fx.setRows(rowsOf(row), ready, true)
}

func (fx *fixture) setRows(rows []sdk.Row, ready, agreed bool) {
	fx.t.Helper()
	t := sdk.FilterTable{Module: "web", Accept: ready, Agreed: agreed, Groups: map[string][]sdk.Row{}, MACs: map[uint8][]sdk.MAC{}}
	for _, g := range fx.config.Groups {
		t.Groups[g.Name] = rows
	}
	for n := uint8(1); n <= 6; n++ {
		t.MACs[n] = []sdk.MAC{macOf(n)}
	}
	check0(fx.t, fx.filter.SetTable(context.Background(), t))
}

// xdpContext is struct xdp_md of linux/bpf.h.
type xdpContext struct {
	Data, DataEnd, DataMeta, Ingress, Queue, Egress uint32
}

// run gives a frame to the XDP program as if eth0 had received it.
func (fx *fixture) run(frame []byte) (uint32, []byte) {
	fx.t.Helper()
	out := make([]byte, len(frame)+64)
	opts := bpf.RunOptions{
		Data: frame, DataOut: out,
		Context: xdpContext{DataEnd: uint32(len(frame)), Ingress: uint32(fx.ifindex)},
	}
	verdict, err := fx.program(linkXDP).Run(&opts)
	check0(fx.t, err)
	return verdict, opts.DataOut
}

// program is the filter's program for a kind of link.
func (fx *fixture) program(kind string) *bpf.Program {
	fx.t.Helper()
	p, err := fx.filter.program(kind)
	check0(fx.t, err)
	return p
}

// counted runs f and returns the counters that it moved.
func (fx *fixture) counted(f func()) map[string]uint64 {
	fx.t.Helper()
	return fx.moved(f, func(s sdk.FilterState) map[string]uint64 { return s.Counters })
}

// countedAt is counted by module/group/class/reason.
func (fx *fixture) countedAt(f func()) map[string]uint64 {
	fx.t.Helper()
	return fx.moved(f, func(s sdk.FilterState) map[string]uint64 {
		at := map[string]uint64{}
		for _, c := range s.Packets {
			at[strings.Join([]string{c.Module, c.Group, c.Class, c.Reason}, "/")] = c.Packets
		}
		return at
	})
}

func (fx *fixture) moved(f func(), of func(sdk.FilterState) map[string]uint64) map[string]uint64 {
	fx.t.Helper()
	look := func() map[string]uint64 {
		s, err := fx.filter.State(context.Background())
		check0(fx.t, err)
		return of(s)
	}
	before := look()
	f()
	moved := look()
	maps.DeleteFunc(moved, func(k string, n uint64) bool { return n == before[k] })
	for k := range moved {
		moved[k] -= before[k]
	}
	return moved
}

// packet is a frame of a client to the virtual address; change alters it
// before it is serialized.
type packet struct {
	eth  layers.Ethernet
	ip   layers.IPv4
	tcp  layers.TCP
	icmp layers.ICMPv4
	arp  layers.ARP
	body []byte
}

func (fx *fixture) frame(kind string, change func(*packet)) []byte {
	fx.t.Helper()
	p := packet{
		eth:  layers.Ethernet{SrcMAC: hardware(clientMAC), DstMAC: hardware(ownMAC), EthernetType: layers.EthernetTypeIPv4},
		ip:   layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ip4(clientIP), DstIP: ip4(vip)},
		tcp:  layers.TCP{SrcPort: 40000, DstPort: 80, Seq: 7, Window: 1000, ACK: true},
		icmp: layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 1},
		arp: layers.ARP{
			AddrType: 1, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
			SourceHwAddress: hardware(clientMAC), SourceProtAddress: ip4(clientIP),
			DstHwAddress: make([]byte, 6), DstProtAddress: ip4(vip),
		},
	}
	var ls []gopacket.SerializableLayer
	switch kind {
	case "tcp":
		ls = []gopacket.SerializableLayer{&p.eth, &p.ip, &p.tcp}
	case "icmp":
		p.ip.Protocol = layers.IPProtocolICMPv4
		ls = []gopacket.SerializableLayer{&p.eth, &p.ip, &p.icmp}
	case "arp":
		p.eth.EthernetType = layers.EthernetTypeARP
		p.eth.DstMAC = hardware(sdk.MAC{255, 255, 255, 255, 255, 255})
		ls = []gopacket.SerializableLayer{&p.eth, &p.arp}
	case "ip":
		ls = []gopacket.SerializableLayer{&p.eth, &p.ip}
	}
	if change != nil {
		change(&p)
	}
	check0(fx.t, p.tcp.SetNetworkLayerForChecksum(&p.ip))
	buf := gopacket.NewSerializeBuffer()
	ls = append(ls, gopacket.Payload(p.body))
	check0(fx.t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	return buf.Bytes()
}

func ip4(s string) net.IP { return net.IP(addr(s).AsSlice()) }

// connect opens a real connection within the namespace, so that this node has a
// socket for clientIP:port to vip:openPort.
func (fx *fixture) connect() (port uint16) {
	fx.t.Helper()
	l, err := net.Listen("tcp", vip+":8080")
	check0(fx.t, err)
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ip4(clientIP)}}).Dial("tcp", vip+":8080")
	check0(fx.t, err)
	in, err := l.Accept()
	check0(fx.t, err)
	fx.t.Cleanup(func() { c.Close(); in.Close(); l.Close() })
	return uint16(c.LocalAddr().(*net.TCPAddr).Port)
}
