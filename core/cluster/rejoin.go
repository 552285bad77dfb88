package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	firstDelay = 2 * time.Second
	lastDelay  = 15 * time.Second
)

// attempt is when a missing node is contacted next.
type attempt struct {
	due   time.Time
	delay time.Duration // until the one after
}

// plan says whom to contact when. memberlist does not return to a lost node by
// itself, nor to one that it failed to join.
type plan map[core.NodeID]attempt

// due returns which of the missing nodes to contact now, and how long to wait
// until it must be asked again.
func (p plan) due(now time.Time, missing []Peer) (list []Peer, wait time.Duration) {
	wait = firstDelay // a node can be lost at any time
	still := make(map[core.NodeID]bool, len(missing))
	for _, m := range missing {
		still[m.Number] = true
		a, known := p[m.Number]
		if !known {
			a = attempt{due: now, delay: firstDelay}
		}
		if !a.due.After(now) {
			list = append(list, m)
			a = attempt{due: now.Add(a.delay), delay: min(2*a.delay, lastDelay)}
		}
		p[m.Number] = a
		wait = min(wait, a.due.Sub(now))
	}
	for n := range p {
		if !still[n] {
			delete(p, n)
		}
	}
	return list, wait
}

// rejoin contacts the configured nodes that are no members, until ctx ends.
func (g *gossip) rejoin(ctx context.Context) {
	p := plan{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-g.c.retry:
			delete(p, n)
		case <-timer.C:
		}
		list, wait := p.due(time.Now(), g.c.missing())
		g.join(list)
		timer.Reset(wait)
	}
}

// join contacts nodes at the same time: one that does not answer must not keep
// the others waiting.
func (g *gossip) join(list []Peer) {
	var wg sync.WaitGroup
	for _, p := range list {
		if len(p.Addresses) == 0 {
			continue
		}
		wg.Go(func() {
			_, err := g.list.Join([]string{listName(p.Number, p.Name) + "/" + p.Addresses[0].String()})
			if err != nil {
				g.c.log.Debug("cluster: a node cannot be reached", "node", p.Number, "err", err)
			}
		})
	}
	wg.Wait()
}
