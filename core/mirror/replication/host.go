package replication

import (
	"cmp"
	"log/slog"
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror/exclude"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// Host is the daemon, as a Replicator needs it. Its methods are called by any goroutine.
type Host interface {
	// News takes what core.ReplicaNews names, and returns when the state machine has taken
	// it and what follows is durable. Generation goes with copied.
	News(news core.ReplicaNews, g core.Generation, reason string)
	// Done takes the answer to an order.
	Done(order core.ReplicaOrder, err error)
	// Note tells operators something: level is info, warn or error, text a sentence.
	Note(level, text string)
	// Broken tells that nothing can be written to the folders any more, and why: the primary is
	// of no use until it is made primary anew.
	Broken(error)
	// Shared reports that the peer may be promoted with this primary's data: what core calls
	// the standing shared.
	Shared() bool
}

// Folder is one that is replicated.
type Folder struct {
	Place
	// Name is what both nodes call it, Dir unless set.
	Name string
	// Rules say what of it is not replicated; nil is nothing. Except says the same for the
	// greeting.
	Rules  *exclude.Rules
	Except []string
	// WriteBack lets the kernel gather writes: fs.Options.
	WriteBack bool
	// MustHave are paths in it without which it does not become primary's.
	MustHave []string
}

// Options of a Replicator. Zero values mean the defaults.
type Options struct {
	Module   string
	Cluster  string
	Release  string
	Self     core.NodeID
	Peer     core.NodeID
	PeerName string
	Folders  []Folder
	// Memory is a file of this node, apart from the folders, by which it knows whether their
	// disks were exchanged or set back; none if "".
	Memory string

	Port     *link.Port
	Identity func() link.Identity
	// Addresses are the peer's, with its port, the one to try first at the front.
	Addresses func() []netip.AddrPort
	// Alive says that the peer is heard on the network of one of them; nil says nothing.
	// A secondary changes from a network that is not to one that is.
	Alive func(netip.AddrPort) bool
	Host  Host
	Log   *slog.Logger

	Mode stream.Mode
	// Patience is how long the peer may say nothing, 10 s unless set.
	Patience time.Duration
	// SyncPatience is how long it may take until something is durable there, 60 s unless set.
	SyncPatience time.Duration
	// Hold is how long a primary waits for a lost secondary that could be promoted
	// before replication counts as failed, 3 s unless set.
	Hold time.Duration
	// Epoch is the time between epochs of the activity log, 10 s unless set.
	Epoch time.Duration
	// Workers is how many files are resynchronised at the same time, 6 unless set.
	Workers int
	// PartSize is how many names of a directory are in memory at most, see resync.Options.
	PartSize int
	// Limit bounds the bytes a second of a resynchronisation; 0 is without a bound.
	Limit int
}

func (o Options) orDefaults() Options {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Hold == 0 {
		o.Hold = 3 * time.Second
	}
	if o.Epoch == 0 {
		o.Epoch = 10 * time.Second
	}
	if o.Workers == 0 {
		o.Workers = 6
	}
	return o
}

const zoneSize = 1 << 20

// hello is what this node says of itself.
func (o Options) hello() link.Hello {
	h := link.Hello{
		Protocol: link.Protocol, Release: o.Release, Cluster: o.Cluster, Node: o.Self, Module: o.Module,
		Settings: link.Settings{Mode: o.Mode.String(), ZoneSize: zoneSize},
	}
	for _, f := range o.Folders {
		name := cmp.Or(f.Name, f.Dir)
		h.Settings.Folders = append(h.Settings.Folders, name)
		for _, e := range f.Except {
			h.Settings.Except = append(h.Settings.Except, name+": "+e)
		}
	}
	return h
}

func (o Options) places() (list []Place) {
	for _, f := range o.Folders {
		list = append(list, f.Place)
	}
	return list
}
