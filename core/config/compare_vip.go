package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// structure makes worse what no element can tell alone: whether the module has an
// address at all, and traffic that would be shared in another way.
func (c *comparison) structure(old, next *Module) {
	if (len(old.Addresses()) > 0) != (len(next.Addresses()) > 0) {
		c.worsen("service/vip/", EffectStop, "a module gets its first address, or loses its last one, when it is stopped")
	}
	invisible := slices.ContainsFunc(old.Interfaces, func(i Interface) bool { return !i.Directed })
	if moved := remapped(old, next); invisible && moved != "" {
		c.worsen("service/vip/loadbalancing_list/", EffectStop, moved)
	}
}

// worsen gives all changes below a path an effect, unless they have a worse one.
func (c *comparison) worsen(path string, e Effect, why string) {
	for i := range c.changes {
		if one := &c.changes[i]; strings.HasPrefix(one.Path, path) && e.Worse(one.Effect) {
			one.Effect, one.Why = e, why
		}
	}
}

// traffic is what a rule is looked for.
type traffic struct {
	proto   string
	address netip.Addr
	port    uint16 // 0: any that no rule names
}

// remapped says which traffic both configurations share, but by another group or
// in another way; empty if there is none. While some nodes use the one and some the
// other, two would take one packet in vmac_invisible, where all see it.
func remapped(old, next *Module) string {
	ports := []uint16{0}
	for _, g := range slices.Concat(old.Groups, next.Groups) {
		for _, r := range g.Rules {
			ports = append(ports, r.Port)
		}
	}
	slices.Sort(ports)
	for _, proto := range []string{"tcp", "udp"} {
		for _, a := range old.Addresses() {
			for _, port := range slices.Compact(slices.Clone(ports)) {
				t := traffic{proto, a.Addr, port}
				was, shared := old.sharing(t)
				is, still := next.sharing(t)
				if shared && still && was != is && next.holds(a.Addr) {
					return fmt.Sprintf("%s goes from %s to %s", t, was, is)
				}
			}
		}
	}
	return ""
}

func (t traffic) String() string {
	if t.port == 0 {
		return fmt.Sprintf("%s to %s", t.proto, t.address)
	}
	return fmt.Sprintf("%s to %s", t.proto, netip.AddrPortFrom(t.address, t.port))
}

func (m *Module) holds(a netip.Addr) bool {
	return slices.ContainsFunc(m.Addresses(), func(x Address) bool { return x.Addr == a })
}

// sharing tells how traffic is shared: by the rule for its port before one for
// all, and then by the rule for its address before one for all.
func (m *Module) sharing(t traffic) (how string, shared bool) {
	best := -1
	for _, g := range m.Groups {
		for _, r := range g.Rules {
			if r.Proto != t.proto || r.Port != 0 && r.Port != t.port || r.Address.IsValid() && r.Address != t.address {
				continue
			}
			rank := 0
			if r.Port != 0 {
				rank += 2
			}
			if r.Address.IsValid() {
				rank++
			}
			if rank > best {
				best, how = rank, fmt.Sprintf("group %s (%s)", g.Name, r.Filter)
			}
		}
	}
	return how, best >= 0
}
