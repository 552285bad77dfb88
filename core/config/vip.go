package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// interfaces reads <vip>.
func (p *parser) interfaces(vip *node) []Interface {
	var out []Interface
	names, addresses := p.unique("interface"), p.unique("virtual address")
	for _, n := range vip.one("interface_list").all("interface") {
		name := n.values["name"]
		if name.set && !names.add(name) {
			continue
		}
		i := Interface{Name: name.text, Directed: true, Pos: p.position(n.at)}
		virtual := n.one("virtual_interface")
		if virtual == nil {
			virtual = n.one("real_interface")
		} else if both := n.one("real_interface"); both != nil {
			p.errorf(idNetwork, both.at, "<interface> has a <virtual_interface> and a <real_interface>").Hint = "write an <interface> for each"
		}
		if virtual == nil {
			p.noVirtual(n)
			continue
		}
		i.Directed = virtual.values["type"].text != "vmac_invisible"
		mac := virtual.values["addr"]
		if mac.set && i.Directed && virtual.values["type"].ok {
			p.report(diag.Note, idIgnored, mac.at, `attribute "addr" of <virtual_interface> has no effect: a virtual MAC is for vmac_invisible`)
		}
		from := map[bool]netip.Addr{} // by Is4: where what the node sends comes from
		for _, a := range virtual.all("virtual_addr") {
			address, ok := p.virtualAddress(a, addresses)
			if !ok {
				continue
			}
			if address.Where == "one_side" {
				if first := from[address.Addr.Is4()]; first.IsValid() {
					p.report(diag.Note, idIgnored, a.values["where"].at, fmt.Sprintf("%s is held, but what the node sends by this interface comes from %s", address.Addr, first))
				} else {
					from[address.Addr.Is4()] = address.Addr
				}
			}
			if !i.Directed {
				address.MAC = virtualMAC(address.Addr, mac)
			}
			i.Addresses = append(i.Addresses, address)
		}
		out = append(out, i)
	}
	return out
}

// noVirtual reports an interface without what its mode needs in it, unless
// something wrong has been said of its content already.
func (p *parser) noVirtual(n *node) {
	if len(n.children) > 0 {
		return
	}
	kind := "virtual_interface"
	if p.mode == core.Mirror {
		kind = "real_interface"
	}
	p.errorf(idMissingElement, n.at, "<interface> needs a <%s> in it", kind).Hint = fmt.Sprintf("write <%s> with a <virtual_addr> in it", kind)
}

func (p *parser) virtualAddress(n *node, seen *unique) (Address, bool) {
	v := n.values["addr"]
	if !v.ok {
		return Address{}, false
	}
	if err := usable(v.addr); err != nil {
		p.valueProblem(idAddress, v, err.Error())
		return Address{}, false
	}
	key := v
	key.text = v.addr.String()
	if first, twice := seen.at[key.text]; twice {
		problem := p.valueProblem(idDuplicateAddress, v, fmt.Sprintf("virtual address %s is there twice", v.addr))
		problem.Related = append(problem.Related, p.related(first, "first here"))
		return Address{}, false
	}
	seen.at[key.text] = v.at
	mask := n.values["netmask"]
	if mask.set && mask.ok && mask.number > int64(v.addr.BitLen()) {
		p.valueProblem(idAddress, mask, fmt.Sprintf("a netmask of %d bits is too long for %s", mask.number, v.addr))
		return Address{}, false
	}
	if mask.set && mask.ok && v.addr.Is6() && strings.Contains(mask.text, ".") {
		p.valueProblem(idAddress, mask, fmt.Sprintf("%s is a netmask of IPv4, %s is an address of IPv6", mask.text, v.addr)).Hint = `write the number of bits, such as netmask="64"`
		return Address{}, false
	}
	where, ok := p.where(n.values["where"])
	return Address{Addr: v.addr, Bits: int(mask.number), Where: where, Check: n.values["check"].text == "on", Pos: p.position(v.at)}, ok
}

// where says which nodes hold an address: all of a farm, the primary of a
// mirror.
func (p *parser) where(v value) (string, bool) {
	switch farm := p.mode != core.Mirror; {
	case !v.set && farm:
		return "alias", true
	case !v.set:
		return "one_side_alias", true
	case v.ok && p.mode != "" && farm != (v.text == "alias"):
		p.valueProblem(idMode, v, fmt.Sprintf("%q is not for mode %s", v.text, p.mode)).Hint = `leave it out`
		return "", false
	}
	return v.text, v.ok
}

// usable refuses addresses that no server can hold.
func usable(a netip.Addr) error {
	switch {
	case a.IsUnspecified():
		return fmt.Errorf("%s means no address", a)
	case a.IsLoopback():
		return fmt.Errorf("%s is the machine itself and cannot be a virtual address", a)
	case a.IsMulticast():
		return fmt.Errorf("%s is a multicast address", a)
	case a.IsLinkLocalUnicast():
		return fmt.Errorf("%s is a link-local address and cannot be a virtual address", a)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%s is the broadcast address", a)
	}
	return nil
}

// groups reads <loadbalancing_list>.
func (p *parser) groups(list *node, addresses []Address) []Group {
	var out []Group
	names, rules := p.unique("group"), map[Rule]span{}
	for _, n := range list.all("group") {
		if !names.add(n.values["name"]) {
			continue
		}
		g := Group{Name: n.values["name"].text, Pos: p.position(n.values["name"].at)}
		hosts := p.unique("host")
		for _, h := range n.one("cluster").all("host") {
			if hosts.add(h.values["name"]) {
				g.Hosts = append(g.Hosts, Host{Name: h.values["name"].text, Power: int(h.values["power"].number), Pos: p.position(h.at)})
			}
		}
		for _, r := range n.all("rule") {
			if rule, ok := p.rule(r, addresses, rules); ok {
				g.Rules = append(g.Rules, rule)
			}
		}
		out = append(out, g)
	}
	return out
}

// rule reads one rule. known are the rules of the whole module so far, without
// filter and position.
func (p *parser) rule(n *node, addresses []Address, known map[Rule]span) (Rule, bool) {
	for _, a := range []string{"proto", "filter", "port", "virtual_addr"} {
		if !n.values[a].ok {
			return Rule{}, false
		}
	}
	r := Rule{Address: n.values["virtual_addr"].addr, Port: uint16(n.values["port"].number), Proto: n.values["proto"].text}
	if !p.ruleMakesSense(n, r, addresses) {
		return Rule{}, false
	}
	if first, twice := known[r]; twice {
		p.errorf(idDuplicateRule, n.at, "there is a rule for the same traffic already").Related =
			[]diag.Related{p.related(first, "first here")}
		return Rule{}, false
	}
	known[r] = n.at
	r.Filter = n.values["filter"].text
	r.Pos = p.position(n.at)
	return r, true
}

func (p *parser) ruleMakesSense(n *node, r Rule, addresses []Address) bool {
	filter, port := n.values["filter"], n.values["port"]
	switch {
	case filter.text == "on_ipid" && r.Proto != "udp":
		p.valueProblem(idRule, filter, "filter on_ipid is for udp only").Hint = "use on_port to spread connections, on_addr to keep a client on one node"
		return false
	case r.Proto == "arp" && filter.text != "on_addr":
		p.valueProblem(idRule, filter, fmt.Sprintf("an arp rule has no %s", filter.text)).Hint = `use filter="on_addr"`
		return false
	case r.Proto == "arp" && r.Port != 0:
		p.valueProblem(idRule, port, "an arp rule has no port").Hint = `leave it out, or write port="*"`
		return false
	}
	if !p.hasIPID(filter, r, addresses) {
		return false
	}
	if !r.Address.IsValid() || slices.ContainsFunc(addresses, func(a Address) bool { return a.Addr == r.Address }) {
		return true
	}
	p.valueProblem(idRule, n.values["virtual_addr"], fmt.Sprintf("%s is not a virtual address of this module", r.Address)).Hint =
		`write virtual_addr="*" for all of them`
	return false
}

// hasIPID refuses on_ipid where it would meet packets of IPv6, which have no
// identification field. A rule for all addresses does not fall back for some of
// them: who reads it should be able to tell how each is shared.
func (p *parser) hasIPID(filter value, r Rule, addresses []Address) bool {
	if filter.text != "on_ipid" {
		return true
	}
	for _, a := range addresses {
		if a.Addr.Is4() || r.Address.IsValid() && a.Addr != r.Address {
			continue
		}
		p.valueProblem(idRule, filter, fmt.Sprintf("filter on_ipid is for IPv4 only, and the rule is for %s too", a.Addr)).Hint =
			`write a rule for each address: on_ipid with the IPv4 ones, on_port with the IPv6 ones`
		return false
	}
	return true
}

// shadowed warns of rules that never hold, because each of the module's
// addresses has a rule of its own for the same traffic.
func (p *parser) shadowed(m *Module) {
	named := map[Rule]bool{}
	for _, g := range m.Groups {
		for _, r := range g.Rules {
			named[Rule{Address: r.Address, Port: r.Port, Proto: r.Proto}] = true
		}
	}
	for _, g := range m.Groups {
		for _, r := range g.Rules {
			if r.Address.IsValid() || len(m.Addresses()) == 0 || slices.ContainsFunc(m.Addresses(), func(a Address) bool {
				return !named[Rule{Address: a.Addr, Port: r.Port, Proto: r.Proto}]
			}) {
				continue
			}
			p.problems = append(p.problems, diag.Problem{ID: idShadowed, Severity: diag.Warning, Pos: r.Pos, Source: p.src.Line(r.Pos.Line),
				Message: "the rule is never used: every address has a rule of its own for the same traffic",
				Hint:    "take it out, or one of the others"})
		}
	}
}
