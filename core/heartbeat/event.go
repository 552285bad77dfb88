package heartbeat

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Kind tells events apart.
type Kind string

// The kinds of events.
const (
	// Up: the node was heard, for the first time (First) or after Lost or
	// Goodbye. A node that was lost for silence must be heard twice within a
	// timeout, so that one stray packet does not bring it back.
	Up Kind = "up"
	// Suspect: something is wrong but the node may still hold its lease: its
	// kernel says that no process listens any more (ProcessDead), or this
	// node does not hear it while others do. Followed by Lost or Trusted.
	Suspect Kind = "suspect"
	// Trusted: a suspected node was heard after all.
	Trusted Kind = "trusted"
	// Lost: all networks have been silent for the timeout, this node was not
	// late itself in that time, and every node that it hears does not hear
	// the silent one either. Also, with ProcessDead, when the node came back
	// as a new incarnation; Up follows in the same call, and LeaseUntil may then
	// lie in the future.
	Lost Kind = "lost"
	// HostGone: the kernel of a lost node's host has not answered for two
	// timeouts, or cannot be asked (Host is then HostUnknown).
	HostGone Kind = "host-gone"
	// HostBack: the kernel of a host that was gone answers again; the node
	// itself is still lost.
	HostBack Kind = "host-back"
	// Goodbye: the node's heartbeat was closed in good order. It is not lost.
	Goodbye Kind = "goodbye"
	// Digest: the node's payload changed, or it is heard for the first time.
	Digest Kind = "digest"
	// Note: what the node tells under a key changed (SetNote), or is heard for the first
	// time since Up.
	Note Kind = "note"
	// SelfLate: this node's own loop ran more than an interval late (Late).
	SelfLate Kind = "self-late"
	// LeaseLapsed: this node's own lease has run out before it could be renewed;
	// OnBeat is not called again until Resume. Also sent as the answer
	// to a Resume that came too late to be obeyed.
	LeaseLapsed Kind = "lease-lapsed"
)

// HostState is what is known of a silent node's host.
type HostState string

// The states of a host.
const (
	HostUnknown HostState = "unknown" // not asked, or this system cannot ask
	HostAnswers HostState = "answers" // its kernel answered a ping within the last timeout
	HostSilent  HostState = "silent"  // it was asked and did not answer
)

// Event is something that the heartbeat found out.
type Event struct {
	Kind        Kind
	At          uint64      // CLOCK_BOOTTIME, ns
	Node        core.NodeID // 0 for SelfLate and LeaseLapsed
	Incarnation uint64      // of the node, as last heard
	First       bool        // Up: never heard before in this run
	Evidence    string      // in words: what was seen on which network
	Host        HostState   // Lost, HostGone, HostBack
	ProcessDead bool        // Suspect, Lost: the process is known to be dead
	// SelfIsolated: Lost, while this node hears nobody and all its own links
	// are down: it is this node that is cut off.
	SelfIsolated bool
	// LeaseUntil is when the lease of the node's last beat has certainly
	// run out (CLOCK_BOOTTIME of this node, ns). Lost, Suspect, Goodbye.
	LeaseUntil uint64
	Payload    []byte        // Digest, Note; the receiver may keep it
	Key        uint32        // Note
	Late       time.Duration // SelfLate
}

// Verdict is what this node holds of another one.
type Verdict string

// The verdicts.
const (
	VerdictNever   Verdict = "never heard"
	VerdictAlive   Verdict = "alive"
	VerdictSuspect Verdict = "suspect"
	VerdictLost    Verdict = "lost"
	VerdictLeft    Verdict = "left"
)

// PeerStatus is what is known of a peer now.
type PeerStatus struct {
	Node        core.NodeID
	Verdict     Verdict
	Since       time.Duration // how long the verdict has stood
	Incarnation uint64        // 0: never heard
	Host        HostState     // while Suspect or Lost
	HostGone    bool          // while Lost
	Evidence    string        // of the latest Suspect or Lost
	Networks    []PathStatus
}

// PathStatus is what is known of a peer on one network.
type PathStatus struct {
	Network  string
	Heard    bool          // it was heard here within the timeout
	HearsUs  bool          // it says that it hears this node here
	Silent   time.Duration // since it was last heard here; -1: never
	LastSeq  uint64
	LinkDown bool // this node's own link is down
}

// Counters count since the start.
type Counters struct {
	Sent       uint64 // packets
	Received   uint64 // accepted packets
	SendErrors uint64
	Replayed   uint64        // dropped: recorded, repeated or overtaken
	Foreign    uint64        // dropped: not of this cluster, of no known node, or of another network
	Version    uint64        // dropped: another version of the protocol
	Stalls     uint64        // times that this node's own loop was late
	Late       time.Duration // by how much, in all
	Lapses     uint64        // times that this node's own lease ran out
	Losses     uint64        // times that this node declared a peer lost
}
