package daemon

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// TestClaims goes through the time after a stranger is seen, by a probe or by the
// filter.
func TestClaims(t *testing.T) {
	begin := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	four, six := netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("fd00::100")
	addrs := []netip.Addr{four, six}
	stranger := sdk.MAC{0x52, 0x54, 0, 1, 2, 3}
	filter := func(seen uint64) []sdk.FilterStranger {
		return []sdk.FilterStranger{{Interface: "eth0", Address: six, MAC: stranger, Seen: seen}}
	}
	const way = "; clients may end up there instead of here: free the address, or give the module another"
	c := newClaims()
	for _, step := range []struct {
		after time.Duration
		do    func(now time.Time)
		want  []core.Resource
	}{
		{0, func(time.Time) {}, []core.Resource{{Name: "ip.10.0.0.100", Value: core.ResUp}, {Name: "ip.fd00::100", Value: core.ResUp}}},
		{0, func(time.Time) {}, nil},
		{0, func(now time.Time) { c.hear(now, claim{four, "eth0", stranger}) }, []core.Resource{
			{Name: "ip.10.0.0.100", Value: core.ResDown, Reason: "52:54:00:01:02:03 answers for it on eth0 since 15:04:05" + way}}},
		{20 * time.Second, func(now time.Time) { c.hear(now, claim{four, "eth0", stranger}) }, nil},
		{20 * time.Second, func(now time.Time) { c.hear(now, claim{four, "eth1", sdk.MAC{2}}) }, []core.Resource{
			{Name: "ip.10.0.0.100", Value: core.ResDown, Reason: "02:00:00:00:00:00 answers for it on eth1 since 15:04:45; 52:54:00:01:02:03 answers for it on eth0 since 15:04:05" + way}}},
		{20 * time.Second, func(now time.Time) { c.filtered(now, filter(1)) }, []core.Resource{
			{Name: "ip.10.0.0.100", Value: core.ResDown, Reason: "02:00:00:00:00:00 answers for it on eth1 since 15:04:45" + way},
			{Name: "ip.fd00::100", Value: core.ResDown, Reason: "52:54:00:01:02:03 answers for it on eth0 since 15:05:05" + way}}},
		{20 * time.Second, func(now time.Time) { c.filtered(now, filter(1)) }, []core.Resource{{Name: "ip.10.0.0.100", Value: core.ResUp}}},
		{5 * time.Second, func(now time.Time) { c.filtered(now, filter(2)) }, nil},
		{20 * time.Second, func(now time.Time) { c.filtered(now, filter(2)) }, nil},
		{3 * time.Second, func(now time.Time) { c.filtered(now, filter(2)) }, []core.Resource{{Name: "ip.fd00::100", Value: core.ResUp}}},
		{time.Hour, func(now time.Time) { c.filtered(now, filter(3)) }, []core.Resource{
			{Name: "ip.fd00::100", Value: core.ResDown, Reason: "52:54:00:01:02:03 answers for it on eth0 since 16:05:53" + way}}},
	} {
		begin = begin.Add(step.after)
		step.do(begin)
		got := c.news(begin, addrs)
		if len(got) != len(step.want) {
			t.Errorf("at %s: %+v instead of %+v", begin.Format(time.TimeOnly), got, step.want)
			continue
		}
		for i := range got {
			if got[i] != step.want[i] {
				t.Errorf("at %s: %+v instead of %+v", begin.Format(time.TimeOnly), got[i], step.want[i])
			}
		}
	}
}

func TestFilterText(t *testing.T) {
	on := heldOn{on: card(2, "eth1", 1), held: []heldAddress{{}}}
	list := []sdk.FilterAttachment{{Index: 3, How: "tcx"}, {Interface: "eth1", Index: 2, How: "xdp-generic", Note: "xdp-native: no"}}
	if got := filterText(on, list); got != "eth1 xdp-generic (xdp-native: no)" {
		t.Error(got)
	}
	on.held[0].addr.MAC[5] = 1
	if got := filterText(on, list); got != "eth1 xdp-generic, in promiscuous mode (xdp-native: no)" {
		t.Error(got)
	}
	list[1].How, list[1].Note = "", "somebody took it off"
	if got := filterText(on, list); got != "eth1 is not filtered: somebody took it off" {
		t.Error(got)
	}
}

// TestAddressesAreAskedForInTurn: many addresses make no more questions at a time, and
// one that is claimed is asked for each time.
func TestAddressesAreAskedForInTurn(t *testing.T) {
	var held []heldAddress
	for i := range 3*maxProbed + 5 {
		held = append(held, heldAddress{addr: config.Address{Addr: netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})}})
	}
	mod := &module{claims: newClaims()}
	if got := mod.some(held[:maxProbed]); len(got) != maxProbed || mod.probed != 0 {
		t.Errorf("of few, %d", len(got))
	}
	asked := map[netip.Addr]int{}
	for range 4 {
		for _, h := range mod.some(held) {
			asked[h.addr.Addr]++
		}
	}
	if len(asked) != len(held) {
		t.Errorf("asked for %d of %d", len(asked), len(held))
	}
	mod.claims.hear(time.Unix(1, 0), claim{addr: held[7].addr.Addr})
	if got := mod.some(held); len(got) != maxProbed+1 || got[0].addr.Addr != held[7].addr.Addr {
		t.Errorf("of many, one claimed: %d, the first %v", len(got), got[0].addr.Addr)
	}
}

// TestUncheckedAddresses are neither asked for nor reported.
func TestUncheckedAddresses(t *testing.T) {
	held := []heldAddress{
		{addr: config.Address{Addr: netip.MustParseAddr("10.0.0.100")}},
		{addr: config.Address{Addr: netip.MustParseAddr("fd00::100"), Check: true}},
	}
	if got := checked(held); len(got) != 1 || got[0].addr.Addr != held[1].addr.Addr || len(held) != 2 {
		t.Errorf("%v", got)
	}
	mod := &module{} // asks nobody: it would need the node
	if err := mod.refuseTaken(t.Context(), held[:1]); err != nil {
		t.Error(err)
	}
}

// TestForeign: a node whose announcement the filter did not know is no stranger, unless
// it is on another interface; addresses of other modules are not looked at.
func TestForeign(t *testing.T) {
	mine, other := netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("10.0.0.101")
	node, stranger := sdk.MAC{2, 0, 0, 0, 0, 2}, sdk.MAC{0x52, 0x54, 0, 1, 2, 3}
	list := []sdk.FilterStranger{
		{Interface: "eth0", Address: mine, MAC: node},
		{Interface: "eth0", Address: mine, MAC: stranger},
		{Interface: "eth1", Address: mine, MAC: node},
		{Interface: "eth0", Address: other, MAC: stranger},
	}
	got := foreign(list, []netip.Addr{mine}, map[string]map[sdk.MAC]bool{"eth0": {node: true}})
	if !slices.Equal(got, list[1:3]) {
		t.Errorf("%+v instead of %+v", got, list[1:3])
	}
}

// TestClaimsOfNodes: one that turns out to be a node of the farm claims nothing.
func TestClaimsOfNodes(t *testing.T) {
	c, now, addr := newClaims(), time.Unix(1_700_000_000, 0), netip.MustParseAddr("10.0.0.100")
	node, stranger := claim{addr, "eth0", sdk.MAC{2, 1}}, claim{addr, "eth0", sdk.MAC{2, 2}}
	c.hear(now, node)
	c.clear(func(k claim) bool { return k == node })
	if got := c.about(addr); got != "" {
		t.Errorf("a node claims it: %s", got)
	}
	c.hear(now, node)
	c.hear(now, stranger)
	c.clear(func(k claim) bool { return k == node })
	if got := c.about(addr); !strings.Contains(got, "02:02:") || strings.Contains(got, "02:01:") {
		t.Errorf("claims: %s", got)
	}
}
