package config

import (
	"cmp"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

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
		c := IntfCheck{Checker: Checker{When: core.WhenPre, Action: core.VerbWait, Pos: on.Pos}, Name: on.Name}
		if on.Name == "" {
			c.Addr = on.Addresses[0].Addr
		}
		c.Ident = cmp.Or(on.Name, on.Addresses[0].Addr.String())
		if !slices.ContainsFunc(m.IntfChecks, func(o IntfCheck) bool { return o.Ident == c.Ident }) {
			m.IntfChecks = append(m.IntfChecks, c)
		}
	}
}
