package heartbeat

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Limits of what is sent.
const (
	MaxDigest   = 1000 // bytes of a digest, so that a packet fits every Ethernet frame
	MaxNetworks = 8    // networks of a cluster
)

// Defaults of Options, for servers on a wired network. Noisy virtual machines
// do better with 50 ms and 170 ms.
const (
	DefaultInterval = 20 * time.Millisecond
	DefaultTimeout  = 100 * time.Millisecond
)

// Priority says how much the loop's thread is preferred over other work of
// the machine. It is best effort: without the right to do so nothing changes.
type Priority string

// The priorities. Only the one thread of the loop is changed, never the
// whole process.
const (
	PriorityNice   Priority = "nice"   // nice -20; the default
	PriorityFIFO   Priority = "fifo"   // SCHED_FIFO 1: fewer stalls on a loaded machine, worse on one that is hopelessly overloaded
	PriorityNormal Priority = "normal" // as the rest of the process
)

// Network is one network that carries beats. All nodes must give a network the
// same name.
type Network struct {
	Name  string                         // as in the configuration, e.g. "default"
	Local netip.AddrPort                 // this node's address; it need not exist yet
	Peers map[core.NodeID]netip.AddrPort // the other nodes' addresses; this node's own is ignored
}

// Options is what a heartbeat needs. Zero values of Interval, Timeout, Priority
// and Log mean the defaults.
type Options struct {
	Self core.NodeID
	// Incarnation tells runs of this node apart and must be larger than in
	// every earlier run: peers refuse smaller ones as recordings.
	Incarnation uint64
	Key         []byte // 32 bytes, the same on all nodes
	Interval    time.Duration
	Timeout     time.Duration // length of silence and of the lease; a peer's own larger value is respected
	Networks    []Network
	Digest      []byte // payload from the first beat on, at most MaxDigest; see SetDigest
	// WithoutLease starts as after LeaseLapsed: OnBeat is not called before
	// the first Resume. For a process that takes over a filter from an earlier
	// run, whose table may be out of date.
	WithoutLease bool
	Priority     Priority
	// OnBeat is called by the loop just before each beat with the time at which
	// the lease of that beat ends (CLOCK_BOOTTIME, ns; elsewhere than on
	// Linux a monotonic time of this process). nil is allowed.
	OnBeat func(deadline uint64)
	// Events is called by the loop, one event at a time, in order. It must
	// return at once (hand over to a channel or queue that never blocks): the
	// loop sends no beat meanwhile. It may call SetDigest, Resume, Status and
	// Counters, not SetNetworks or Close.
	Events func(Event)
	Log    *slog.Logger
}

// check fills in defaults and refuses what cannot work.
func (o *Options) check() error {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Priority == "" {
		o.Priority = PriorityNice
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Self < 1 || o.Self > core.MaxNodes:
		return fmt.Errorf("check heartbeat options: node number %d is not 1 to %d", o.Self, core.MaxNodes)
	case o.Incarnation == 0:
		return errors.New("check heartbeat options: incarnation is 0; give each run of the node a larger one, e.g. the start time in ns")
	case len(o.Key) != keyLen:
		return fmt.Errorf("check heartbeat options: the key has %d bytes instead of %d", len(o.Key), keyLen)
	case o.Interval < time.Millisecond || o.Timeout > time.Minute:
		return fmt.Errorf("check heartbeat options: interval %v and timeout %v must lie between 1ms and 1m", o.Interval, o.Timeout)
	case o.Timeout < 3*o.Interval:
		return fmt.Errorf("check heartbeat options: timeout %v is less than 3 intervals of %v: one lost packet would look like a lost node", o.Timeout, o.Interval)
	case len(o.Digest) > MaxDigest:
		return fmt.Errorf("check heartbeat options: a digest of %d bytes is longer than %d", len(o.Digest), MaxDigest)
	case o.Events == nil:
		return errors.New("check heartbeat options: no receiver of events")
	}
	return checkNetworks(o.Self, o.Networks)
}

// checkNetworks refuses networks that cannot work together.
func checkNetworks(self core.NodeID, networks []Network) error {
	if len(networks) > MaxNetworks {
		return fmt.Errorf("check heartbeat networks: %d networks given, at most %d can be used", len(networks), MaxNetworks)
	}
	tags := map[uint16]string{}
	for _, n := range networks {
		if other, taken := tags[networkTag(n.Name)]; taken {
			return fmt.Errorf("check heartbeat networks: the names %q and %q cannot be told apart; rename one", other, n.Name)
		}
		tags[networkTag(n.Name)] = n.Name
		if !n.Local.IsValid() {
			return fmt.Errorf("check heartbeat networks: lan %s has no local address", n.Name)
		}
		for id, to := range n.Peers {
			if id == self {
				continue
			}
			if id < 1 || id > core.MaxNodes {
				return fmt.Errorf("check heartbeat networks: lan %s names node %d, which is not 1 to %d", n.Name, id, core.MaxNodes)
			}
			if !to.IsValid() || to.Addr().Unmap().Is4() != n.Local.Addr().Unmap().Is4() {
				return fmt.Errorf("check heartbeat networks: lan %s: address %s of node %d does not fit this node's %s", n.Name, to, id, n.Local)
			}
		}
	}
	return nil
}

// networkTag stands for a network's name in packets.
func networkTag(name string) uint16 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return uint16(h.Sum32() ^ h.Sum32()>>16)
}
