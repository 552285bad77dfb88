package vip

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// sourceTable is the routing table in which the sources are, "or" in ASCII.
	sourceTable = 0x6f72
	// sourceRule is the place of the rules that lead to it: just before the main table,
	// so that any rule of the administrator's goes first.
	sourceRule = 32765
	// sourceProtocol marks the routes as made here; see rtnetlink(7).
	sourceProtocol = 0x6f
)

// sourced are the protocols whose connections come from a virtual address. Answers to
// echo requests of this node would not find it: whoever asks for the address is the
// filter's matter.
var sourced = []int{unix.IPPROTO_TCP, unix.IPPROTO_UDP}

// SetSources says from which virtual addresses the connections of this node come on
// behalf of one owner; an empty list ends that. They are routes with a source in a table
// of their own, before the main one, which stays as it is. An address that is not there
// counts for nothing: say it again when it is, and when the node's routes have changed.
// keep are addresses that are always reached from the node's own.
func (h *Holder) SetSources(owner string, sources []Source, keep []netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(sources) == 0 && h.sources[owner] == nil {
		return nil
	}
	if h.sources == nil {
		h.sources = map[string][]Source{}
	}
	h.sources[owner] = sources
	if len(sources) == 0 {
		delete(h.sources, owner)
	}
	var all []Source
	for _, name := range slices.Sorted(maps.Keys(h.sources)) {
		all = append(all, h.sources[name]...)
	}
	return applySources(all, keep)
}

// ForgetSources removes what an earlier run of the program left.
func ForgetSources() error { return applySources(nil, nil) }

func applySources(sources []Source, keep []netip.Addr) error {
	sources = slices.DeleteFunc(sources, func(s Source) bool { return !s.there() })
	var all error
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		four := family == unix.AF_INET
		if err := applyFamily(family, sources, slices.DeleteFunc(slices.Clone(keep), func(a netip.Addr) bool { return a.Is4() != four })); err != nil {
			all = errors.Join(all, fmt.Errorf("set the source of this node's connections: %w", err))
		}
	}
	return all
}

// there says that the interface has the address: with a source that it does not have
// nothing could be sent at all.
func (s Source) there() bool {
	l, err := netlink.LinkByIndex(s.Index)
	if err != nil {
		return false
	}
	there, err := held(l, s.Addr)
	return err == nil && there
}

// applyFamily makes the table of a family, before the rules that lead to it; and back.
func applyFamily(family int, sources []Source, keep []netip.Addr) error {
	there, err := netlink.RouteListFiltered(family, &netlink.Route{Table: sourceTable}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list its routes: %w", err)
	}
	var want []overlay
	if len(sources) > 0 {
		main, err := mainRoutes(family)
		if err != nil {
			return err
		}
		want = overlays(main, sources, keep)
	}
	if len(want) == 0 {
		err = setRules(family, false)
	}
	err = errors.Join(err, setOverlays(family, there, want))
	if len(want) > 0 && err == nil {
		err = setRules(family, true)
	}
	return err
}

// mainRoutes reads the node's main table.
func mainRoutes(family int) ([]route, error) {
	list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list the routes of this node: %w", err)
	}
	var all []route
	for _, r := range list {
		dst, ok := destination(r, family)
		if !ok {
			continue
		}
		one := route{dst: dst, index: r.LinkIndex, metric: r.Priority, onlink: r.Flags&unix.RTNH_F_ONLINK != 0}
		one.plain = r.Type == unix.RTN_UNICAST && len(r.MultiPath) == 0 && r.Via == nil && r.Encap == nil && r.LinkIndex != 0
		one.gateway, _ = netip.AddrFromSlice(r.Gw)
		one.gateway = one.gateway.Unmap()
		all = append(all, one)
	}
	return all, nil
}

// destination is where a route leads; of a default route the kernel names none.
func destination(r netlink.Route, family int) (netip.Prefix, bool) {
	if r.Dst == nil {
		if family == unix.AF_INET {
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
		}
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP)
	bits, _ := r.Dst.Mask.Size()
	if family == unix.AF_INET {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits), ok
}

// setOverlays makes the table what it is to be: links before gateways, which must be
// reached by them. Where an entry is missing for a moment the main table is used.
func setOverlays(family int, there []netlink.Route, want []overlay) error {
	slices.SortStableFunc(want, func(a, b overlay) int { return a.hops() - b.hops() })
	var all error
	for _, t := range there {
		if slices.ContainsFunc(want, func(o overlay) bool { return o.is(t, family) }) {
			continue
		}
		if err := netlink.RouteDel(&t); err != nil && !errors.Is(err, unix.ESRCH) {
			all = errors.Join(all, fmt.Errorf("remove the route %s: %w", t, err))
		}
	}
	for _, o := range want {
		r := o.netlink()
		if slices.ContainsFunc(there, func(t netlink.Route) bool { return o.is(t, family) }) {
			continue
		}
		if err := netlink.RouteReplace(&r); err != nil {
			all = errors.Join(all, fmt.Errorf("route to %s: %w", o.dst, err))
		}
	}
	return all
}

// hops is 1 with a gateway.
func (o overlay) hops() int {
	if o.gateway.IsValid() {
		return 1
	}
	return 0
}

// is says that a route in the table is this entry.
func (o overlay) is(r netlink.Route, family int) bool {
	want := o.netlink()
	dst, _ := destination(r, family)
	return dst == o.dst && r.Type == want.Type &&
		(want.Type == unix.RTN_THROW || r.LinkIndex == want.LinkIndex && r.Src.Equal(want.Src) && r.Gw.Equal(want.Gw))
}

func (o overlay) netlink() netlink.Route {
	r := netlink.Route{
		Dst:   &net.IPNet{IP: o.dst.Addr().AsSlice(), Mask: net.CIDRMask(o.dst.Bits(), o.dst.Addr().BitLen())},
		Table: sourceTable, Protocol: sourceProtocol, Type: unix.RTN_THROW,
	}
	if !o.source.IsValid() {
		return r
	}
	r.Type, r.LinkIndex, r.Src, r.Scope = unix.RTN_UNICAST, o.index, o.source.AsSlice(), netlink.SCOPE_LINK
	if o.gateway.IsValid() {
		r.Gw, r.Scope = o.gateway.AsSlice(), netlink.SCOPE_UNIVERSE
	}
	if o.onlink {
		r.Flags = unix.RTNH_F_ONLINK
	}
	return r
}

// setRules leads the connections to the table, or not any more.
func setRules(family int, wanted bool) error {
	there, err := netlink.RuleListFiltered(family, &netlink.Rule{Table: sourceTable}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list the routing rules: %w", err)
	}
	for _, protocol := range sourced {
		at := slices.IndexFunc(there, func(r netlink.Rule) bool { return r.IPProto == protocol })
		if wanted == (at >= 0) {
			continue
		}
		r := netlink.NewRule()
		r.Family, r.Table, r.Priority, r.IPProto = family, sourceTable, sourceRule, protocol
		if wanted {
			err = errors.Join(err, netlink.RuleAdd(r))
		} else {
			err = errors.Join(err, netlink.RuleDel(r))
		}
	}
	return err
}
