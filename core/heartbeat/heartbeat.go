package heartbeat

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// ErrClosed is returned for calls after Close.
var ErrClosed = errors.New("the heartbeat is closed")

// Heartbeat is a running heartbeat. Its methods may be called from any
// goroutine; see Options.Events for what may be called from there.
type Heartbeat struct {
	e    *engine
	wake func()
	done chan struct{} // closed when the loop has ended
	nets sync.Mutex    // one SetNetworks at a time
}

// Start opens the networks and begins to beat. It fails if an option is wrong
// or a local port is taken.
func Start(o Options) (*Heartbeat, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Key = slices.Clone(o.Key)
	o.Networks = cloneNetworks(o.Networks)
	e, err := newEngine(o, clock())
	if err != nil {
		return nil, err
	}
	h := &Heartbeat{e: e, done: make(chan struct{})}
	ready := make(chan error, 1)
	go h.serve(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("start heartbeat: %w", err)
	}
	return h, nil
}

// SetDigest changes the payload that goes with each beat; it is sent at once.
// It fails if b is longer than MaxDigest.
func (h *Heartbeat) SetDigest(b []byte) error {
	if len(b) > MaxDigest {
		return fmt.Errorf("set heartbeat digest: %d bytes are more than %d", len(b), MaxDigest)
	}
	b = slices.Clone(b)
	h.e.digest.Store(&b)
	h.wake()
	return nil
}

// SetNetworks replaces the networks and the peers on them, e.g. when a node
// joined or left. What is known of nodes and networks that stay is kept;
// nodes that are gone are forgotten without an event. On an error the old ones
// stay. It returns when the change is in force.
func (h *Heartbeat) SetNetworks(networks []Network) error {
	if err := checkNetworks(h.e.o.Self, networks); err != nil {
		return err
	}
	h.nets.Lock()
	defer h.nets.Unlock()
	order := &networkOrder{cloneNetworks(networks), make(chan error, 1)}
	h.e.networks.Store(order)
	h.wake()
	select {
	case err := <-order.done:
		if err != nil {
			return fmt.Errorf("set heartbeat networks: %w", err)
		}
		return nil
	case <-h.done:
		return fmt.Errorf("set heartbeat networks: %w", ErrClosed)
	}
}

// Resume renews the lease again after LeaseLapsed (or WithoutLease), with a
// beat at once. Call it when what this node serves agrees with the cluster
// again. If the loop cannot obey within a timeout, the lease stays lapsed
// and LeaseLapsed comes again.
func (h *Heartbeat) Resume() {
	h.e.resumed.Store(h.e.board.now())
	h.wake()
}

// Status tells what is known of every peer, in order of their numbers.
func (h *Heartbeat) Status() []PeerStatus { return h.e.board.status() }

// Counters tells how much was sent, received and dropped.
func (h *Heartbeat) Counters() Counters {
	h.e.board.mu.Lock()
	defer h.e.board.mu.Unlock()
	return h.e.board.counters
}

// Timeout is how long a silence of this node must last before its peers declare it
// lost: longer than was configured for a while after it ran late.
func (h *Heartbeat) Timeout() (now, configured time.Duration) {
	h.e.board.mu.Lock()
	defer h.e.board.mu.Unlock()
	return time.Duration(h.e.board.timeout), h.e.o.Timeout
}

// Close says goodbye to the peers and ends the loop. The lease is not renewed
// any more and runs out by itself. A second call does nothing.
func (h *Heartbeat) Close() error {
	h.e.closing.Store(true)
	h.wake()
	<-h.done
	return nil
}

func cloneNetworks(networks []Network) []Network {
	c := slices.Clone(networks)
	for i := range c {
		c[i].Peers = maps.Clone(c[i].Peers)
	}
	return c
}
