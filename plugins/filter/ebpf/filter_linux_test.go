package ebpf

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gopacket/gopacket/layers"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestConfigureRefuses: what cannot be done is refused with the thing named, and
// nothing is changed.
func TestConfigureRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*sdk.FilterConfig)
		want   string
	}{
		{"no module", func(c *sdk.FilterConfig) { c.Module = "" }, "names no module"},
		{"node 0", func(c *sdk.FilterConfig) { c.Self = 0 }, "node number 0"},
		{"node 65", func(c *sdk.FilterConfig) { c.Self = 65 }, "at most 64 nodes"},
		{"no interface", func(c *sdk.FilterConfig) { c.Interfaces = nil }, "names no interface"},
		{"missing interface", func(c *sdk.FilterConfig) { c.Interfaces[0].Name = "eth9" }, "find interface eth9"},
		{"one interface is missing", func(c *sdk.FilterConfig) {
			c.Interfaces = append(c.Interfaces, sdk.FilterInterface{Name: "eth9", Directed: true})
		}, "find interface eth9"},
		{"interface twice", func(c *sdk.FilterConfig) { c.Interfaces = append(c.Interfaces, c.Interfaces[0]) }, "eth0 twice"},
		{"no Ethernet", func(c *sdk.FilterConfig) { c.Interfaces[0].Name = "lo" }, "no Ethernet address"},
		{"invisible", func(c *sdk.FilterConfig) { c.Interfaces[0].Directed = false }, "vmac_invisible"},
		{"taken address", func(c *sdk.FilterConfig) { c.Interfaces[0].Addresses[0] = addr(vip) }, "10.1.0.100 of module new belongs to module web"},
		{"address twice", func(c *sdk.FilterConfig) {
			c.Interfaces[0].Addresses = append(c.Interfaces[0].Addresses, addr("10.1.0.101"))
		}, "is on eth0 and again on eth0"},
		{"no address of a server", func(c *sdk.FilterConfig) { c.Interfaces[0].Addresses[0] = addr("ff02::1") }, "no server can hold"},
		{"tcp by identification", func(c *sdk.FilterConfig) { c.Groups[0].Rules[0].Hash = sdk.HashIPID }, "it is for udp"},
		{"unknown protocol", func(c *sdk.FilterConfig) { c.Groups[0].Rules[0].Protocol = "sctp" }, `"sctp"`},
		{"unknown hash", func(c *sdk.FilterConfig) { c.Groups[0].Rules[0].Hash = "on_moon" }, `"on_moon"`},
		{"arp by port", func(c *sdk.FilterConfig) { c.Groups[0].Rules[2].Hash = sdk.HashPort }, "shares arp by port"},
		{"arp with a port", func(c *sdk.FilterConfig) { c.Groups[0].Rules[2].Port = 5 }, "arp the port 5"},
		{"rule for a strange address", func(c *sdk.FilterConfig) { c.Groups[0].Rules[0].Address = addr("10.1.0.7") }, "10.1.0.7"},
		{"rule twice", func(c *sdk.FilterConfig) {
			c.Groups = append(c.Groups, sdk.FilterGroup{Name: "b", Rules: c.Groups[0].Rules[:1]})
		}, "again in group"},
		{"rule for all twice, written in two ways", func(c *sdk.FilterConfig) {
			c.Groups = append(c.Groups, sdk.FilterGroup{Name: "b", Rules: []sdk.FilterRule{{Address: addr("0.0.0.0"), Port: 80, Protocol: "tcp", Hash: sdk.HashPort}}})
		}, "tcp port 80 of every address in group \"http\" and again in group \"b\""},
		{"group twice", func(c *sdk.FilterConfig) { c.Groups = append(c.Groups, sdk.FilterGroup{Name: "http"}) }, "two groups"},
		{"too many groups", func(c *sdk.FilterConfig) {
			for n := range 64 {
				c.Groups = append(c.Groups, sdk.FilterGroup{Name: fmt.Sprint(n)})
			}
		}, "at most 64"},
	}
	fx := newFixture(t)
	before := fx.contents()
	for _, c := range cases {
		config := webConfig()
		config.Module = "new"
		config.Interfaces[0].Addresses = []netip.Addr{addr("10.1.0.101")}
		c.change(&config)
		_, err := fx.filter.Configure(context.Background(), config)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if after := fx.contents(); !reflect.DeepEqual(before, after) {
			t.Fatalf("%s: it changed %v to %v", c.name, before, after)
		}
	}
}

// contents is what the filter has in the kernel and what of it is attached.
func (fx *fixture) contents() map[string]any {
	fx.t.Helper()
	saved := map[uint32]bool{}
	var (
		state stateValue
		x     indexValue
		sk    uint32
		sv    savedValue
	)
	check0(fx.t, fx.filter.objs.States.Lookup(uint32(0), &state))
	check0(fx.t, fx.filter.objs.Indexes.Lookup(state.Index, &x))
	for i := fx.filter.objs.Configs.Iterate(); i.Next(&sk, &sv); {
		saved[sk] = true
	}
	s, err := fx.filter.State(context.Background())
	check0(fx.t, err)
	return map[string]any{"vips": x.Vip, "rules": x.Rule, "state": state, "saved": saved, "attached": s.Attachments}
}

// TestSetTableRefuses is the same for tables.
func TestSetTableRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*sdk.FilterTable)
		want   string
	}{
		{"module", func(t *sdk.FilterTable) { t.Module = "no" }, "does not know it"},
		{"no group", func(t *sdk.FilterTable) { t.Groups = nil }, `no rows for group "http"`},
		{"strange group", func(t *sdk.FilterTable) { t.Groups["x"] = rowsOf(1) }, `"x" is not configured`},
		{"short", func(t *sdk.FilterTable) { t.Groups["http"] = make([]sdk.Row, 7) }, "7 rows instead of 4096"},
		{"node 65 in a row", func(t *sdk.FilterTable) { t.Groups["http"] = rowsOf(rowOf(1, 65)) }, "at most 64 nodes"},
		{"node 65", func(t *sdk.FilterTable) { t.MACs[65] = nil }, "at most 64 nodes"},
		{"node 0", func(t *sdk.FilterTable) { t.MACs[0] = nil }, "addresses of node 0"},
		{"too many addresses", func(t *sdk.FilterTable) { t.MACs[2] = make([]sdk.MAC, 2) }, "1 interfaces"},
	}
	fx := newFixture(t)
	fx.set(rowOf(1), true)
	for _, c := range cases {
		table := sdk.FilterTable{Module: "web", Groups: map[string][]sdk.Row{"http": rowsOf(rowOf(2))}, MACs: map[uint8][]sdk.MAC{}}
		c.change(&table)
		err := fx.filter.SetTable(context.Background(), table)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		fx.check(t, programs()[0], verdictCase{name: c.name, row: rowOf(1), kind: "tcp", want: "accept", reason: "accept-owner"})
	}
}

// TestSharedInterface: modules share an attachment, which goes with the last.
func TestSharedInterface(t *testing.T) {
	fx := newFixture(t)
	id, _, err := attachedXDP(fx.ifindex)
	check0(t, err)
	second := webConfig()
	second.Module = "second"
	second.Interfaces[0].Addresses = []netip.Addr{addr("10.1.0.101")}
	state, err := fx.filter.Configure(context.Background(), second)
	check0(t, err)
	if a := state.Attachments; len(a) != 1 || a[0].How != howNative || !strings.Contains(a[0].Note, "not pinned") {
		t.Errorf("attached as %+v", a)
	}
	check0(t, fx.filter.Remove(context.Background(), "web"))
	if now, _, _ := attachedXDP(fx.ifindex); now != id {
		t.Errorf("removing one of two modules changed program %d to %d", id, now)
	}
	check0(t, fx.filter.Remove(context.Background(), "second"))
	if now, _, _ := attachedXDP(fx.ifindex); now != 0 {
		t.Errorf("program %d is left", now)
	}
	state, err = fx.filter.State(context.Background())
	check0(t, err)
	if len(state.Attachments) != 0 || state.LeaseUntil != 0 {
		t.Errorf("left: %+v", state)
	}
	check0(t, fx.filter.Remove(context.Background(), "second"))
}

// TestReconfigure: a group that stays keeps its table, a new one accepts
// nothing before it has one.
func TestReconfigure(t *testing.T) {
	fx := newFixture(t)
	fx.set(rowOf(1), true)
	fx.config.Groups = append([]sdk.FilterGroup{{Name: "new", Rules: []sdk.FilterRule{{Port: 443, Protocol: "tcp", Hash: sdk.HashAddress}}}}, fx.config.Groups...)
	_, err := fx.filter.Configure(context.Background(), fx.config)
	check0(t, err)
	for port, reason := range map[uint16]string{80: "web/accept-owner", 443: "web/drop-nobody"} {
		moved := fx.counted(func() {
			fx.run(fx.frame("tcp", func(p *packet) { p.tcp.DstPort = layers.TCPPort(port) }))
		})
		if moved[reason] != 1 {
			t.Errorf("port %d: counters %v", port, moved)
		}
	}
}

// TestBrokenPins: what cannot be taken over is cleared away, with what it had
// attached, and the filter starts afresh.
func TestBrokenPins(t *testing.T) {
	fx := newFixture(t)
	check0(t, fx.filter.Close())
	dir := bpffs(t)
	f, err := New(dir, quiet())
	check0(t, err)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a filter without modules has pinned something: %v", err)
	}
	_, err = f.Configure(context.Background(), fx.config)
	check0(t, err)
	check0(t, os.Remove(filepath.Join(dir, fmt.Sprintf("layout%d", layoutVersion), "tables")))
	check0(t, f.Close())
	f, err = New(dir, quiet())
	check0(t, err)
	defer f.Close()
	if id, _, _ := attachedXDP(fx.ifindex); id != 0 {
		t.Errorf("program %d is left", id)
	}
	if _, err := f.Configure(context.Background(), fx.config); err != nil {
		t.Error(err)
	}
	check0(t, f.Remove(context.Background(), "web"))
}

// TestPinsWithoutModule: a filter that was killed while it set up its first module has pinned
// maps that no module uses. The next one begins afresh.
func TestPinsWithoutModule(t *testing.T) {
	fx := newFixture(t)
	check0(t, fx.filter.Close())
	dir := bpffs(t)
	f, err := New(dir, quiet())
	check0(t, err)
	check0(t, f.pinMaps())
	check0(t, f.Close())
	f, err = New(dir, quiet())
	check0(t, err)
	defer f.Close()
	if _, err := f.Configure(context.Background(), fx.config); err != nil {
		t.Error(err)
	}
	check0(t, f.Remove(context.Background(), "web"))
}

// TestLayoutTwin: the maps' values have the size that layout.go gives them.
func TestLayoutTwin(t *testing.T) {
	spec, err := loadFilter()
	check0(t, err)
	for name, size := range map[string]uintptr{
		filterMapStates: unsafe.Sizeof(stateValue{}), filterMapIndexes: unsafe.Sizeof(indexValue{}),
		filterMapTables: unsafe.Sizeof(tableValue{}), filterMapLinks: unsafe.Sizeof(linkValue{}), filterMapConfigs: unsafe.Sizeof(savedValue{}),
	} {
		if got := uintptr(spec.Maps[name].ValueSize); got != size {
			t.Errorf("map %s: %d bytes in the kernel, %d here", name, got, size)
		}
	}
}

// TestIndexHoldsAll: as many addresses and rules as are possible find their
// places, and are found there.
func TestIndexHoldsAll(t *testing.T) {
	var vips []vipValue
	rules := map[uint32]shareValue{}
	for n := range maxVips {
		a := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)})
		if n%2 == 1 {
			a = netip.AddrFrom16([16]byte{0xfd, 14: byte(n >> 8), 15: byte(n)})
		}
		vips = append(vips, vipValue{Address: addressOf(a), Link: uint16(n)})
	}
	for n := range uint32(maxRules) {
		rules[(1+n/256)<<17|n%256] = shareValue{Group: uint16(n), Set: 1}
	}
	x, err := buildIndex(vips, rules)
	check0(t, err)
	for _, v := range vips {
		at := vipHash(v.Address) * x.VipSeed >> (64 - vipBits)
		if !slices.ContainsFunc(x.Vip[at:at+probes], func(w vipValue) bool { v.At = w.At; return v == w && x.Vip[w.At] == w }) {
			t.Errorf("address %x is not within reach of place %d", v.Address, at)
		}
	}
	for k, s := range rules {
		at := uint64(k) * x.RuleSeed >> (64 - ruleBits)
		if !slices.Contains(x.Rule[at:at+probes], ruleValue{Key: k, Share: s}) {
			t.Errorf("rule %#x is not within reach of place %d", k, at)
		}
	}
	if _, err := buildIndex(append(vips, vipValue{}), nil); err == nil {
		t.Error("one address too many is accepted")
	}
}
