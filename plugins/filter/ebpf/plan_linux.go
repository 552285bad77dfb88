package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// member is one module as the filter keeps it; what of it is exported is saved
// with the pinned maps.
type member struct {
	Slot   uint8
	Config sdk.FilterConfig
	Groups map[string]uint16 // group name → table slot
	Links  []boundInterface  // in the order of Config.Interfaces

	live uint8
	macs map[uint8][]sdk.MAC
}

// boundInterface is an interface of a configuration as it was found.
type boundInterface struct {
	Name  string
	Index int
	MAC   sdk.MAC
	Real4 [4]byte
	Notes []string // of its attachment
}

// check says what of c cannot be done, all of it at once, before anything is
// changed. others are the modules that stay.
func check(c sdk.FilterConfig, others map[string]*member) error {
	var errs []error
	if c.Module == "" {
		errs = append(errs, errors.New("the configuration names no module"))
	}
	if c.Self < 1 || c.Self > maxNode {
		errs = append(errs, fmt.Errorf("module %s: node number %d is not between 1 and %d; a farm has at most %d nodes", c.Module, c.Self, maxNode, maxNode))
	}
	if len(c.Interfaces) == 0 {
		errs = append(errs, fmt.Errorf("module %s names no interface to filter", c.Module))
	}
	errs = append(errs, checkAddresses(c, others)...)
	errs = append(errs, checkGroups(c, others)...)
	return errors.Join(errs...)
}

func checkAddresses(c sdk.FilterConfig, others map[string]*member) []error {
	var errs []error
	seen := map[netip.Addr]string{}
	names := map[string]bool{}
	for _, i := range c.Interfaces {
		if names[i.Name] {
			errs = append(errs, fmt.Errorf("module %s names interface %s twice; put its addresses together", c.Module, i.Name))
		}
		names[i.Name] = true
		if !i.Directed {
			errs = append(errs, fmt.Errorf("module %s wants vmac_invisible on %s, which this version cannot do; use vmac_directed", c.Module, i.Name))
		}
		for _, a := range i.Addresses {
			a = a.Unmap()
			if !a.Is4() {
				errs = append(errs, fmt.Errorf("virtual address %s of module %s is not IPv4, which is all that this version shares; take it out of the module", a, c.Module))
			}
			if at, ok := seen[a]; ok {
				errs = append(errs, fmt.Errorf("virtual address %s of module %s is on %s and again on %s; keep one", a, c.Module, at, i.Name))
			}
			seen[a] = i.Name
		}
	}
	for name, m := range others {
		if name == c.Module {
			continue
		}
		for _, i := range m.Config.Interfaces {
			for _, a := range i.Addresses {
				if _, ok := seen[a.Unmap()]; ok {
					errs = append(errs, fmt.Errorf("virtual address %s of module %s belongs to module %s already; give one of them another address", a, c.Module, name))
				}
			}
		}
	}
	return errs
}

func checkGroups(c sdk.FilterConfig, others map[string]*member) []error {
	var errs []error
	held := map[netip.Addr]bool{}
	for _, i := range c.Interfaces {
		for _, a := range i.Addresses {
			held[a.Unmap()] = true
		}
	}
	names := map[string]bool{}
	rules := map[string]string{}
	for _, g := range c.Groups {
		if names[g.Name] {
			errs = append(errs, fmt.Errorf("module %s has two groups named %q", c.Module, g.Name))
		}
		names[g.Name] = true
		for _, r := range g.Rules {
			if err := checkRule(c.Module, g.Name, r, held); err != nil {
				errs = append(errs, err)
			}
			what := fmt.Sprintf("%s port %d of %v", r.Protocol, r.Port, r.Address.Unmap())
			if at, ok := rules[what]; ok {
				errs = append(errs, fmt.Errorf("module %s shares %s in group %q and again in group %q; keep one", c.Module, what, at, g.Name))
			}
			rules[what] = g.Name
		}
	}
	used := len(names)
	for name, m := range others {
		if name != c.Module {
			used += len(m.Groups)
		}
	}
	if used > maxGroups {
		errs = append(errs, fmt.Errorf("module %s: there would be %d groups on this node, at most %d are possible; put rules together", c.Module, used, maxGroups))
	}
	if _, ok := others[c.Module]; !ok && len(others) >= maxModules {
		errs = append(errs, fmt.Errorf("module %s is one too many: at most %d modules can be filtered on a node", c.Module, maxModules))
	}
	return errs
}

func checkRule(module, group string, r sdk.FilterRule, held map[netip.Addr]bool) error {
	where := fmt.Sprintf("a rule in group %q of module %s", group, module)
	switch r.Protocol {
	case "tcp":
	case "arp":
		if r.Port != 0 {
			return fmt.Errorf("%s gives arp the port %d; arp has none", where, r.Port)
		}
		if r.Hash == sdk.HashPort {
			return fmt.Errorf("%s shares arp by port; arp has none, use %s", where, sdk.HashAddress)
		}
	case "udp":
		return fmt.Errorf("%s is for udp, which this version cannot share; take it out", where)
	default:
		return fmt.Errorf("%s has the protocol %q; known are tcp and arp", where, r.Protocol)
	}
	if r.Hash != sdk.HashAddress && r.Hash != sdk.HashPort {
		return fmt.Errorf("%s shares by %q; known are %s and %s", where, r.Hash, sdk.HashAddress, sdk.HashPort)
	}
	if r.Address.IsValid() && !r.Address.IsUnspecified() && !held[r.Address.Unmap()] {
		return fmt.Errorf("%s is for %s, which is not an address of the module", where, r.Address)
	}
	return nil
}

// wanted is what the maps of addresses and rules should hold.
type wanted struct {
	vips  map[vipKey]vipValue
	rules map[ruleKey]shareValue
}

// plan computes the maps' content for all modules.
func plan(members map[string]*member) wanted {
	w := wanted{vips: map[vipKey]vipValue{}, rules: map[ruleKey]shareValue{}}
	for _, m := range members {
		for n, i := range m.Config.Interfaces {
			for _, a := range i.Addresses {
				m.planAddress(w, a.Unmap(), m.Links[n])
			}
		}
	}
	return w
}

func (m *member) planAddress(w wanted, a netip.Addr, at boundInterface) {
	v := vipValue{Module: m.Slot, MAC: at.MAC, Real4: at.Real4}
	for _, g := range m.Config.Groups {
		for _, r := range g.Rules {
			if r.Address.IsValid() && !r.Address.IsUnspecified() && r.Address.Unmap() != a {
				continue
			}
			s := shareValue{Group: m.Groups[g.Name], Set: 1}
			if r.Hash == sdk.HashPort {
				s.ByPort = 1
			}
			// A rule that names the address goes before one for all.
			named := r.Address.IsValid() && !r.Address.IsUnspecified()
			switch {
			case r.Protocol == "arp":
				set(&v.ARP, s, named)
			case r.Port == 0:
				set(&v.TCP, s, named)
			default:
				v.HasPorts = 1
				k := ruleKey{Address: addressOf(a), Port: r.Port, Protocol: protocolTCP}
				if _, ok := w.rules[k]; !ok || named {
					w.rules[k] = s
				}
			}
		}
	}
	if v.ARP.Set == 0 {
		v.ARP = m.firstShare(a)
	}
	w.vips[vipKey{Address: addressOf(a), Ifindex: uint32(at.Index)}] = v
	w.vips[vipKey{Address: addressOf(a)}] = v
}

func set(to *shareValue, s shareValue, named bool) {
	if to.Set == 0 || named {
		*to = s
	}
}

// firstShare is who answers for an address that no arp rule names: the first
// group that has a rule for it.
func (m *member) firstShare(a netip.Addr) shareValue {
	for _, g := range m.Config.Groups {
		if slices.ContainsFunc(g.Rules, func(r sdk.FilterRule) bool {
			return !r.Address.IsValid() || r.Address.IsUnspecified() || r.Address.Unmap() == a
		}) {
			return shareValue{Group: m.Groups[g.Name], Set: 1}
		}
	}
	return shareValue{}
}

// planMACs computes the content of macs and peers for all modules.
func planMACs(members map[string]*member) (map[macKey]macValue, map[peerKey]uint32) {
	macs, peers := map[macKey]macValue{}, map[peerKey]uint32{}
	for _, m := range members {
		for node, list := range m.macs {
			for n, mac := range list {
				if n >= len(m.Links) || mac == (sdk.MAC{}) {
					continue
				}
				at := uint32(m.Links[n].Index)
				macs[macKey{Ifindex: at, Module: uint16(m.Slot), Node: uint16(node)}] = macValue{MAC: mac}
				if node != m.Config.Self {
					peers[peerKey{Ifindex: at, Module: uint16(m.Slot), MAC: mac}] = uint32(node)
				}
			}
		}
	}
	return macs, peers
}
