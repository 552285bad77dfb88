package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	dialTimeout = 2 * time.Second
	// headStart is what a path gets before the next network is tried too.
	headStart = 100 * time.Millisecond
)

// paths is memberlist's transport with more than one network. memberlist knows
// one address of a node; when that does not answer, a connection is tried on
// the others too, and the one that worked is used first from then on, for
// packets as well. (Packets alone find a dead network because memberlist pings
// over TCP when a packet ping fails.)
type paths struct {
	*memberlist.NetTransport
	c *Cluster

	mu   sync.Mutex
	best map[core.NodeID]string
}

func newPaths(c *Cluster, t *memberlist.NetTransport) *paths {
	return &paths{NetTransport: t, c: c, best: map[core.NodeID]string{}}
}

// WriteToAddress sends a packet.
func (t *paths) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	_, list := t.addresses(a)
	return t.NetTransport.WriteToAddress(b, memberlist.Address{Addr: list[0], Name: a.Name})
}

// DialAddressTimeout opens a connection on the first network that answers.
func (t *paths) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.c.ctx, min(timeout, dialTimeout))
	defer cancel()
	n, list := t.addresses(a)
	conn, winner, err := dialFirst(ctx, list)
	if err == nil && n != 0 && winner != list[0] {
		t.mu.Lock()
		t.best[n] = winner
		t.mu.Unlock()
	}
	return conn, err
}

// addresses lists where to find a node, the best first; never empty. The
// configured addresses count; what memberlist asked for is used for a stranger.
func (t *paths) addresses(a memberlist.Address) (core.NodeID, []string) {
	n, err := numberOf(a.Name)
	if err != nil {
		return 0, []string{a.Addr}
	}
	p, err := t.c.peer(n)
	if err != nil || len(p.Addresses) == 0 {
		return 0, []string{a.Addr}
	}
	list := make([]string, 0, len(p.Addresses))
	for _, x := range p.Addresses {
		list = append(list, x.String())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(list, t.best[n]); i > 0 {
		list[0], list[i] = list[i], list[0]
	}
	return n, list
}

type dialled struct {
	conn net.Conn
	addr string
	err  error
}

// dialFirst tries addresses one after the other, the next when one has failed
// or taken longer than headStart, and returns the first connection.
func dialFirst(ctx context.Context, list []string) (net.Conn, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan dialled)
	started, open := 0, 0
	defer func() {
		cancel()
		for range open { // those that lost the race
			if r := <-results; r.conn != nil {
				r.conn.Close()
			}
		}
	}()
	next := time.NewTimer(0)
	defer next.Stop()
	var errs []error
	for {
		select {
		case <-next.C:
			if started == len(list) {
				continue
			}
			addr := list[started]
			started++
			open++
			go func() {
				var d net.Dialer
				conn, err := d.DialContext(ctx, "tcp", addr)
				results <- dialled{conn, addr, err}
			}()
			next.Reset(headStart)
		case r := <-results:
			open--
			if r.err == nil {
				return r.conn, r.addr, nil
			}
			errs = append(errs, fmt.Errorf("connect to %s: %w", r.addr, r.err))
			if open == 0 && started == len(list) {
				return nil, "", errors.Join(errs...)
			}
			next.Reset(0)
		}
	}
}
