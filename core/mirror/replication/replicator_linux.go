package replication

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/inbox"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
)

// Order is what the state machine orders.
type Order struct {
	Replica core.ReplicaOrder
	// Full: second: copy everything, whatever is known to be the same.
	Full bool
	// Force: prim: also when what is known of the copy speaks against it.
	Force bool
	// Data is core's name for this node's data: of prim.
	Data core.Generation
}

// Replicator is one module's replication on one node.
type Replicator struct {
	opts    Options                 // it was made with
	changed atomic.Pointer[Options] // with what was changed since, see Change
	speed   atomic.Int64            // of the last resynchronisation that says something: resync.Cost a second

	orders  *inbox.Inbox[func()]
	closed  chan struct{}
	stopped sync.WaitGroup

	mu     sync.Mutex
	prim   *serving
	second *following
	why    string // the last order failed
}

// New makes a Replicator that is neither primary nor secondary, and answers the peer at the
// port.
func New(o Options) *Replicator {
	enoughProcs()
	boundMemory(1)
	r := &Replicator{opts: o.orDefaults(), orders: inbox.New[func()](), closed: make(chan struct{})}
	r.changed.Store(&r.opts)
	r.opts.Port.Register(o.Module, r)
	r.stopped.Go(func() {
		for {
			select {
			case <-r.orders.Signal():
				for _, do := range r.orders.Take() {
					do()
				}
			case <-r.closed:
				if err := r.stop(); err != nil {
					r.opts.Log.Warn("replication", "module", r.opts.Module, "order", "close", "error", err)
				}
				return
			}
		}
	})
	return r
}

// Close ends it: nothing is mounted or followed any more.
func (r *Replicator) Close() {
	r.opts.Port.Remove(r.opts.Module)
	close(r.closed)
	r.stopped.Wait()
	boundMemory(-1)
}

// Order begins to carry out an order; Host.Done answers it.
func (r *Replicator) Order(o Order) {
	r.do(func() {
		err := r.carryOut(o)
		if err != nil {
			r.opts.Log.Warn("replication", "module", r.opts.Module, "order", o.Replica, "error", err)
		}
		r.mu.Lock()
		if r.why = ""; err != nil {
			r.why = err.Error()
		}
		r.mu.Unlock()
		r.opts.Host.Done(o.Replica, err)
		if s := r.follows(); err == nil && s != nil {
			s.repeat()
		}
	})
}

// Alone says that the cluster has chosen this node to go on without its peer: its state is
// ALONE, with data of that name.
func (r *Replicator) Alone(data core.Generation) {
	r.do(func() {
		if s := r.serves(); s != nil {
			s.alone(data)
		}
	})
}

// Leave says that this node gives up being primary, and its application is being stopped:
// from now on no operation is held, so that nothing hangs that is to end.
func (r *Replicator) Leave() {
	if s := r.serves(); s != nil {
		s.letGo()
	}
}

// do has something done, after what was asked for before.
func (r *Replicator) do(what func()) { r.orders.Put(what) }

func (r *Replicator) serves() *serving {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prim
}

func (r *Replicator) follows() *following {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.second
}

func (r *Replicator) carryOut(o Order) error {
	switch o.Replica {
	case core.ReplicatePrim:
		if s := r.serves(); s != nil {
			return nil
		}
		if err := r.stop(); err != nil {
			return err
		}
		s, err := r.serve(o)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.prim = s
		r.mu.Unlock()
	case core.ReplicateSecond:
		if s := r.follows(); s != nil && !o.Full {
			return nil
		}
		if err := r.stop(); err != nil {
			return err
		}
		s, err := r.follow(o)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.second = s
		r.mu.Unlock()
	case core.ReplicateStop:
		return r.stop()
	default:
		return fmt.Errorf("replication has no order %q", o.Replica)
	}
	return nil
}

// stop ends what this node does.
func (r *Replicator) stop() error {
	r.mu.Lock()
	prim, second := r.prim, r.second
	r.prim, r.second = nil, nil
	r.mu.Unlock()
	var errs []error
	if prim != nil {
		errs = append(errs, prim.stop())
	}
	if second != nil {
		errs = append(errs, second.stop())
	}
	return errors.Join(errs...)
}

// Greet answers the peer's greeting at the port.
func (r *Replicator) Greet(theirs link.Hello) (link.Hello, error) {
	mine := r.now().hello()
	if theirs.Node != r.opts.Peer {
		return mine, &link.RefusedError{Reason: fmt.Sprintf("node %d is not the other node of module %s: apply the same configuration on both", theirs.Node, r.opts.Module)}
	}
	if err := link.Check(mine, theirs); err != nil {
		return mine, err
	}
	if theirs.Purpose == link.Probe {
		return mine, r.writable()
	}
	s := r.serves()
	if s == nil {
		return mine, &link.RefusedError{Reason: fmt.Sprintf("node %d is not primary of module %s", r.opts.Self, r.opts.Module)}
	}
	mine.Generations = s.recorder.Generations()
	return mine, nil
}

// Take takes a connection at the port.
func (r *Replicator) Take(conn net.Conn, theirs link.Hello) {
	s := r.serves()
	if theirs.Purpose != link.Follow || s == nil {
		conn.Close()
		return
	}
	s.take(conn, theirs)
}

// writable says why this node's copies cannot be written.
func (r *Replicator) writable() error {
	for _, p := range r.opts.places() {
		probe := filepath.Join(p.behind(), "probe")
		if err := writeFile(probe, make([]byte, 4096)); err != nil {
			return fmt.Errorf("%s cannot be written: %w", p.behind(), err)
		}
		if err := os.Remove(probe); err != nil {
			return err
		}
	}
	return nil
}

// fresh is a random name for a generation.
func fresh() mirror.Generation {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		if g := mirror.Generation(binary.BigEndian.Uint64(b[:])); g != 0 {
			return g
		}
	}
}
