package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// stand stands in for a node's interfaces and filter, and notes what is done.
type stand struct {
	mu       sync.Mutex
	links    map[int]vip.Interface
	down     map[int]bool
	dark     map[int]bool
	own      []netip.Prefix
	share    bool            // this node has one
	held     map[string]bool // "index address"
	filtered map[int]string  // index → how; empty: not any more
	refused  error
	broken   error // of Configure

	sourced      bool  // connections come from virtual addresses
	sourceBroken error // why they cannot
	did          []string
}

func (s *stand) do(format string, args ...any) {
	s.did = append(s.did, fmt.Sprintf(format, args...))
}

// took answers what was done since the last time.
func (s *stand) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	did := s.did
	s.did = nil
	return did
}

// change changes the interfaces.
func (s *stand) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stand) find(addr netip.Addr, name string) (vip.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if (name == "" || l.Name == name) && l.Prefix.Contains(addr) {
			return l, nil
		}
	}
	return vip.Interface{}, fmt.Errorf("no interface for %s", addr)
}

func (s *stand) Add(on vip.Interface, addr netip.Addr, invisible bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := fmt.Sprintf("%d %s", on.Index, addr)
	if s.links[on.Index].Index == 0 {
		return errors.New("the interface is gone")
	}
	if !s.held[k] {
		s.do("add %s to %s, invisible %t", addr, on.Name, invisible)
	}
	s.held[k] = true
	return nil
}

func (s *stand) Remove(on vip.Interface, addr netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do("remove %s from %s", addr, on.Name)
	delete(s.held, fmt.Sprintf("%d %s", on.Index, addr))
	return nil
}

func (s *stand) Look(on vip.Interface, addrs []netip.Addr) (vip.Look, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := s.links[on.Index]
	if !ok {
		return vip.Look{Gone: true}, nil
	}
	l := vip.Look{Name: now.Name, MAC: now.MAC, Down: s.down[on.Index], Dark: s.dark[on.Index], Own: s.own}
	for _, a := range addrs {
		if !s.held[fmt.Sprintf("%d %s", on.Index, a)] {
			l.Missing = append(l.Missing, a)
		}
	}
	return l, nil
}

func (s *stand) wire() wire {
	locked := func(f func() error) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f()
	}
	return wire{
		find: s.find, holder: s,
		source: func(held []heldAddress) error {
			return locked(func() error {
				if from := sources(held); len(from) > 0 || s.sourced {
					s.sourced = len(from) > 0
					s.do("come from %v", from)
				}
				return s.sourceBroken
			})
		},
		prepare: func(context.Context, []heldAddress) error { return s.refused },
		lay:     func([]heldAddress) error { return nil },
		unlay:   func() error { return locked(func() error { s.do("unlay"); return nil }) },
		configure: func(_ context.Context, list []sdk.FilterInterface) error {
			return locked(func() error {
				if s.broken != nil {
					return s.broken
				}
				for _, i := range list {
					s.do("filter %s %v", i.Name, i.Addresses)
					for index, l := range s.links {
						if l.Name == i.Name {
							s.filtered[index] = "xdp-native"
						}
					}
				}
				return nil
			})
		},
		unfilter: func(context.Context) error { return locked(func() error { s.do("unfilter"); return nil }) },
		attached: func(context.Context) (list []sdk.FilterAttachment, err error) {
			err = locked(func() error {
				for index, how := range s.filtered {
					list = append(list, sdk.FilterAttachment{Index: index, How: how, Note: "somebody took it off"})
				}
				return nil
			})
			return list, err
		},
		first: func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.share },
		owns:  func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.share },
		table: func() { s.change(func() { s.do("table") }) },
		announce: func(list ...vip.Target) {
			s.change(func() {
				for _, t := range list {
					s.do("announce %s at %s on %d from %s", t.Addr, t.MAC, t.Index, t.Source)
				}
			})
		},
		cancel: func(int, netip.Addr) {},
		halt:   func() { s.change(func() { s.do("halted") }) },
		share: func(in share.Input, _ int64) {
			s.change(func() {
				switch in := in.(type) {
				case share.Started:
					s.do("started at %x", in.MACs)
				case share.Cut:
					s.do("cut %q", in.Why)
				}
			})
		},
		resource: func(r core.Resource) {
			s.change(func() { s.do("%s is %s", r.Name, strings.TrimSuffix(string(r.Value)+": "+r.Reason, ": ")) })
		},
		note:   func(_, text string) int64 { s.change(func() { s.do("note %s", text) }); return 1 },
		patrol: func(context.Context, []heldAddress) {},
	}
}

func card(index int, name string, last byte) vip.Interface {
	return vip.Interface{Name: name, Index: index, MAC: net.HardwareAddr{2, 0, 0, 0, 0, last}, Prefix: netip.MustParsePrefix("10.0.0.0/24")}
}

// theNetwork makes a network on eth1 and sets it up.
func theNetwork(t *testing.T, name string) (*stand, *network) {
	t.Helper()
	s := &stand{links: map[int]vip.Interface{2: card(2, "eth1", 1)}, down: map[int]bool{}, dark: map[int]bool{}, held: map[string]bool{}, filtered: map[int]string{}}
	n := newNetwork(t.Context(), "web", []config.Interface{{Name: name, Directed: true, Addresses: []config.Address{{Addr: netip.MustParseAddr("10.0.0.100")}}}}, s.wire())
	if err := n.up(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	want := []string{"filter eth1 [10.0.0.100]", "add 10.0.0.100 to eth1, invisible false", "started at [020000000001]", "intf.eth1 is up"}
	if did := s.took(); !slices.Equal(did, want) {
		t.Errorf("set up by\n%s\ninstead of\n%s", strings.Join(did, "\n"), strings.Join(want, "\n"))
	}
	return s, n
}

// TestNetworkStaysAsItIsToBe changes what is there and looks at what is done about it.
func TestNetworkStaysAsItIsToBe(t *testing.T) {
	type change struct {
		do   func(s *stand)
		want []string
	}
	for _, c := range []struct {
		name, conf string
		changes    []change
	}{
		{"nothing", "", []change{{func(*stand) {}, nil}}},
		{"flushed", "", []change{{func(s *stand) { delete(s.held, "2 10.0.0.100") }, []string{
			"add 10.0.0.100 to eth1, invisible false", "note 10.0.0.100 was not on eth1 any more and was put back."}}}},
		{"filter taken off", "", []change{{func(s *stand) { s.filtered[2] = "" }, []string{
			"filter eth1 [10.0.0.100]", "table", "note Interface eth1 was not filtered any more (somebody took it off) and is filtered again."}}}},
		{"another address of its own", "", []change{
			{func(s *stand) { s.own = []netip.Prefix{netip.MustParsePrefix("10.0.0.6/24")} }, []string{"filter eth1 [10.0.0.100]"}},
			{func(s *stand) { s.own, s.broken = nil, errors.New("no") }, []string{
				"intf.eth1 is down: the addresses of interface eth1 changed: no",
				"note web takes no connections on this node: the addresses of interface eth1 changed: no.", `cut "the addresses of interface eth1 changed: no"`}},
			{func(s *stand) { s.broken = nil }, []string{"filter eth1 [10.0.0.100]", "intf.eth1 is up", "note web can take connections on this node again.", `cut ""`}},
		}},
		{"down and up", "", []change{
			{func(s *stand) { s.down[2] = true; delete(s.held, "2 10.0.0.100") }, []string{
				"intf.eth1 is down: interface eth1 is down", "note web takes no connections on this node: interface eth1 is down.", `cut "interface eth1 is down"`}},
			{func(*stand) {}, nil},
			{func(s *stand) { s.down[2] = false }, []string{
				"add 10.0.0.100 to eth1, invisible false", "note 10.0.0.100 was not on eth1 any more and was put back.", "intf.eth1 is up",
				"note web can take connections on this node again.", `cut ""`}},
		}},
		{"cable out and in", "", []change{
			{func(s *stand) { s.dark[2] = true }, []string{
				"intf.eth1 is down: interface eth1 has no carrier", "note web takes no connections on this node: interface eth1 has no carrier.", `cut "interface eth1 has no carrier"`}},
			{func(s *stand) { s.dark[2] = false }, []string{
				"intf.eth1 is up", "note web can take connections on this node again.", `cut ""`}},
		}},
		{"made anew", "eth1", []change{
			{func(s *stand) { delete(s.links, 2) }, []string{
				"intf.eth1 is down: interface eth1 is gone", "note web takes no connections on this node: interface eth1 is gone.", `cut "interface eth1 is gone"`}},
			{func(s *stand) { s.links[7] = card(7, "eth1", 2) }, []string{
				"filter eth1 [10.0.0.100]", "add 10.0.0.100 to eth1, invisible false", "remove 10.0.0.100 from eth1", "started at [020000000002]",
				"note 10.0.0.100 was set up anew on eth1.", "intf.eth1 is up", "note web can take connections on this node again.", `cut ""`}},
		}},
		{"another MAC address", "", []change{{func(s *stand) { s.links[2] = card(2, "eth1", 3) }, []string{
			"intf.eth1 is down: the MAC address of interface eth1 changed", "note web takes no connections on this node: the MAC address of interface eth1 changed.",
			`cut "the MAC address of interface eth1 changed"`, "filter eth1 [10.0.0.100]", "started at [020000000003]", "note 10.0.0.100 was set up anew on eth1.",
			"intf.eth1 is up", "note web can take connections on this node again.", `cut ""`}}}},
		{"renamed, any will do", "", []change{{func(s *stand) { s.links[2] = card(2, "lan1", 1) }, []string{
			"filter lan1 [10.0.0.100]", "started at [020000000001]", "note 10.0.0.100 was set up anew on lan1.", "intf.lan1 is up"}}}},
		{"renamed, but named in the configuration", "eth1", []change{
			{func(s *stand) { s.links[2] = card(2, "lan1", 1) }, []string{
				"intf.eth1 is down: interface eth1 is gone: it is called lan1 now", "note web takes no connections on this node: interface eth1 is gone: it is called lan1 now.",
				`cut "interface eth1 is gone: it is called lan1 now"`}},
			{func(s *stand) { s.links[2] = card(2, "eth1", 1) }, []string{
				"intf.eth1 is up", "note web can take connections on this node again.", `cut ""`}},
		}},
		{"another one has the network now", "", []change{{func(s *stand) { delete(s.links, 2); s.links[3] = card(3, "eth2", 4) }, []string{
			"intf.eth1 is down: interface eth1 is gone", "note web takes no connections on this node: interface eth1 is gone.", `cut "interface eth1 is gone"`,
			"filter eth2 [10.0.0.100]", "add 10.0.0.100 to eth2, invisible false", "remove 10.0.0.100 from eth1", "started at [020000000004]",
			"note 10.0.0.100 was set up anew on eth2.", "intf.eth1 is unknown: it holds no virtual address now", "intf.eth2 is up",
			"note web can take connections on this node again.", `cut ""`}}}},
		{"cannot be filtered any more", "", []change{
			{func(s *stand) { s.filtered[2], s.broken = "", errors.New("the interface is taken") }, []string{
				"intf.eth1 is down: interface eth1 is not filtered (somebody took it off): the interface is taken",
				"note web takes no connections on this node: interface eth1 is not filtered (somebody took it off): the interface is taken.",
				`cut "interface eth1 is not filtered (somebody took it off): the interface is taken"`}},
			{func(s *stand) { s.broken = nil }, []string{
				"filter eth1 [10.0.0.100]", "table", "note Interface eth1 was not filtered any more (somebody took it off) and is filtered again.",
				"intf.eth1 is up", "note web can take connections on this node again.", `cut ""`}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := theNetwork(t, c.conf)
				for i, change := range c.changes {
					s.change(func() { change.do(s) })
					n.poke()
					synctest.Wait()
					if did := s.took(); !slices.Equal(did, change.want) {
						t.Errorf("change %d was followed by\n%s\ninstead of\n%s", i, strings.Join(did, "\n"), strings.Join(change.want, "\n"))
					}
				}
				n.close()
			})
		})
	}
}

// TestNetworkIsLookedAfterWithoutNews: a failed repair is tried again.
func TestNetworkIsLookedAfterWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := theNetwork(t, "")
		s.change(func() { delete(s.held, "2 10.0.0.100") })
		time.Sleep(lookInterval + time.Second) // of the bubble's clock
		synctest.Wait()
		if did := s.took(); len(did) == 0 || did[0] != "add 10.0.0.100 to eth1, invisible false" {
			t.Errorf("did %q", did)
		}
		if err := n.down(t.Context()); err != nil {
			t.Error(err)
		}
		if did := s.took(); !slices.Equal(did, []string{"halted", "remove 10.0.0.100 from eth1", "unfilter", "unlay"}) {
			t.Errorf("removed by %q", did)
		}
		s.change(func() { delete(s.links, 2) })
		n.poke()
		synctest.Wait()
		if did := s.took(); len(did) != 0 {
			t.Errorf("a network that is down was mended: %q", did)
		}
		n.close()
	})
}

// TestAnotherCardIsAnnounced when the node has its share again, not before.
func TestAnotherCardIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := theNetwork(t, "")
		s.change(func() { s.links[2] = card(2, "eth1", 3) })
		n.poke()
		announced := func() bool {
			time.Sleep(2 * patrolInterval) // of the bubble's clock
			synctest.Wait()
			return slices.Contains(s.took(), "announce 10.0.0.100 at 02:00:00:00:00:03 on 2 from 02:00:00:00:00:03")
		}
		if announced() {
			t.Error("announced without a share")
		}
		s.change(func() { s.share = true })
		if !announced() {
			t.Error("not announced")
		}
		if announced() {
			t.Error("announced twice")
		}
		n.close()
	})
}

func TestNetworkIsNotSetUpWhereOthersAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := theNetwork(t, "")
		if err := n.down(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.took()
		s.refused = errors.New("10.0.0.100 is in use")
		if err := n.up(t.Context()); err == nil || len(s.took()) != 0 {
			t.Errorf("set up: %v", err)
		}
		n.close()
	})
}

func TestInvisibleAddressIsAnnouncedByItsVirtualMAC(t *testing.T) {
	h := heldAddress{on: card(2, "eth1", 1), addr: config.Address{Addr: netip.MustParseAddr("10.0.0.100"), MAC: share.MAC{0x5a, 0xfe, 10, 0, 0, 100}}}
	if to := h.target(); to.MAC.String() != "5a:fe:0a:00:00:64" || to.Source.String() != "02:00:00:00:00:01" {
		t.Errorf("%+v", to)
	}
}
