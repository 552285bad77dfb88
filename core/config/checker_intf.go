package config

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

func intfChecker() checkerKind {
	k := newChecker("intf", "A network interface is up and has a carrier; a change is seen at once. Resource intf.IDENT.", beforeAll, "pre", core.VerbWait, target(
		Attribute{Name: "local_addr", Kind: KindResolved, Status: Used, Doc: "Address on the interface, or, where no interface has it, any of its network: 10.0.0.0 for whichever interface is in 10.0.0.0/24."},
		Attribute{Name: "name", Kind: KindText, Empty: true, New: true, Status: Used, Doc: "The interface, instead of local_addr."}))
	k.tell = func(p *parser, c *Checker, to *node) bool {
		c.watchLink(to.values["name"].text, to.values["local_addr"].addr)
		return p.oneOf(to, "local_addr", "name")
	}
	return k
}

// watchLink names the interface, or an address on it or of its network. A change is
// seen at once; it is looked at besides, to be sure.
func (c *Checker) watchLink(name string, addr netip.Addr) {
	c.Interval, c.Outside = time.Second, true
	if name != "" {
		c.Settings["name"] = name
	} else {
		c.Settings["local_addr"] = addr.String()
	}
}

// links adds the checks that the interfaces of a mirror ask for: where the link of
// its address is down a node can serve nobody.
func (p *parser) links(m *Module, vip *node) {
	if m.Mode != core.Mirror {
		return
	}
	for i, n := range vip.one("interface_list").all("interface") {
		if n.values["check"].text == "off" || i >= len(m.Interfaces) || len(m.Interfaces[i].Addresses) == 0 {
			continue
		}
		on := m.Interfaces[i]
		addr := on.Addresses[0].Addr
		c := Checker{Class: "intf", Plugin: "intf", Ident: cmp.Or(on.Name, addr.String()), Settings: map[string]any{}, When: core.WhenPre, Action: core.VerbWait, Pos: on.Pos}
		c.watchLink(on.Name, addr)
		if !slices.ContainsFunc(m.Checkers, func(o Checker) bool { return o.Resource() == c.Resource() }) {
			m.Checkers = append(m.Checkers, c)
		}
	}
}
