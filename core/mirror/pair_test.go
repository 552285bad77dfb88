package mirror

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

const zones = 6

// copyOf is one node: what is on its disk outlives a crash, the rest does not.
type copyOf struct {
	// On disk.
	gens    Generations
	disk    [zones]int   // what each zone holds, as synced
	dirty   map[int]bool // bitmap
	log     map[int]bool // activity log
	storing *Generations // handed over, not yet durable

	// In memory.
	live      [zones]int
	up        bool
	primary   *Primary
	secondary *Secondary
	followed  bool
	copying   bool    // all was sent; the primary has not been told
	syncing   bool    // all is being made durable
	pending   []write // not yet acknowledged to the application
	inbox     []any   // from the peer, in order
	deaf      bool    // the connection is gone, and it has not noticed
	rejected  bool    // the cluster has chosen the peer, and it has not heard
}

type write struct {
	zone, value int
	remote      bool // durable on the peer
}

type (
	apply  struct{ write }
	copied struct{ zone, value int }
	ack    struct{ value int }
)

// pair simulates two nodes, their connection and the cluster that chooses.
type pair struct {
	source    *rand.PCG
	rng       *rand.Rand
	nodes     [2]*copyOf
	connected bool
	chosen    int // node, or -1
	acked     [zones]int
	values    int
	fresh     Generation
	log       []string
	visited   map[State]int
	promoted  int
	met       int // of them: beside the peer
	mirrored  int
}

func newPair() *pair {
	p := &pair{source: rand.NewPCG(0, 0), chosen: -1, visited: map[State]int{}}
	p.rng = rand.New(p.source)
	for i := range p.nodes {
		p.nodes[i] = &copyOf{dirty: map[int]bool{}, log: map[int]bool{}, up: true}
	}
	p.serve(0)
	return p
}

func (p *pair) note(format string, args ...any) { p.log = append(p.log, fmt.Sprintf(format, args...)) }

func (p *pair) generation() Generation { p.fresh++; return p.fresh }

// serve makes node i primary; it is allowed to.
func (p *pair) serve(i int) {
	n := p.nodes[i]
	n.gens = n.gens.Promoted(p.generation())
	n.primary, n.secondary, n.storing = NewPrimary(n.gens), nil, nil
	p.note("n%d is primary: %s", i, n.gens)
}

func (p *pair) crash(i int) {
	n := p.nodes[i]
	n.up, n.primary, n.secondary, n.followed, n.pending, n.storing = false, nil, nil, false, nil, nil
	n.live, n.syncing = n.disk, false
	p.note("n%d crashes: %s", i, n.gens)
	p.cut()
	n.deaf, n.rejected, n.copying, n.inbox = false, false, false, nil
}

// first carries out what the primary i wants.
func (p *pair) first(i int, e Event) {
	n := p.nodes[i]
	peer := p.nodes[1-i]
	for _, effect := range n.primary.Step(e) {
		p.note("n%d %T → %s: %T %v", i, e, n.primary.State(), effect, effect)
		switch effect := effect.(type) {
		case Store:
			n.storing = &effect.Generations
		case Say:
			p.send(1-i, effect.Word)
		case Copy:
			for z := range zones {
				if effect.Extent == Everything || n.dirty[z] || n.log[z] || peer.dirty[z] || peer.log[z] {
					p.send(1-i, copied{z, n.live[z]})
				}
			}
			n.copying = true
		case Sync:
			n.syncing = true
		case Clear:
			clear(n.dirty)
		case Decline:
			panic(fmt.Sprintf("declined: %s", effect.Decision))
		case Stop:
			n.primary, n.pending = nil, nil
			return
		}
	}
	p.visited[n.primary.State()]++
}

func (p *pair) second(i int, e Event) {
	n := p.nodes[i]
	for _, effect := range n.secondary.Step(e) {
		p.note("n%d %T: %T %v", i, e, effect, effect)
		switch effect := effect.(type) {
		case Store:
			n.storing = &effect.Generations
		case Say:
			p.send(1-i, effect.Word)
		case Sync:
			n.syncing = true
		}
	}
}

// stored makes durable what node i was storing.
func (p *pair) stored(i int) {
	n := p.nodes[i]
	if n.storing == nil {
		return
	}
	before := n.gens
	n.gens, n.storing = *n.storing, nil
	switch {
	case n.primary != nil:
		p.first(i, Stored{})
		if n.primary != nil && n.primary.State() == Alone {
			maps.Copy(n.dirty, n.log)
		}
	case n.secondary != nil:
		if n.gens.Inconsistent() {
			p.chosen = -1 // they have met, and the one behind has recorded it
		} else if before.Inconsistent() {
			n.followed = true
			clear(n.dirty)
			clear(n.log)
		}
		p.second(i, Stored{})
	}
}

// synced ends a sync of node i.
func (p *pair) synced(i int) {
	n := p.nodes[i]
	if !n.syncing {
		return
	}
	n.syncing, n.disk = false, n.live
	p.note("n%d has synced", i)
	switch {
	case n.primary != nil:
		p.first(i, Synced{})
	case n.secondary != nil:
		p.second(i, Synced{})
	}
}

// write begins a write on the primary i.
func (p *pair) write(i int) {
	n := p.nodes[i]
	if n.primary.Acks() == Held {
		return
	}
	p.values++
	w := write{zone: p.rng.IntN(zones), value: p.values}
	p.note("n%d writes %d to zone %d", i, w.value, w.zone)
	switch n.primary.State() {
	case Resyncing, Joining, Mirroring:
		n.log[w.zone] = true
		p.send(1-i, apply{w})
	default:
		n.dirty[w.zone] = true
	}
	if p.rng.IntN(50) == 0 {
		p.crash(i)
		return
	}
	n.live[w.zone] = w.value
	n.pending = append(n.pending, w)
}

func (p *pair) receive(i int) {
	n := p.nodes[i]
	if len(n.inbox) == 0 || n.secondary != nil && (n.syncing || n.storing != nil) {
		return // a copy takes one thing after the other
	}
	m := n.inbox[0]
	n.inbox = n.inbox[1:]
	switch m := m.(type) {
	case Word:
		if n.primary != nil {
			p.first(i, Heard{m})
		} else if n.secondary != nil {
			p.second(i, Heard{m})
		}
	case copied:
		p.note("n%d gets a copy of zone %d: %d", i, m.zone, m.value)
		n.live[m.zone] = m.value
	case apply:
		p.note("n%d applies %d to zone %d", i, m.value, m.zone)
		n.live[m.zone] = m.value // recorded by the primary only
		if p.rng.IntN(2) == 0 {  // the others are not flushed before the next sync
			n.disk = n.live
			p.send(1-i, ack{m.value})
		}
	case ack:
		for k := range n.pending {
			if n.pending[k].value <= m.value {
				n.pending[k].remote = true
			}
		}
	}
}

// acknowledge tells the application what may be told.
func (p *pair) acknowledge(i int) {
	n := p.nodes[i]
	acks := n.primary.Acks()
	n.pending = slices.DeleteFunc(n.pending, func(w write) bool {
		n.disk[w.zone] = n.live[w.zone]
		if acks == Held || acks == Both && !w.remote {
			return false
		}
		p.acked[w.zone] = max(p.acked[w.zone], w.value)
		return true
	})
}

// choose lets the cluster choose node i, and node i act on it.
func (p *pair) choose(i int) error {
	n, other := p.nodes[i], p.nodes[1-i]
	if p.connected || !n.up || p.chosen == 1-i {
		return nil
	}
	p.notice(i)
	switch {
	case n.primary != nil && n.primary.State() == Suspended:
		p.chosen = i
		p.first(i, Chosen{p.generation()})
	case n.primary == nil && (other.primary == nil || other.deaf || other.primary.State() == Suspended):
		allowed, why := n.gens.Promote(Situation{Peer: map[bool]Peer{true: Followed}[n.followed], Chosen: true})
		if allowed != Allowed {
			return nil
		}
		p.chosen = i
		if other.rejected = other.primary != nil; !other.deaf {
			p.hear(1 - i)
		}
		return p.promote(i, why)
	}
	return nil
}

// promote makes node i primary, which must have all that was acknowledged.
func (p *pair) promote(i int, why string) error {
	p.note("n%d may serve: %s", i, why)
	for z, v := range p.acked {
		if p.nodes[i].live[z] < v {
			return fmt.Errorf("n%d becomes primary (%s) with %d in zone %d, where %d was acknowledged", i, why, p.nodes[i].live[z], z, v)
		}
	}
	p.promoted++
	p.serve(i)
	return nil
}

// closeInOrder ends service on both, if all is on both.
func (p *pair) closeInOrder(i int) {
	n, other := p.nodes[i], p.nodes[1-i]
	if !p.connected || n.primary.State() != Mirroring || n.storing != nil || len(n.pending) > 0 || len(other.inbox) > 0 {
		return
	}
	for _, x := range p.nodes {
		x.disk = x.live
		x.gens = x.gens.Closed()
		x.primary, x.secondary, x.followed, x.syncing = nil, nil, false, false
		x.inbox = nil
	}
	p.connected = false
	p.note("closed in order")
}

func (p *pair) step() error {
	i := p.rng.IntN(2)
	n := p.nodes[i]
	switch r := p.rng.IntN(1000); {
	case r < 3 && n.up:
		p.crash(i)
	case r < 10:
		p.cut()
	case r < 60:
		p.notice(i)
	case r < 100 && !n.up:
		n.up = true
	case r < 180:
		p.connect()
	case r < 230:
		return p.choose(i)
	case r < 240:
		return p.beside(i)
	case r < 245 && n.primary != nil:
		p.closeInOrder(i)
	case r < 400 && n.copying:
		n.copying = false
		p.first(i, Copied{})
	case r < 480:
		p.stored(i)
	case r < 500:
		p.synced(i)
	case r < 600 && n.primary != nil:
		p.write(i)
	case r < 700 && n.primary != nil:
		p.acknowledge(i)
	default:
		p.receive(i)
	}
	return p.same()
}

// same checks that copies which call themselves equal are.
func (p *pair) same() error {
	if p.twice() {
		return fmt.Errorf("both serve: %s | %s", p.nodes[0].gens, p.nodes[1].gens)
	}
	for i, n := range p.nodes {
		other := p.nodes[1-i]
		if !p.connected || n.primary == nil || n.primary.State() != Mirroring || len(other.inbox) > 0 {
			continue
		}
		p.mirrored++
		if n.live != other.live {
			return fmt.Errorf("n%d and n%d mirror each other, but hold %v and %v", i, 1-i, n.live, other.live)
		}
	}
	return nil
}
