package mirror

import "slices"

// send puts something onto the connection to node i.
func (p *pair) send(i int, m any) {
	if p.connected {
		p.nodes[i].inbox = append(p.nodes[i].inbox, m)
	}
}

// cut ends the connection. Some of what was on its way arrives all the same, and each
// node learns of it in its own time.
func (p *pair) cut() {
	if !p.connected {
		return
	}
	p.connected = false
	p.note("cut")
	for _, n := range p.nodes {
		n.deaf, n.inbox = true, n.inbox[:p.rng.IntN(len(n.inbox)+1)]
	}
}

// notice lets node i learn that the connection has gone.
func (p *pair) notice(i int) {
	n := p.nodes[i]
	if !n.deaf {
		return
	}
	p.note("n%d notices the cut", i)
	n.deaf, n.inbox, n.copying = false, nil, false
	switch {
	case n.secondary != nil:
		p.second(i, Lost{})
		n.secondary, n.storing, n.syncing = nil, nil, false
	case n.primary != nil:
		p.first(i, Lost{})
	}
	p.hear(i)
}

// hear lets node i learn that the cluster has chosen the other one.
func (p *pair) hear(i int) {
	n := p.nodes[i]
	if n.rejected && n.primary != nil {
		p.first(i, Rejected{})
	}
	n.rejected = false
}

func (p *pair) connect() {
	a := slices.IndexFunc(p.nodes[:], func(n *copyOf) bool { return n.up && n.primary != nil && n.primary.State() != Stopped })
	if p.connected || a < 0 || p.nodes[0].deaf || p.nodes[1].deaf {
		return
	}
	b := 1 - a
	if n := p.nodes[b]; !n.up || n.primary != nil {
		return
	}
	p.note("n%d meets n%d: %s | %s", a, b, p.nodes[a].gens, p.nodes[b].gens)
	p.connected = true
	p.nodes[b].secondary, p.nodes[b].followed = NewSecondary(p.nodes[b].gens), false
	p.first(a, Met{p.nodes[b].gens})
}

// twice says whether both nodes serve though the cluster has chosen one, and the other
// could know.
func (p *pair) twice() bool {
	for _, n := range p.nodes {
		if n.primary == nil || n.deaf || n.primary.Acks() != Local {
			return false
		}
	}
	return true
}
