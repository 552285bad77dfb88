package ebpf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// twins is the kernel's filter and share.Filter with the same state.
type twins struct {
	*fixture
	twin  share.Filter
	known map[string]share.Found // what the socket table has
	rnd   *rand.Rand
	maker maker
}

// twinConfig has rules of all kinds: two groups, both families, all hash modes,
// rules for single ports, for all, and for one address.
func twinConfig() sdk.FilterConfig {
	c := webConfig()
	c.Interfaces[0].Addresses = []netip.Addr{addr(vip), addr(vip6)}
	c.Groups = []sdk.FilterGroup{
		{Name: "http", Rules: []sdk.FilterRule{
			{Port: 80, Protocol: "tcp", Hash: sdk.HashPort},
			{Port: openPort, Protocol: "tcp", Hash: sdk.HashPort},
			{Port: 53, Protocol: "udp", Hash: sdk.HashPort},
			{Protocol: "arp", Hash: sdk.HashAddress},
		}},
		{Name: "rest", Rules: []sdk.FilterRule{
			{Port: 443, Protocol: "tcp", Hash: sdk.HashAddress},
			{Port: 5000, Protocol: "udp", Hash: sdk.HashIPID},
			{Port: 443, Protocol: "udp", Hash: sdk.HashAddress},
			{Address: addr(vip6), Protocol: "tcp", Hash: sdk.HashAddress},
			{Address: addr(vip), Port: 80, Protocol: "tcp", Hash: sdk.HashAddress},
		}},
	}
	return c
}

// twinRules is the same by hand: what the plan must make of it.
func twinRules() map[netip.Addr]map[share.Traffic]share.Sharing {
	both := map[share.Traffic]share.Sharing{
		{Protocol: "tcp", Port: 80}:       {Group: "http", By: share.ByPort},
		{Protocol: "tcp", Port: openPort}: {Group: "http", By: share.ByPort},
		{Protocol: "udp", Port: 53}:       {Group: "http", By: share.ByPort},
		{Protocol: "arp"}:                 {Group: "http"},
		{Protocol: "tcp", Port: 443}:      {Group: "rest"},
		{Protocol: "udp", Port: 5000}:     {Group: "rest", By: share.ByIPID},
		{Protocol: "udp", Port: 443}:      {Group: "rest"},
	}
	four, six := maps.Clone(both), maps.Clone(both)
	six[share.Traffic{Protocol: "tcp"}] = share.Sharing{Group: "rest"}
	four[share.Traffic{Protocol: "tcp", Port: 80}] = share.Sharing{Group: "rest"}
	return map[netip.Addr]map[share.Traffic]share.Sharing{addr(vip): four, addr(vip6): six}
}

func newTwins(t testing.TB, seed uint64) *twins {
	t.Helper()
	fx := newFixture(t)
	for _, a := range []string{vip6 + "/128", client6 + "/64"} {
		addAddr6(t, "eth0", a)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	tw := &twins{fixture: fx, rnd: rnd, known: map[string]share.Found{}}
	tw.config = twinConfig()
	tw.twin = share.Filter{Key: testKey, MAC: share.MAC(ownMAC), Addresses: twinRules(), Sockets: tw.sockets}
	tw.twin.Nodes = map[core.NodeID]share.MAC{}
	for n := uint8(1); n <= 6; n++ {
		tw.twin.Nodes[core.NodeID(n)] = share.MAC(macOf(n))
	}
	tw.maker = maker{
		Rand: rnd, ports: []uint16{80, 443, openPort, 53, 5000, 9}, // the first six are services
		clients: []netip.Addr{addr(clientIP), addr("10.1.0.77"), addr(client6), addr("fd00:2::77")},
		locals:  []netip.Addr{addr(vip), addr(vip), addr(vip), addr(vip6), addr(vip6), addr(vip6), addr(realIP)},
	}
	tw.openSockets()
	return tw
}

func addAddr6(t testing.TB, dev, prefix string) {
	t.Helper()
	l, err := netlink.LinkByName(dev)
	check0(t, err)
	a, err := netlink.ParseAddr(prefix)
	check0(t, err)
	a.Flags = unix.IFA_F_NODAD
	check0(t, netlink.AddrAdd(l, a))
}

func socketName(protocol string, client, local netip.AddrPort) string {
	return fmt.Sprint(protocol, client, local)
}

// sockets answers as the kernel's table must.
func (tw *twins) sockets(protocol string, client, local netip.AddrPort) share.Found {
	if f, ok := tw.known[socketName(protocol, client, local)]; ok {
		return f
	}
	return tw.known[socketName(protocol, netip.AddrPort{}, local)]
}

// openSockets opens TCP connections, connected UDP sockets, and a bound one, in
// both families.
func (tw *twins) openSockets() {
	t := tw.t
	for local, client := range map[string]string{vip: clientIP, vip6: client6} {
		at := net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr(local), openPort))
		l, err := net.ListenTCP("tcp", at)
		check0(t, err)
		c := dialSoon(t, addr(client), at.String())
		in, err := l.Accept()
		check0(t, err)
		from := c.LocalAddr().(*net.TCPAddr).AddrPort()
		tw.known[socketName("tcp", from, at.AddrPort())] = share.Connected
		tw.maker.ports = append(tw.maker.ports, from.Port(), from.Port())
		service := netip.AddrPortFrom(addr(local), 53)
		remote := netip.AddrPortFrom(addr(client), 80)
		u, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(service), net.UDPAddrFromAddrPort(remote))
		check0(t, err)
		tw.known[socketName("udp", remote, service)] = share.Connected
		any := netip.AddrPortFrom(addr(local), 443)
		b, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(any))
		check0(t, err)
		tw.known[socketName("udp", netip.AddrPort{}, any)] = share.Bound
		t.Cleanup(func() { c.Close(); in.Close(); l.Close(); u.Close(); b.Close() })
	}
}

// dialSoon dials until the kernel has the route of an address that was just added.
func dialSoon(t testing.TB, from netip.Addr, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	for deadline := time.Now().Add(60 * time.Second); ; {
		c, err := d.Dial("tcp", to)
		if err == nil {
			return c
		}
		if !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.EADDRNOTAVAIL) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// change puts both into a new state: who this node is, what it may, who owns
// what.
func (tw *twins) change() {
	t := tw.t
	here := &tw.twin.Here
	*here = share.Here{
		Self: core.NodeID(pick(&tw.maker, 1, 3, 6)), Serves: tw.rnd.IntN(5) > 0,
		Ready: tw.rnd.IntN(4) > 0, Agreed: tw.rnd.IntN(3) > 0, Silent: tw.rnd.Uint64() & tw.rnd.Uint64() & 0xff,
	}
	tw.config.Self = uint8(here.Self)
	tw.config.Hash, tw.twin.Function = sdk.HashKeyed, share.Keyed
	if tw.rnd.IntN(3) == 0 {
		tw.config.Hash, tw.twin.Function = sdk.HashLowBits, share.LowBits
	}
	_, err := tw.filter.Configure(context.Background(), tw.config)
	check0(t, err)
	table := sdk.FilterTable{Module: "web", Accept: here.Ready, Agreed: here.Agreed, Silent: here.Silent, Groups: map[string][]sdk.Row{}, MACs: map[uint8][]sdk.MAC{}}
	for n, mac := range tw.twin.Nodes {
		table.MACs[uint8(n)] = []sdk.MAC{sdk.MAC(mac)}
	}
	tw.twin.Rows = map[string]share.Rows{}
	for _, g := range tw.config.Groups {
		rows, twin := make([]sdk.Row, share.Buckets), make(share.Rows, share.Buckets)
		for b := range rows {
			rows[b] = sdk.Row(randomRow(tw.rnd))
			if tw.rnd.IntN(2) == 0 {
				rows[b] &= 0xff
			}
			if tw.rnd.IntN(20) == 0 {
				rows[b] = 7 // whose Ethernet address nobody knows
			}
			twin[b] = share.Row(rows[b])
		}
		table.Groups[g.Name], tw.twin.Rows[g.Name] = rows, twin
	}
	check0(t, tw.filter.SetTable(context.Background(), table))
	lease := bootNow(t) + hour
	if !here.Serves {
		lease = bootNow(t) - 1
	}
	check0(t, tw.filter.Renew(lease))
	tw.forget()
}

// forget clears both memories of fragments: the kernel's ends by time.
func (tw *twins) forget() {
	tw.twin.Forget()
	key := make([]byte, tw.filter.objs.Fragments.KeySize())
	for tw.filter.objs.Fragments.NextKey(nil, &key) == nil {
		check0(tw.t, tw.filter.objs.Fragments.Delete(key))
	}
}

// compare runs a frame through both; it returns what the twin says, and false if
// they differ.
func (tw *twins) compare(p program, frame []byte) (share.Outcome, bool) {
	o, ok := tw.twin.Judge(bytes.Clone(frame))
	if !ok {
		return share.Outcome{}, true
	}
	code, out := p.run(tw.fixture, frame)
	want, bytesWanted := "drop", frame
	switch {
	case !o.Virtual || o.Accept:
		want = "pass"
	case o.To != 0:
		want, bytesWanted = "send", o.Frame
	}
	if got := p.codes[code]; got != want || !bytes.Equal(out, bytesWanted) {
		tw.t.Errorf("%s: the kernel says %s, the twin %s (%s)\nstate %+v row %08x\nframe %x\nkernel %x\ntwin   %x",
			p.name, got, want, o.Reason, tw.twin.Here, uint32(o.Row), frame, out, bytesWanted)
		return o, false
	}
	return o, true
}

// counterOf names the counter that a frame moves.
func counterOf(o share.Outcome) string {
	return strings.Join([]string{"web", o.Group, string(o.Class), string(o.Reason)}, "/")
}

// TestTwin runs random and damaged frames through the kernel's program and through
// share.Filter: verdict, bytes and counters, down to group and class, are the same.
func TestTwin(t *testing.T) {
	tw := newTwins(t, 7)
	total, classes := map[share.Reason]int{}, map[share.Class]int{}
	frames, batch := 100_000, 1000
	if testing.Short() {
		frames = 10_000
	}
	for n := 0; n < frames; n += batch {
		tw.change()
		reasons := map[string]uint64{}
		moved := tw.countedAt(func() {
			for i := range batch {
				o, same := tw.compare(programs()[0], tw.maker.frame())
				if !same {
					t.Fatalf("frame %d of batch %d", i, n/batch)
				}
				if total[o.Reason]++; o.Reason != "" {
					reasons[counterOf(o)]++
					classes[o.Class]++
				}
			}
		})
		// What the kernel itself says meanwhile about neighbours is counted, too.
		maps.DeleteFunc(moved, func(name string, _ uint64) bool {
			return strings.Contains(name, "arp-") || strings.Contains(name, "ndp-")
		})
		if !maps.Equal(reasons, moved) {
			t.Fatalf("counters moved %v, the twin says %v", moved, reasons)
		}
	}
	t.Log(total, classes)
	for _, c := range append(share.Classes(), "") {
		if classes[c] == 0 {
			t.Errorf("no frame fell into a bucket of class %q", c)
		}
	}
	for _, r := range []share.Reason{share.AcceptNew, share.AcceptEcho, share.AcceptOwner, share.AcceptSocket, share.AcceptReset,
		share.AcceptFragment, share.ForwardNew, share.ForwardEcho, share.ForwardOwner, share.ForwardPrevious, share.ForwardFragment,
		share.DropLease, share.DropNotReady, share.DropNobody, share.DropDisagreed, share.DropNoRule, share.DropNoMAC, share.DropTTL,
		share.DropMalformed, share.DropBroadcast, ""} {
		if total[r] == 0 {
			t.Errorf("no frame had the reason %q", r)
		}
	}
}

// TestTwinTCX is the same for the other way in, but for tags, which the kernel
// takes off a frame before tcx sees it, and for frames shorter than an IP header:
// BPF_PROG_TEST_RUN does not do the one and refuses the others.
func TestTwinTCX(t *testing.T) {
	tw := newTwins(t, 8)
	for n := range 10_000 {
		if n%1000 == 0 {
			tw.change()
		}
		frame := tw.maker.frame()
		if frame[12] == 0x81 || len(frame) < 14+40 {
			continue
		}
		if _, same := tw.compare(programs()[1], frame); !same {
			t.Fatalf("frame %d", n)
		}
	}
}

// FuzzTwin lets the fuzzer look for a frame on which the two differ.
func FuzzTwin(f *testing.F) {
	needRoot(f)
	tw := newTwins(f, 9)
	for range 200 {
		f.Add(tw.maker.frame())
	}
	tw.change()
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 14 || len(frame) > 3000 {
			return
		}
		// A goroutine of its own: it must go where the interface is.
		lockThread(t)
		tw.space.do(t, func() {
			tw.t = t
			tw.forget()
			if _, same := tw.compare(programs()[0], frame); !same {
				t.Fatal("they differ")
			}
		})
	})
}

// TestSocketsOfBothKinds: TCP connections and connected UDP sockets of both
// families are counted in their buckets, bound ones are not.
func TestSocketsOfBothKinds(t *testing.T) {
	tw := newTwins(t, 3)
	_, err := tw.filter.Configure(context.Background(), tw.config)
	check0(t, err)
	got, err := tw.filter.Sockets(context.Background(), "web")
	check0(t, err)
	want := map[uint16]uint32{}
	for name, found := range tw.known {
		if found != share.Connected {
			continue
		}
		for _, client := range []netip.Addr{addr(clientIP), addr(client6)} {
			for _, port := range tw.maker.ports {
				for _, local := range []netip.AddrPort{netip.AddrPortFrom(addr(vip), 53), netip.AddrPortFrom(addr(vip6), 53),
					netip.AddrPortFrom(addr(vip), openPort), netip.AddrPortFrom(addr(vip6), openPort)} {
					from := netip.AddrPortFrom(client, port)
					if name == socketName("udp", from, local) || name == socketName("tcp", from, local) {
						want[share.Bucket(testKey, client, port)] = 1
					}
				}
			}
		}
	}
	if len(want) != 4 {
		t.Fatalf("%d sockets are known: %v", len(want), tw.known)
	}
	for b, n := range got["http"] {
		if n != want[uint16(b)] {
			t.Errorf("bucket %d has %d connections, want %d", b, n, want[uint16(b)])
		}
	}
	for b, n := range got["rest"] {
		if n != 0 {
			t.Errorf("bucket %d of the other group has %d", b, n)
		}
	}
}
