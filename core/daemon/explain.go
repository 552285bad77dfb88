package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// Explain tells which nodes a client meets, from what this node knows.
func (d *Daemon) Explain(_ context.Context, q control.ExplainQuery) (control.Explanation, error) {
	m := d.current()
	if m == nil {
		return control.Explanation{}, errNoCluster
	}
	t, err := parseTraffic(q)
	if err != nil {
		return control.Explanation{}, err
	}
	out := control.Explanation{Node: m.name(m.id.Node.Number), Client: t.text(), Paths: []control.Path{}}
	conf := m.settings()
	for _, n := range conf.Nodes {
		for _, a := range n.Addresses {
			if a.Unmap() == t.client {
				out.Note = fmt.Sprintf("%s is %s itself: what a node sends to a virtual address that it holds stays on it", a, n.Name)
			}
		}
	}
	var known []string
	for _, mod := range m.all() {
		for _, a := range mod.config().Addresses() {
			known = append(known, a.Addr.String())
			if !t.address.IsValid() || t.address == a.Addr.Unmap() {
				out.Paths = append(out.Paths, mod.explain(t, a.Addr.Unmap())...)
			}
		}
	}
	if t.address.IsValid() && !slices.Contains(known, t.address.String()) {
		return out, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("%s is not a virtual address here; there are: %s", t.address, listOr(known, "none"))}
	}
	return out, nil
}

// traffic is a client's packets, as far as they are given.
type traffic struct {
	client  netip.Addr
	port    uint16     // 0: not given
	address netip.Addr // zero: not given
	at      uint16     // port of the service; 0: not given
	proto   string
}

func (t traffic) text() string {
	if t.port == 0 {
		return t.client.String()
	}
	return netip.AddrPortFrom(t.client, t.port).String()
}

func parseTraffic(q control.ExplainQuery) (traffic, error) {
	t := traffic{proto: cmp.Or(q.Proto, "tcp")}
	var err error
	if t.client, t.port, err = parseEnd("client", q.Client, "203.0.113.7:51000"); err != nil {
		return t, err
	}
	if q.Address != "" {
		if t.address, t.at, err = parseEnd("virtual address", q.Address, "192.0.2.10:443"); err != nil {
			return t, err
		}
	}
	switch {
	case t.proto != "tcp" && t.proto != "udp":
		return t, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("protocol %q: use tcp or udp", t.proto)}
	case t.address.IsValid() && t.address.Is4() != t.client.Is4():
		return t, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("a client at %s cannot reach %s: one is IPv4, the other IPv6", t.client, t.address)}
	}
	return t, nil
}

// parseEnd reads an address with or without a port.
func parseEnd(what, text, example string) (netip.Addr, uint16, error) {
	end, err := netip.ParseAddrPort(text)
	if err != nil || end.Port() == 0 {
		a, alone := netip.ParseAddr(text)
		if err = alone; err == nil {
			end = netip.AddrPortFrom(a, 0)
		}
	}
	a := end.Addr().Unmap()
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return a, 0, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%q is not the address of a %s: write an IP address, or one with a port such as %s or [2001:db8::1]:443", text, what, example)}
	}
	return a, end.Port(), nil
}

// explain tells what the module does with traffic to one of its addresses.
func (mod *module) explain(t traffic, address netip.Addr) []control.Path {
	if t.client.Is4() != address.Is4() {
		return nil
	}
	if mod.gate != nil {
		return []control.Path{mod.pathToPrimary(address)}
	}
	groups := mod.config().Groups
	matches := matching(groups, address, t.proto, t.at)
	if len(matches) == 0 {
		rule := "no rule covers " + t.proto
		if t.at > 0 {
			rule += fmt.Sprintf(" port %d", t.at)
		}
		return []control.Path{{Module: mod.conf.Name, Address: address.String(), Rule: rule + ": such packets are dropped"}}
	}
	var list []control.Path
	for _, x := range matches {
		list = append(list, mod.path(t, address, x, answering(groups, address)))
	}
	return list
}

// match is a rule with its group.
type match struct {
	group config.Group
	rule  config.Rule
}

// matching are the rules that traffic to an address meets: with a port the one that
// the filter applies (one for the port before one for all, and then one for the
// address before one for all), else every one that may be met.
func matching(groups []config.Group, address netip.Addr, proto string, port uint16) []match {
	var list []match
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.Proto == proto && covers(r, address) && (port == 0 || r.Port == 0 || r.Port == port) {
				list = append(list, match{g, r})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b match) int {
		return cmp.Or(-compareBool(a.rule.Port != 0, b.rule.Port != 0), cmp.Compare(a.rule.Port, b.rule.Port),
			-compareBool(a.rule.Address.IsValid(), b.rule.Address.IsValid()))
	})
	if port != 0 {
		return list[:min(1, len(list))]
	}
	return slices.CompactFunc(list, func(a, b match) bool { return a.rule.Port == b.rule.Port })
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func covers(r config.Rule, a netip.Addr) bool {
	return !r.Address.IsValid() || r.Address.Unmap() == a
}

// answering is the group by which ARP for an address is shared: that of an arp
// rule, or else the first that has a rule for the address.
func answering(groups []config.Group, a netip.Addr) string {
	if list := matching(groups, a, "arp", 0); len(list) > 0 {
		return list[0].group.Name
	}
	for _, g := range groups {
		if slices.ContainsFunc(g.Rules, func(r config.Rule) bool { return covers(r, a) }) {
			return g.Name
		}
	}
	return ""
}

func (mod *module) path(t traffic, address netip.Addr, x match, arp string) control.Path {
	m := mod.m
	conf, view, agreed := m.settings(), mod.sharing.current(), mod.sharing.agreed()
	key := share.Key(m.id.Keys.Hash)
	p := control.Path{Module: mod.conf.Name, Group: x.group.Name, Address: address.String(), Rule: inWords(x.rule), Moving: view.Moving || !agreed, Agreed: agreed}
	if bucket, known := bucketOf(conf.Hash, key, t, x.rule.Filter); known {
		p.Bucket = &bucket
		h, _ := view.Holding(x.group.Name, bucket)
		p.Owner = mod.named(h.Owner)
		for _, n := range h.Previous {
			p.Previous = append(p.Previous, mod.named(n))
		}
		if h.Next != h.Owner {
			p.Next = mod.named(h.Next)
		}
	}
	if h, ok := view.Holding(arp, int(conf.Hash.Bucket(key, t.client, 0))); ok {
		p.ARP = mod.named(h.Owner)
	}
	for _, n := range conf.Nodes {
		p.Nodes = append(p.Nodes, mod.standing(view, x.group.Name, n))
	}
	return p
}

// bucketOf finds the bucket if it follows from what is given.
func bucketOf(f share.Function, key share.Key, t traffic, filter string) (int, bool) {
	switch {
	case filter == "on_addr":
		return int(f.Bucket(key, t.client, 0)), true
	case filter == "on_port" && t.port > 0:
		return int(f.Bucket(key, t.client, t.port)), true
	}
	return 0, false
}

func inWords(r config.Rule) string {
	text := r.Proto
	if r.Port > 0 {
		text += fmt.Sprintf(" port %d", r.Port)
	}
	switch r.Filter {
	case "on_addr":
		return text + ", a client always by its address (on_addr)"
	case "on_port":
		return text + ", each connection by itself (on_port)"
	}
	return text + ", each datagram by itself (" + r.Filter + ")"
}

func (mod *module) named(n core.NodeID) string {
	if n == 0 {
		return ""
	}
	return mod.m.name(n)
}

// standing tells how much a node takes, and what besides its power decides that.
func (mod *module) standing(view share.View, group string, n cluster.Node) control.Standing {
	s := view.Standing(group, n.Number)
	out := control.Standing{Node: n.Name, Power: int(mod.weights()[group][n.Number]), Share: s.Share}
	d := mod.m.digests.of(n.Number, mod.conf.Name)
	if n.Number == mod.m.id.Node.Number {
		in := mod.runner.Snapshot()
		d = share.Digest{Present: in.Network, Ready: s.Takes || in.Phase == core.Ready, Draining: in.Drained}
	} else if !mod.m.alive(n.Number) {
		out.Why = "it is lost"
		if s.Share > 0 {
			out.Why = "its daemon is silent, and it goes on with what it has"
		}
		return out
	}
	switch {
	case !d.Present:
		out.Why = "the module is not started there"
	case d.Draining:
		out.Why = "it is drained"
	case out.Power == 0:
		out.Why = "its power is 0"
	case !d.Ready:
		out.Why = "its application is not ready"
	case !s.Takes:
		out.Why = "no plan has given it a share yet"
	case !s.Counts:
		out.Why = fmt.Sprintf("its power is a %dth of the largest or less", share.Chain)
	case s.Step > 0:
		out.Why = fmt.Sprintf("it starts slowly: %d quarters of its power count", s.Step)
	}
	return out
}
