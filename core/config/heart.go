package config

import "cmp"

// heart reads <heart>. Without it the defaults hold.
func (p *parser) heart(n *node) Heart {
	if n == nil {
		n = p.blank(nil, heartElement())
	}
	h := Heart{Timeout: n.values["timeout"].span}
	names := p.unique("heartbeat")
	for _, b := range n.all("heartbeat") {
		lan, ok := p.lan(b, "server")
		ident := b.values["ident"]
		if !ident.set {
			ident = b.values["name"]
		}
		if !ok || ident.set && !names.add(ident) {
			continue
		}
		h.Networks = append(h.Networks, HeartNetwork{Lan: lan, Ident: ident.text, Timeout: cmp.Or(b.values["timeout"].span, h.Timeout)})
	}
	return h
}

// lan reads a network that is named, or described by the addresses in elements
// called old.
func (p *parser) lan(n *node, old string) (Lan, bool) {
	name := n.values["name"]
	l := Lan{Name: name.text, Pos: p.position(name.at)}
	for _, s := range n.all(old) {
		if addr := s.values["addr"]; addr.ok {
			l.Addresses = append(l.Addresses, addr.text)
		}
	}
	switch {
	case !name.set && len(n.all(old)) == 0:
		p.errorf(idMissingAttribute, n.at, "<%s> needs the attribute \"name\"", n.name).Hint = "the name of a network of the cluster"
		return l, false
	case name.set && len(n.all(old)) > 0 && n.name == "heartbeat":
		p.errorf(idNetwork, n.all(old)[0].at, "the network has a name and addresses of its own").Hint =
			"name it as the cluster does and take the addresses out"
		return l, false
	}
	return l, !name.set || name.ok
}

// farm reads <farm>. Without it the defaults hold.
func (p *parser) farm(n *node) Farm {
	if n == nil {
		n = p.blank(nil, farmElement())
	}
	f := Farm{
		Fence: n.values["lease"].text != "keep", LeaveTimeout: n.values["leave_timeout"].span,
		SlowStart: n.values["slow_start"].span,
	}
	names := p.unique("lan")
	for _, l := range n.all("lan") {
		if lan, ok := p.lan(l, "node"); ok && (lan.Name == "" || names.add(l.values["name"])) {
			f.Lans = append(f.Lans, lan)
		}
	}
	return f
}

// blank is an element that is not written, with its defaults. It stands where
// the element around it does.
func (p *parser) blank(around *node, e Element) *node {
	n := &node{name: e.Name, values: map[string]value{}}
	if around != nil {
		n.at = around.at
	}
	for i := range e.Attributes {
		if a := e.Attributes[i]; !a.Required {
			p.absent(n, &a, nil)
		}
	}
	return n
}
