package vip

import (
	"net/netip"
	"slices"
)

// Source is a virtual address that connections which this node begins come from, where
// they leave by the interface that has it.
type Source struct {
	Index int // of the interface
	Addr  netip.Addr
}

// route is what is known of a route in the node's main table.
type route struct {
	dst     netip.Prefix
	index   int
	gateway netip.Addr // zero: the destination is on the link
	onlink  bool
	metric  int
	plain   bool // an ordinary route by one interface
}

// overlay is one entry of the table that is looked at before the main one: a route of
// that with another source, or back to the main table.
type overlay struct {
	route
	source netip.Addr // zero: back to the main table
}

// overlays makes the table for one family of addresses. Each route of the main table
// has its entry, so that a default route here does not take what another interface
// has a better route for. keep are addresses that are reached as before: the other
// nodes, which know this one by its own.
func overlays(main []route, sources []Source, keep []netip.Addr) []overlay {
	var all []overlay
	for _, r := range best(main) {
		o := overlay{route: r}
		if at := slices.IndexFunc(sources, func(s Source) bool { return s.Index == r.index && s.Addr.Is4() == r.dst.Addr().Is4() }); at >= 0 && r.plain && !near(r.dst) {
			o.source = sources[at].Addr
		}
		all = append(all, o)
	}
	if !slices.ContainsFunc(all, func(o overlay) bool { return o.source.IsValid() }) {
		return nil
	}
	for _, a := range keep {
		dst := netip.PrefixFrom(a, a.BitLen())
		all = slices.DeleteFunc(all, func(o overlay) bool { return o.dst == dst })
		all = append(all, overlay{route: route{dst: dst}})
	}
	return all
}

// best are the routes that count: of those to the same destination the one with the
// least metric.
func best(main []route) []route {
	var list []route
	for _, r := range main {
		at := slices.IndexFunc(list, func(o route) bool { return o.dst == r.dst })
		switch {
		case at < 0:
			list = append(list, r)
		case r.metric < list[at].metric:
			list[at] = r
		}
	}
	return list
}

// near says that what is there is reached on its own link only.
func near(dst netip.Prefix) bool {
	a := dst.Addr()
	return dst.Bits() > 0 && (a.IsLinkLocalUnicast() || a.IsMulticast())
}
