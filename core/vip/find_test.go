package vip

import (
	"net/netip"
	"strings"
	"testing"
)

// on is an address of an interface.
func on(index int, name, prefix string) candidate {
	p := netip.MustParsePrefix(prefix)
	return candidate{Interface: Interface{Name: name, Index: index, RealAddr: p.Addr(), Prefix: p.Masked()}}
}

func TestChoose(t *testing.T) {
	lo := on(1, "lo", "127.0.0.1/8")
	lo.loopback = true
	all := []candidate{lo, on(2, "eth0", "10.0.0.5/24"), on(2, "eth0", "10.0.0.6/24"), on(2, "eth0", "10.0.0.100/32"),
		on(3, "eth1", "10.0.0.0/8"), on(4, "eth2", "192.168.1.2/24"), on(5, "eth3", "192.168.1.3/24"),
		on(2, "eth0", "fd00::5/64"), on(2, "eth0", "fe80::1/64"), on(4, "eth2", "fe80::2/64"), {Interface: Interface{Name: "eth7", Index: 7}}}
	tests := []struct {
		addr, want string
		name, real string   // found
		errs       []string // or all of this in the error
	}{
		{addr: "10.0.0.100", name: "eth0", real: "10.0.0.5"},
		{addr: "10.9.9.9", name: "eth1", real: "10.0.0.0"},
		{addr: "10.0.0.100", want: "eth1", name: "eth1", real: "10.0.0.0"},
		{addr: "fd00::100", name: "eth0", real: "fd00::5"},
		{addr: "10.0.0.5", errs: []string{"own address on eth0"}},
		{addr: "192.168.1.100", errs: []string{"both eth2 and eth3", "name the interface"}},
		{addr: "192.168.1.100", want: "eth3", name: "eth3", real: "192.168.1.3"},
		{addr: "172.16.0.1", errs: []string{"none of this node's networks", "10.0.0.0/24 on eth0", "192.168.1.0/24 on eth2"}},
		{addr: "10.0.0.100", want: "eth9", errs: []string{`no interface "eth9"`, "it has eth0, eth1, eth2, eth3, eth7"}},
		{addr: "10.0.0.100", want: "eth7", errs: []string{"no network of eth7"}},
		{addr: "fd01::100", errs: []string{"none of this node's networks", "fd00::/64 on eth0"}},
		{addr: "fd00::5", errs: []string{"own address on eth0"}},
		{addr: "172.16.0.1", want: "eth3", errs: []string{"no network of eth3", "192.168.1.0/24 on eth3"}},
		{addr: "127.0.0.9", errs: []string{"none of this node's networks"}},
	}
	for _, c := range tests {
		got, err := choose(all, netip.MustParseAddr(c.addr), c.want)
		if len(c.errs) == 0 {
			if err != nil || got.Name != c.name || got.RealAddr.String() != c.real {
				t.Errorf("%s %s: %+v, %v", c.addr, c.want, got, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s %s: found %+v", c.addr, c.want, got)
			continue
		}
		for _, text := range c.errs {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s %s: %q does not say %q", c.addr, c.want, err, text)
			}
		}
	}
	if _, err := choose(nil, netip.MustParseAddr("10.0.0.1"), ""); err == nil || !strings.Contains(err.Error(), "there is no network") {
		t.Errorf("no network: %v", err)
	}
}
