package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// member is one module as the filter keeps it; what of it is exported is saved
// with the pinned maps.
type member struct {
	Slot   uint8
	Config sdk.FilterConfig
	Groups map[string]uint16 // group name → table slot
	Links  []boundInterface  // in the order of Config.Interfaces

	live   uint8
	epoch  uint64 // of the tables in force
	silent uint64 // mask of nodes that take nothing now
	macs   map[uint8][]sdk.MAC
}

// boundInterface is an interface of a configuration as it was found.
type boundInterface struct {
	Name  string
	Index int
	MAC   sdk.MAC
	Real4 [4]byte
	Real6 [8]byte  // lower half of its own link-local address
	Slot  uint16   // its pair of places in the map links
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
		errs = append(errs, checkVirtualMACs(c.Module, i)...)
		for _, a := range i.Addresses {
			a = a.Unmap()
			if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
				errs = append(errs, fmt.Errorf("module %s wants to share the address %q, which no server can hold; take it out of the module", c.Module, a))
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
			what := fmt.Sprintf("%s port %d of %s", r.Protocol, r.Port, whichAddress(r))
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

// whichAddress tells for which address a rule is; there are three ways to write that it
// is for all.
func whichAddress(r sdk.FilterRule) string {
	if !r.Address.IsValid() || r.Address.IsUnspecified() {
		return "every address"
	}
	return r.Address.Unmap().String()
}

func checkRule(module, group string, r sdk.FilterRule, held map[netip.Addr]bool) error {
	where := fmt.Sprintf("a rule in group %q of module %s", group, module)
	switch r.Protocol {
	case "tcp", "udp":
	case "arp":
		if r.Port != 0 {
			return fmt.Errorf("%s gives arp the port %d; arp has none", where, r.Port)
		}
		if r.Hash == sdk.HashPort {
			return fmt.Errorf("%s shares arp by port; arp has none, use %s", where, sdk.HashAddress)
		}
	default:
		return fmt.Errorf("%s has the protocol %q; known are tcp, udp and arp", where, r.Protocol)
	}
	switch {
	case r.Hash == sdk.HashIPID && r.Protocol != "udp":
		return fmt.Errorf("%s shares %s by %s, which tears connections apart; it is for udp", where, r.Protocol, r.Hash)
	case r.Hash != sdk.HashAddress && r.Hash != sdk.HashPort && r.Hash != sdk.HashIPID:
		return fmt.Errorf("%s shares by %q; known are %s, %s and %s", where, r.Hash, sdk.HashAddress, sdk.HashPort, sdk.HashIPID)
	}
	if r.Address.IsValid() && !r.Address.IsUnspecified() && !held[r.Address.Unmap()] {
		return fmt.Errorf("%s is for %s, which is not an address of the module", where, r.Address)
	}
	return nil
}

// plan lists the addresses of all modules, and the rules for single ports.
func plan(members map[string]*member) ([]vipValue, map[uint32]shareValue) {
	var vips []vipValue
	sets := ruleSets{numbers: map[string]uint16{}, rules: map[uint32]shareValue{}}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		m := members[name]
		for n, i := range m.Config.Interfaces {
			for at, a := range i.Addresses {
				v := m.planAddress(&sets, a.Unmap(), m.Links[n])
				if !i.Directed {
					v.VMAC = i.MACs[at]
				}
				vips = append(vips, v)
			}
		}
	}
	return vips, sets.rules
}

// portKey says for which port and protocol a rule is, as in struct rule.
type portKey uint32

func keyOf(protocol string, port uint16) portKey {
	if protocol == "udp" {
		return 1<<16 | portKey(port)
	}
	return portKey(port)
}

func (m *member) planAddress(sets *ruleSets, a netip.Addr, at boundInterface) vipValue {
	v := vipValue{Address: addressOf(a), Ifindex: uint32(at.Index), Link: at.Slot, Module: m.Slot, MAC: at.MAC, Real4: at.Real4, Real6: at.Real6}
	ports := map[portKey]shareValue{}
	// A rule that names the address goes before one for all.
	for _, named := range []bool{false, true} {
		for _, g := range m.Config.Groups {
			for _, r := range g.Rules {
				if named != (r.Address.IsValid() && !r.Address.IsUnspecified()) || named && r.Address.Unmap() != a {
					continue
				}
				s := shareValue{Group: m.Groups[g.Name], Set: 1}
				switch r.Hash {
				case sdk.HashPort:
					s.By = byPort
				case sdk.HashIPID:
					s.By = byIPID
				}
				switch {
				case r.Protocol == "arp":
					v.ARP = s
				case r.Port != 0:
					ports[keyOf(r.Protocol, r.Port)] = s
				case r.Protocol == "udp":
					v.UDP = s
				default:
					v.TCP = s
				}
			}
		}
	}
	v.Ports = sets.number(ports)
	if v.ARP.Set == 0 {
		v.ARP = m.firstShare(a)
	}
	return v
}

// ruleSets numbers sets of rules for single ports, from 1 up. Addresses with the
// same rules share a number, so that a thousand of them take no more room than
// one.
type ruleSets struct {
	numbers map[string]uint16
	rules   map[uint32]shareValue // by the key of struct rule
}

func (s *ruleSets) number(ports map[portKey]shareValue) uint16 {
	if len(ports) == 0 {
		return 0
	}
	var name strings.Builder
	for _, k := range slices.Sorted(maps.Keys(ports)) {
		fmt.Fprintln(&name, k, ports[k].Group, ports[k].By)
	}
	n, known := s.numbers[name.String()]
	if known {
		return n
	}
	n = uint16(len(s.numbers) + 1)
	s.numbers[name.String()] = n
	for k, share := range ports {
		s.rules[uint32(n)<<17|uint32(k)] = share
	}
	return n
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
