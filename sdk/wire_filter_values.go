package sdk

import (
	"fmt"
	"math"
	"net/netip"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

func toConfigure(plugin string, c FilterConfig) *pluginpb.ConfigureRequest {
	r := &pluginpb.ConfigureRequest{
		Plugin: plugin, Module: c.Module, Self: uint32(c.Self), HashKey: c.HashKey[:], Fence: c.Fence,
		Hash: string(c.Hash),
	}
	for _, i := range c.Interfaces {
		pi := &pluginpb.FilterInterface{Name: i.Name, Directed: i.Directed}
		for _, a := range i.Addresses {
			pi.Addresses = append(pi.Addresses, a.AsSlice())
		}
		pi.Macs = toMACs(i.MACs)
		r.Interfaces = append(r.Interfaces, pi)
	}
	for _, g := range c.Groups {
		pg := &pluginpb.FilterGroup{Name: g.Name}
		for _, rule := range g.Rules {
			pg.Rules = append(pg.Rules, &pluginpb.FilterRule{
				Address: rule.Address.AsSlice(), Port: uint32(rule.Port), Protocol: rule.Protocol, Hash: string(rule.Hash),
			})
		}
		r.Groups = append(r.Groups, pg)
	}
	return r
}

func fromConfigure(r *pluginpb.ConfigureRequest) (FilterConfig, error) {
	c := FilterConfig{Module: r.Module, Self: uint8(r.Self), Fence: r.Fence, Hash: HashFunction(r.Hash)}
	if c.Hash == "" {
		c.Hash = HashKeyed
	}
	if r.Self > math.MaxUint8 || len(r.HashKey) != len(c.HashKey) {
		return c, fmt.Errorf("node number %d or hash key of %d bytes is out of range", r.Self, len(r.HashKey))
	}
	copy(c.HashKey[:], r.HashKey)
	for _, pi := range r.Interfaces {
		i := FilterInterface{Name: pi.Name, Directed: pi.Directed}
		for _, b := range pi.Addresses {
			a, err := fromAddr(b)
			if err != nil {
				return c, fmt.Errorf("interface %s: %w", pi.Name, err)
			}
			i.Addresses = append(i.Addresses, a)
		}
		var err error
		if i.MACs, err = fromMACs(pi.Macs); err != nil {
			return c, fmt.Errorf("interface %s: %w", pi.Name, err)
		}
		c.Interfaces = append(c.Interfaces, i)
	}
	for _, pg := range r.Groups {
		g := FilterGroup{Name: pg.Name}
		for _, pr := range pg.Rules {
			rule, err := fromRule(pr)
			if err != nil {
				return c, fmt.Errorf("group %s: %w", pg.Name, err)
			}
			g.Rules = append(g.Rules, rule)
		}
		c.Groups = append(c.Groups, g)
	}
	return c, nil
}

func fromRule(r *pluginpb.FilterRule) (FilterRule, error) {
	out := FilterRule{Port: uint16(r.Port), Protocol: r.Protocol, Hash: HashMode(r.Hash)}
	if r.Port > math.MaxUint16 {
		return out, fmt.Errorf("port %d is out of range", r.Port)
	}
	if len(r.Address) == 0 {
		return out, nil
	}
	var err error
	out.Address, err = fromAddr(r.Address)
	return out, err
}

func fromAddr(b []byte) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return a, fmt.Errorf("address of %d bytes is neither IPv4 nor IPv6", len(b))
	}
	return a, nil
}

func toTable(plugin string, t FilterTable) *pluginpb.SetTableRequest {
	r := &pluginpb.SetTableRequest{
		Plugin: plugin, Module: t.Module, Epoch: t.Epoch, Accept: t.Accept, Agreed: t.Agreed, Moving: t.Moving, Silent: t.Silent,
		Groups: make(map[string]*pluginpb.Rows, len(t.Groups)),
		Macs:   make(map[uint32]*pluginpb.MACs, len(t.MACs)),
	}
	for name, rows := range t.Groups {
		out := make([]uint32, len(rows))
		for i, v := range rows {
			out[i] = uint32(v)
		}
		r.Groups[name] = &pluginpb.Rows{Rows: out}
	}
	for node, macs := range t.MACs {
		r.Macs[uint32(node)] = &pluginpb.MACs{Macs: toMACs(macs)}
	}
	return r
}

func toMACs(macs []MAC) [][]byte {
	var out [][]byte
	for _, mac := range macs {
		out = append(out, append([]byte(nil), mac[:]...))
	}
	return out
}

func fromMACs(in [][]byte) ([]MAC, error) {
	if len(in) == 0 {
		return nil, nil
	}
	list := make([]MAC, len(in))
	for i, m := range in {
		if copy(list[i][:], m) != len(m) || len(m) != len(MAC{}) {
			return nil, fmt.Errorf("MAC address %x has %d bytes instead of 6", m, len(m))
		}
	}
	return list, nil
}

func fromTable(r *pluginpb.SetTableRequest) (FilterTable, error) {
	t := FilterTable{
		Module: r.Module, Epoch: r.Epoch, Accept: r.Accept, Agreed: r.Agreed, Moving: r.Moving, Silent: r.Silent,
		Groups: make(map[string][]Row, len(r.Groups)), MACs: make(map[uint8][]MAC, len(r.Macs)),
	}
	for name, rows := range r.Groups {
		out := make([]Row, len(rows.Rows))
		for i, v := range rows.Rows {
			out[i] = Row(v)
		}
		t.Groups[name] = out
	}
	for node, macs := range r.Macs {
		if node > math.MaxUint8 {
			return t, fmt.Errorf("node number %d is out of range", node)
		}
		list, err := fromMACs(macs.Macs)
		if err != nil {
			return t, fmt.Errorf("node %d: %w", node, err)
		}
		t.MACs[uint8(node)] = list
	}
	return t, nil
}

func toFilterState(s FilterState) *pluginpb.FilterState {
	r := &pluginpb.FilterState{Counters: s.Counters, LeaseUntil: s.LeaseUntil, Modules: s.Modules, Lease: s.Lease}
	for _, a := range s.Attachments {
		r.Attachments = append(r.Attachments, &pluginpb.FilterAttachment{
			Interface: a.Interface, Index: int32(a.Index), Mac: a.MAC[:], How: a.How, Note: a.Note,
		})
	}
	for _, c := range s.Packets {
		r.Packets = append(r.Packets, &pluginpb.FilterCount{Module: c.Module, Group: c.Group, Class: c.Class, Reason: c.Reason, Packets: c.Packets})
	}
	for _, x := range s.Strangers {
		r.Strangers = append(r.Strangers, &pluginpb.FilterStranger{
			Interface: x.Interface, Address: x.Address.AsSlice(), Mac: append([]byte(nil), x.MAC[:]...), Seen: x.Seen,
		})
	}
	return r
}

func fromFilterState(r *pluginpb.FilterState) FilterState {
	s := FilterState{Counters: r.Counters, LeaseUntil: r.LeaseUntil, Modules: r.Modules, Lease: r.Lease}
	for _, a := range r.Attachments {
		fa := FilterAttachment{Interface: a.Interface, Index: int(a.Index), How: a.How, Note: a.Note}
		copy(fa.MAC[:], a.Mac)
		s.Attachments = append(s.Attachments, fa)
	}
	for _, c := range r.Packets {
		s.Packets = append(s.Packets, FilterCount{Module: c.Module, Group: c.Group, Class: c.Class, Reason: c.Reason, Packets: c.Packets})
	}
	for _, x := range r.Strangers {
		fs := FilterStranger{Interface: x.Interface, Seen: x.Seen}
		copy(fs.MAC[:], x.Mac)
		fs.Address, _ = netip.AddrFromSlice(x.Address) // the zero address if it is none
		s.Strangers = append(s.Strangers, fs)
	}
	return s
}
