package lab

import (
	"net"
	"net/netip"
	"testing"
)

// A large lab: jumbo frames, two networks, and a client behind a router whose
// cable is narrow.
func TestLargeLab(t *testing.T) {
	o := testOptions(t, 2)
	o.MTU, o.Networks, o.WithRouter, o.NoCluster, o.HostPort = 9000, 2, true, true, -1
	l := start(t, o)
	second := func(node int, six bool) netip.Addr { return host(secondNetwork, node, six).Addr() }
	for _, six := range []bool{false, true} {
		eventually(t, "n2 answers", func() bool { return reachesAddress(t, l, "n1", host(firstNetwork, 2, six).Addr(), "/") })
		reached(t, l, "n1", second(2, six), "/")
		if reachesAddress(t, l, Client, second(2, six), "/") {
			t.Error("the second network is not for the nodes alone")
		}
		// The page is larger than the narrow cable: n1 has to learn of its MTU.
		reached(t, l, Far, host(firstNetwork, 1, six).Addr(), "/large")
	}
	for member, want := range map[string][]int{"n1": {9000, 9000}, Router: {9000, FarMTU}, Far: {9000}} {
		for i, mtu := range want {
			err := inside(l.net.members[member], func() error {
				link, err := net.InterfaceByName(eth(i))
				if err == nil && link.MTU != mtu {
					t.Errorf("%s of %s has MTU %d, not %d", eth(i), member, link.MTU, mtu)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	do(t, l, Fault{Verb: Cut, Nodes: []string{"n2"}, Network: 2})
	reached(t, l, "n1", NodeAddress(2), "/")
	if reachesAddress(t, l, "n1", second(2, false), "/") || l.Status().Nodes[1].Link != "eth1 cut" {
		t.Errorf("the second cable alone is not what is cut: %+v", l.Status().Nodes[1])
	}
	do(t, l, Fault{Verb: Unplug, Nodes: []string{"n2"}, Network: 1})
	if reachesAddress(t, l, "n1", NodeAddress6(2), "/") || l.Status().Nodes[1].Link != "eth0 unplugged, eth1 cut" {
		t.Errorf("the first card is still there: %+v", l.Status().Nodes[1])
	}
	do(t, l, Fault{Verb: Heal, Nodes: []string{"n2"}})
	// Neighbours may believe for a second that nobody is there.
	eventually(t, "all is well again", func() bool {
		return reachesAddress(t, l, Far, NodeAddress6(2), "/large") && reachesAddress(t, l, "n1", second(2, true), "/") && l.Status().Nodes[1].Link == "up"
	})
	do(t, l, Fault{Verb: Partition, Groups: [][]string{{"n1"}, {"n2"}}})
	if reachesAddress(t, l, "n1", second(2, false), "/") || reaches(t, l, "n1", "n2") {
		t.Error("a partition is about all networks")
	}
	do(t, l, Fault{Verb: Heal})
	eventually(t, "n1 reaches n2 by both", func() bool { return reachesAddress(t, l, "n1", second(2, true), "/") && reaches(t, l, "n1", "n2") })
}
