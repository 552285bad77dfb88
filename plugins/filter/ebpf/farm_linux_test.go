package ebpf

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

const farmNodes = 3

// farm is three nodes and a client on a bridge, each in a namespace. The nodes share
// an address of each family.
type farm struct {
	t      testing.TB
	how    string
	config sdk.FilterConfig
	client *space
	nodes  [farmNodes + 1]*space // by number
	pins   [farmNodes + 1]string
	filter [farmNodes + 1]*Filter
	passes []io.Closer // programs on the switch's ports
}

func newFarm(t testing.TB, how string, config sdk.FilterConfig) *farm {
	t.Helper()
	lockThread(t)
	f := &farm{t: t, how: how, config: six(config)}
	// The bridge lives in a namespace too, and so do the nodes' other ends.
	bridge := newSpace(t)
	enter(t, bridge)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	br := &netlink.Bridge{LinkAttrs: attrs}
	check0(t, netlink.LinkAdd(br))
	check0(t, netlink.LinkSetUp(br))
	f.client = f.plug(br, "client", macOf(50), clientIP+"/24", client6+"/64")
	for n := 1; n <= farmNodes; n++ {
		f.nodes[n] = f.plug(br, fmt.Sprint("node", n), macOf(uint8(n)), fmt.Sprintf("10.1.0.%d/24", n), fmt.Sprintf("fd00:1::%d/64", n), vip+"/32", vip6+"/128")
		f.pins[n] = bpffs(t)
		f.start(n)
		f.serve(n)
	}
	return f
}

func (f *farm) plug(br *netlink.Bridge, port string, mac sdk.MAC, addrs ...string) *space {
	f.t.Helper()
	s := newSpace(f.t)
	veth(f.t, s, "eth0", port, mac)
	l, err := netlink.LinkByName(port)
	check0(f.t, err)
	check0(f.t, netlink.LinkSetMaster(l, br))
	pass, err := AttachPass(l.Attrs().Index)
	check0(f.t, err)
	f.t.Cleanup(func() { pass.Close() })
	f.passes = append(f.passes, pass)
	s.do(f.t, func() {
		for _, a := range addrs {
			addAddr(f.t, "eth0", a)
		}
		if !f.config.Interfaces[0].Directed {
			l, err := netlink.LinkByName("eth0")
			check0(f.t, err)
			check0(f.t, netlink.SetPromiscOn(l))
		}
	})
	return s
}

// start makes the node's filter, or takes over what it pinned.
func (f *farm) start(n int) {
	f.t.Helper()
	f.nodes[n].do(f.t, func() {
		filter, err := New(f.pins[n], quiet())
		check0(f.t, err)
		filter.order = []string{f.how}
		f.t.Cleanup(func() { filter.Close() })
		f.filter[n] = filter
		c := f.config
		c.Self = uint8(n)
		state, err := filter.Configure(context.Background(), c)
		check0(f.t, err)
		if a := state.Attachments; len(a) != 1 || a[0].How != f.how || a[0].MAC != macOf(uint8(n)) || (a[0].Note != "") != (f.how == howGeneric) {
			f.t.Fatalf("node %d is attached as %+v", n, a)
		}
		check0(f.t, filter.Renew(bootNow(f.t)+hour))
	})
}

// serve answers every line with the node's number.
func (f *farm) serve(n int) {
	f.nodes[n].do(f.t, func() {
		l, err := net.Listen("tcp", ":80")
		check0(f.t, err)
		f.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					for lines := bufio.NewScanner(c); lines.Scan(); {
						fmt.Fprintln(c, n)
					}
				}()
			}
		}()
	})
}

func (f *farm) table(n int, rows []sdk.Row) {
	f.t.Helper()
	f.install(n, sdk.FilterTable{Agreed: true, Groups: map[string][]sdk.Row{"http": rows}})
}

// install puts a table in force on a node, with what is the same for all filled in.
func (f *farm) install(n int, t sdk.FilterTable) {
	f.t.Helper()
	t.Module, t.Accept, t.MACs = "web", true, map[uint8][]sdk.MAC{}
	for n := uint8(1); n <= farmNodes; n++ {
		t.MACs[n] = []sdk.MAC{macOf(n)}
	}
	check0(f.t, f.filter[n].SetTable(context.Background(), t))
}

// enterBy makes all the client's frames enter the farm at a node.
func (f *farm) enterBy(n int) {
	f.t.Helper()
	f.client.do(f.t, func() {
		l, err := netlink.LinkByName("eth0")
		check0(f.t, err)
		check0(f.t, netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip4(vip), HardwareAddr: hardware(macOf(uint8(n))),
		}))
	})
}

// visit is a connection that stays open.
type visit struct {
	conn net.Conn
	in   *bufio.Reader
	node int
}

func (f *farm) dial() *visit { return f.dialTo(vip) }

func (f *farm) dialTo(address string) *visit {
	f.t.Helper()
	v := &visit{}
	f.client.do(f.t, func() {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(address, "80"), 60*time.Second)
		check0(f.t, err)
		f.t.Cleanup(func() { c.Close() })
		v.conn, v.in = c, bufio.NewReader(c)
	})
	v.node = v.ask(f.t)
	return v
}

// ask sends a line and returns the number of the node that answered.
func (v *visit) ask(t testing.TB) (node int) {
	t.Helper()
	check0(t, v.conn.SetDeadline(time.Now().Add(60*time.Second)))
	_, err := fmt.Fprintln(v.conn, "who")
	check0(t, err)
	_, err = fmt.Fscanln(v.in, &node)
	check0(t, err)
	return node
}

func (v *visit) bucket() uint16 {
	a := netip.MustParseAddrPort(v.conn.LocalAddr().String())
	return share.Bucket(testKey, a.Addr(), a.Port())
}

// askAll asks on every connection, entering by every node in turn.
func (f *farm) askAll(when string, visits []*visit) {
	f.t.Helper()
	for n := 1; n <= farmNodes; n++ {
		f.enterBy(n)
		for _, v := range visits {
			if got := v.ask(f.t); got != v.node {
				f.t.Fatalf("%s, entering by node %d: node %d answers a connection of node %d", when, n, got, v.node)
			}
		}
	}
}

// TestFarm: connections spread, and a third node that joins breaks none of
// them, whoever has which table, nor does a filter that is started again.
func TestFarm(t *testing.T) {
	for _, how := range []string{howNative, howTCX, howGeneric} {
		t.Run(how, func(t *testing.T) { newFarm(t, how, webConfig()).join() })
	}
}

// rows computes a table; row gets the owner of a bucket when two nodes share and
// when three do.
func rows(row func(two, three uint8) uint32) []sdk.Row {
	all := make([]sdk.Row, share.Buckets)
	for b := range all {
		two := uint8(b%2 + 1)
		three := two
		if b%3 == 0 {
			three = 3
		}
		all[b] = sdk.Row(row(two, three))
	}
	return all
}

func (f *farm) join() {
	t := f.t
	settled := rows(func(two, _ uint8) uint32 { return rowOf(two) })
	prepare := rows(func(two, three uint8) uint32 {
		if two == three {
			return rowOf(two)
		}
		return rowOf(two, three)
	})
	commit := rows(func(two, three uint8) uint32 {
		if two == three {
			return rowOf(two)
		}
		return rowOf(three, two)
	})
	for n := 1; n <= farmNodes; n++ {
		f.table(n, settled)
	}
	// The first one finds its way by ARP, as nothing else is told.
	visits := []*visit{f.dial()}
	for len(visits) < 60 {
		f.enterBy(len(visits)%farmNodes + 1)
		visits = append(visits, f.dial())
	}
	f.checkOwners(settled, visits)
	f.checkSockets(visits)
	f.askAll("settled", visits)
	for _, step := range []struct {
		name  string
		table []sdk.Row
	}{{"prepare", prepare}, {"commit", commit}} {
		for n := 1; n <= farmNodes; n++ {
			f.table(n, step.table)
			f.askAll(fmt.Sprintf("%s on %d nodes", step.name, n), visits)
			f.enterBy(n)
			visits = append(visits, f.dial(), f.dial())
		}
	}
	var later []*visit
	for len(later) < 40 {
		f.enterBy(len(later)%farmNodes + 1)
		later = append(later, f.dial())
	}
	f.checkOwners(commit, later)
	visits = append(visits, later...)
	f.checkSockets(visits)
	f.restart(visits)
	f.remove()
	t.Logf("%d connections kept", len(visits))
}

func (f *farm) checkOwners(table []sdk.Row, visits []*visit) {
	f.t.Helper()
	shares := map[int]int{}
	for _, v := range visits {
		shares[v.node]++
		if owner := int(table[v.bucket()] & 0xff); v.node != owner {
			f.t.Errorf("node %d has a connection in bucket %d of node %d", v.node, v.bucket(), owner)
		}
	}
	f.t.Logf("connections by node: %v", shares)
}

func (f *farm) checkSockets(visits []*visit) {
	f.t.Helper()
	for n := 1; n <= farmNodes; n++ {
		want := make([]uint32, share.Buckets)
		for _, v := range visits {
			if v.node == n {
				want[v.bucket()]++
			}
		}
		f.nodes[n].do(f.t, func() {
			got, err := f.filter[n].Sockets(context.Background(), "web")
			check0(f.t, err)
			for b, w := range want {
				if got["http"][b] != w {
					f.t.Errorf("node %d counts %d connections in bucket %d, want %d", n, got["http"][b], b, w)
				}
			}
		})
	}
}

// restart ends a filter and takes it over again: nothing notices.
func (f *farm) restart(visits []*visit) {
	f.t.Helper()
	before, err := f.filter[2].State(context.Background())
	check0(f.t, err)
	check0(f.t, f.filter[2].Close())
	f.askAll("without a daemon", visits)
	f.start(2)
	f.askAll("with a new daemon", visits)
	after, err := f.filter[2].State(context.Background())
	check0(f.t, err)
	if k := "web/accept-owner"; after.Counters[k] <= before.Counters[k] || before.Counters[k] == 0 {
		f.t.Errorf("counter %s was %d and is %d", k, before.Counters[k], after.Counters[k])
	}
	visits = append(visits, f.dial())
	f.checkSockets(visits)
}

// remove takes everything away and looks that nothing is left.
func (f *farm) remove() {
	f.t.Helper()
	for n := 1; n <= farmNodes; n++ {
		if _, err := os.Stat(filepath.Join(f.pins[n], fmt.Sprintf("layout%d", layoutVersion))); err != nil {
			f.t.Errorf("nothing was pinned: %v", err)
		}
		check0(f.t, f.filter[n].Remove(context.Background(), "web"))
		if _, err := os.Stat(f.pins[n]); !os.IsNotExist(err) {
			f.t.Errorf("pins of node %d are left: %v", n, err)
		}
		f.nodes[n].do(f.t, func() {
			l, err := netlink.LinkByName("eth0")
			check0(f.t, err)
			if x := l.Attrs().Xdp; x != nil && x.Attached {
				f.t.Errorf("node %d still runs XDP program %d", n, x.ProgId)
			}
		})
	}
}
