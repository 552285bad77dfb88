package vip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Interface is the network interface that a virtual address belongs on.
type Interface struct {
	Name     string
	Index    int
	MAC      net.HardwareAddr
	RealAddr netip.Addr   // this node's own address in the network
	Prefix   netip.Prefix // the network
}

// candidate is one address of one interface of this node.
type candidate struct {
	Interface
	loopback bool
}

// choose finds the interface whose network holds addr; the smallest network
// counts. wantName, if not empty, allows that interface only.
func choose(all []candidate, addr netip.Addr, wantName string) (Interface, error) {
	var found []Interface
	known := wantName == ""
	for _, c := range all {
		known = known || c.Name == wantName
		if c.loopback || wantName != "" && c.Name != wantName || c.Prefix.IsSingleIP() || !c.Prefix.Contains(addr) {
			continue
		}
		if len(found) > 0 && c.Prefix.Bits() > found[0].Prefix.Bits() {
			found = nil
		}
		if len(found) > 0 && (c.Prefix.Bits() < found[0].Prefix.Bits() || c.Index == found[0].Index) {
			continue
		}
		found = append(found, c.Interface)
	}
	switch {
	case len(found) == 1 && found[0].RealAddr == addr:
		return Interface{}, fmt.Errorf("find the interface of %s: it is this node's own address on %s; a virtual address must be a free one", addr, found[0].Name)
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Interface{}, fmt.Errorf("find the interface of %s: both %s and %s are in the network %s; name the interface to use",
			addr, found[0].Name, found[1].Name, found[0].Prefix)
	case !known:
		return Interface{}, fmt.Errorf("find the interface of %s: this node has no interface %q with an address; %s", addr, wantName, networks(all, ""))
	case wantName != "":
		return Interface{}, fmt.Errorf("find the interface of %s: it is in no network of %s; %s", addr, wantName, networks(all, wantName))
	}
	return Interface{}, fmt.Errorf("find the interface of %s: it is in none of this node's networks; %s", addr, networks(all, ""))
}

// networks names the networks that an address could be in.
func networks(all []candidate, only string) string {
	var list []string
	for _, c := range all {
		if !c.loopback && !c.Prefix.IsSingleIP() && (only == "" || c.Name == only) && !c.Prefix.Addr().IsLinkLocalUnicast() {
			list = append(list, c.Prefix.String()+" on "+c.Name)
		}
	}
	if len(list) == 0 {
		return "there is no network"
	}
	return "there is " + strings.Join(list, ", ")
}
