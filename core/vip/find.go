package vip

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Interface is the network interface that a virtual address belongs on.
type Interface struct {
	Name     string
	Index    int
	MAC      net.HardwareAddr
	RealAddr netip.Addr   // an address of this node's own there
	Prefix   netip.Prefix // the network
}

// candidate is one network of one interface of this node; without a prefix, an
// interface and no more.
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
		if c.loopback || wantName != "" && c.Name != wantName {
			continue
		}
		if c.RealAddr == addr && c.Prefix.IsValid() && !c.Prefix.IsSingleIP() {
			return Interface{}, fmt.Errorf("find the interface of %s: it is this node's own address on %s; a virtual address must be a free one", addr, c.Name)
		}
		if !c.Prefix.IsValid() || c.Prefix.IsSingleIP() || !c.Prefix.Contains(addr) {
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
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Interface{}, fmt.Errorf("find the interface of %s: both %s and %s are in the network %s; name the interface to use",
			addr, found[0].Name, found[1].Name, found[0].Prefix)
	case !known:
		return Interface{}, fmt.Errorf("find the interface of %s: this node has no interface %q; it has %s", addr, wantName, names(all))
	case wantName != "":
		return Interface{}, fmt.Errorf("find the interface of %s: it is in no network of %s; %s", addr, wantName, networks(all, wantName))
	}
	return Interface{}, fmt.Errorf("find the interface of %s: it is in none of this node's networks; %s", addr, networks(all, ""))
}

// networks names the networks that an address could be in.
func networks(all []candidate, only string) string {
	var list []string
	for _, c := range all {
		text := c.Prefix.String() + " on " + c.Name
		if !c.loopback && c.Prefix.IsValid() && !c.Prefix.IsSingleIP() && (only == "" || c.Name == only) &&
			!c.Prefix.Addr().IsLinkLocalUnicast() && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return "there is no network of its kind"
	}
	return "there is " + strings.Join(list, ", ")
}

// names lists the interfaces.
func names(all []candidate) string {
	var list []string
	for _, c := range all {
		if !c.loopback && !slices.Contains(list, c.Name) {
			list = append(list, c.Name)
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
