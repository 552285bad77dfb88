package daemon

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// Connections come from the address after it was set, and not any more before it goes;
// that they cannot is told once.
func TestConnectionsComeFromTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stand{links: map[int]vip.Interface{2: card(2, "eth1", 1)}, down: map[int]bool{}, dark: map[int]bool{}, held: map[string]bool{}, filtered: map[int]string{}}
		n := newNetwork(t.Context(), "db", []config.Interface{{Directed: true, Addresses: []config.Address{
			{Addr: netip.MustParseAddr("10.0.0.100"), Where: "one_side_alias"}, {Addr: netip.MustParseAddr("10.0.0.101"), Where: "one_side"},
		}}}, s.wire())
		defer n.close()
		expect := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if did := s.took(); !slices.Equal(did, want) {
				t.Errorf("%s:\n%s\ninstead of\n%s", when, strings.Join(did, "\n"), strings.Join(want, "\n"))
			}
		}
		if err := n.up(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("up", "filter eth1 [10.0.0.100 10.0.0.101]", "add 10.0.0.100 to eth1, invisible false", "add 10.0.0.101 to eth1, invisible false",
			"come from [{2 10.0.0.101}]", "started at [020000000001]", "intf.eth1 is up", "come from [{2 10.0.0.101}]")
		s.change(func() { s.sourceBroken = errors.New("no more routes") })
		for _, want := range [][]string{{"come from [{2 10.0.0.101}]", "note Connections of this node do not come from db's virtual address: no more routes."}, {"come from [{2 10.0.0.101}]"}} {
			n.poke()
			expect("broken", want...)
		}
		s.change(func() { s.sourceBroken = nil })
		if err := n.down(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("down", "halted", "come from []", "remove 10.0.0.100 from eth1", "remove 10.0.0.101 from eth1", "unfilter", "unlay")
	})
}
