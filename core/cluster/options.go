package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// MaxMeta is the largest meta of a node, in bytes.
const MaxMeta = 500

// keySize is that of AES-256.
const keySize = 32

// Peer is another node of the cluster and where its gossip port is reached, on
// one or more networks, in order of preference.
type Peer struct {
	Number    core.NodeID
	Name      string
	Addresses []netip.AddrPort
}

// Options says who this node is and whom it belongs to.
type Options struct {
	Self core.NodeID
	Name string
	// Cluster is the id of the cluster: traffic of others is ignored.
	Cluster string
	// Bind is where to listen, TCP and UDP. The zero address means all
	// addresses, port 0 any port (for tests).
	Bind netip.AddrPort
	// Advertise is the address of this node on the first network: what others
	// are told. The zero value means Bind's, which must then be one address.
	Advertise netip.Addr
	// Key is the gossip key, 32 bytes.
	Key []byte
	// Peers are the other nodes; see UpdatePeers.
	Peers []Peer
	// Meta returns what this node says of itself, at most MaxMeta bytes; nil
	// for nothing. Call Announce when it changed. It must not call the Cluster.
	Meta func() []byte
	// Digest returns what is sent in a state exchange (at a join, and every
	// 30 s with one other node); nil for nothing. It must not call the Cluster.
	Digest func() []byte
	// Log gets a line for what an operator should see; memberlist's own lines
	// come at debug level. nil means slog.Default().
	Log *slog.Logger
}

func (o Options) check() error {
	switch {
	case o.Self == 0 || o.Self > core.MaxNodes:
		return fmt.Errorf("node number %d is outside 1 to %d", o.Self, core.MaxNodes)
	case o.Name == "":
		return errors.New("the node has no name")
	case o.Cluster == "":
		return errors.New("the cluster has no id")
	case len(o.Cluster) > 255:
		return fmt.Errorf("the cluster id has %d bytes: at most 255", len(o.Cluster))
	}
	return nil
}

// EventKind tells events apart.
type EventKind string

const (
	Joined      EventKind = "joined"       // Node is a member now (again): Meta
	Left        EventKind = "left"         // Node is no member now; Graceful if it said so itself
	MetaChanged EventKind = "meta-changed" // Node says something else of itself: Meta
	Message     EventKind = "message"      // Node sent a message: Name is its kind, Payload
	RemoteState EventKind = "remote-state" // a state exchange with Node: Payload is its digest. Not one for each Joined: a node that joins exchanges with one other at least, and is made known to the rest
)

// Event is something that happened in the cluster. Membership is memberlist's
// belief: a hint, not a verdict.
type Event struct {
	Kind     EventKind
	Node     core.NodeID
	Name     string
	Payload  []byte
	Meta     []byte
	Graceful bool
}

// Status is what memberlist believes of a node.
type Status string

const (
	StatusAlive   Status = "alive"   //
	StatusDead    Status = "dead"    // did not answer
	StatusLeft    Status = "left"    // went on purpose
	StatusUnknown Status = "unknown" // not heard of since this node started
)

// Member is a configured node and what is believed of it. memberlist's state
// "suspect" is not visible from outside it and shows as alive.
type Member struct {
	Node    core.NodeID
	Name    string
	Address netip.AddrPort // in use, else the first configured
	Status  Status
	Meta    []byte
	// RoundTrip is how long the last ping and its answer took, processes included;
	// zero: there was none yet.
	RoundTrip time.Duration
}

var (
	// ErrUnknownNode says that a node is not in the configuration.
	ErrUnknownNode = errors.New("no such node in the cluster")
	// ErrClosed says that this node's part of the cluster has been closed.
	ErrClosed = errors.New("the cluster connection is closed")
)
