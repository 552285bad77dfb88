package core

import "time"

// EventKind tells the events of a module apart.
type EventKind string

const (
	EventCommand  EventKind = "command"   // Verb, Identity
	EventHook     EventKind = "hook"      // a hook ended: Name, OK, Reason
	EventNetwork  EventKind = "network"   // NetworkUp or NetworkDown was carried out: OK, Reason
	EventShare    EventKind = "share"     // a share order was carried out: Name is the order, OK, Reason
	EventResource EventKind = "resource"  // Resource changed
	EventTimer    EventKind = "timer"     // Name of the timer that ran out
	EventPeer     EventKind = "peer"      // mirror: Peer was heard; in the order of sending, repetitions and gaps allowed
	EventPeerLost EventKind = "peer-lost" // mirror: all heartbeats are silent: Evidence, Reason
	EventLease    EventKind = "lease"     // mirror: the lease of this node's address ran out
	EventModule   EventKind = "module"    // Module is the new configuration of a module that goes on running
	EventReplica  EventKind = "replica"   // mirror: the answer to an order, or news: Name, OK, Reason; see ReplicaNews
)

// Event is something that happened to a module on this node.
type Event struct {
	At         time.Time // stamped by whoever saw it
	Kind       EventKind
	Name       string
	Verb       Verb
	Identity   string // of an automatic command, e.g. "tcp.web"; empty for an operator's
	By         string // who gave an operator's command, e.g. "root"
	OK         bool
	Reason     string
	Resource   Resource
	Peer       *PeerState // is not changed
	Module     *Module    // is not changed
	Evidence   Evidence
	Generation Generation // copied: of which data
	Cause      int64      // journal entry that led to this event; 0 for a first cause
}

// ReplicaNews is what replication tells without being asked: the Name of an
// EventReplica.
type ReplicaNews string

const (
	ReplicaCopying  ReplicaNews = "copying"  // secondary: the copy is being overwritten and belongs to no moment
	ReplicaCopied   ReplicaNews = "copied"   // both: the secondary has all of Generation, and each further write waits for it
	ReplicaLost     ReplicaNews = "lost"     // both: that is over. A primary goes on writing only where this was told before its data was shared
	ReplicaDegraded ReplicaNews = "degraded" // primary: replication failed here
	ReplicaRepaired ReplicaNews = "repaired" // primary: it works again
)
