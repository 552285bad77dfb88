package share

import (
	"math/bits"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// MessageKind tells the messages of a plan apart.
type MessageKind string

const (
	MsgGather    MessageKind = "gather"    // coordinator → member: what do you use?
	MsgReport    MessageKind = "report"    // member → coordinator
	MsgInstall   MessageKind = "install"   // coordinator → member: use this view
	MsgInstalled MessageKind = "installed" // member → coordinator: in force
	MsgRefused   MessageKind = "refused"   // member → coordinator: what I reported holds no more
)

// Message travels between the Machines of one module. Messages may be lost,
// repeated and reordered.
type Message struct {
	Kind   MessageKind `json:"kind"`
	Round  uint64      `json:"round"` // the coordinator's number of the plan
	Epoch  Epoch       `json:"epoch,omitempty"`
	Report *Report     `json:"report,omitempty"`
	View   *View       `json:"view,omitempty"`
	Why    string      `json:"why,omitempty"` // install: what the plan is for
}

// sound says that a message can be worked with: another version of the program, or a
// node that is mad, shall not end this one.
func (m Message) sound(from core.NodeID) bool {
	if r := m.Report; r != nil && (r.Node != from || !isNode(from) || !r.View.sound()) {
		return false
	}
	return m.View == nil || m.View.sound()
}

// isNode says that n can be a node's number.
func isNode(n core.NodeID) bool { return n >= 1 && n <= core.MaxNodes }

// sound says that a view has all its rows, and numbers only that nodes can have.
func (v View) sound() bool {
	if slices.ContainsFunc(v.Members, func(m Member) bool { return !isNode(m.Node) }) {
		return false
	}
	return !slices.ContainsFunc(v.Tables, func(t Table) bool {
		return len(t.Rows) != Buckets || slices.ContainsFunc(t.Rows, func(r Row) bool { return !r.sound() })
	})
}

// Digest is what every heartbeat says about a module.
type Digest struct {
	Present  bool   // the module is started on the node
	Ready    bool   // its application takes connections
	Draining bool   // it wants to have none
	Left     bool   // it is not started, but the last daemon left its application running, with its connections
	Epoch    Epoch  // view in use
	Failed   uint64 // mask of members that the node took out of that view by itself
}

func bit(n core.NodeID) uint64 { return 1 << (n - 1) }

// nodesOf lists the nodes of a mask.
func nodesOf(mask uint64) []core.NodeID {
	var list []core.NodeID
	for ; mask != 0; mask &= mask - 1 {
		list = append(list, core.NodeID(bits.TrailingZeros64(mask)+1))
	}
	return list
}

// Input is something that happened to a Machine.
type Input interface{ input() }

type (
	// Left: the last daemon of this node ended without stopping the module, so what it
	// started may still run, with its connections.
	Left struct{}
	// Abandoned: the module is not started, nor is anything left of it.
	Abandoned struct{}
	// Started: the module's network is up on this node.
	Started struct{ MACs []MAC }
	// Halted: it is down again.
	Halted struct{}
	// Ordered asks for a change of this node's share.
	Ordered struct{ Order core.ShareOrder }
	// Cut: nothing reaches this node on the module's interfaces for the reason
	// given; an empty one says that it is reached again.
	Cut struct{ Why string }
	// PeerLost: a node is silent. HostAlive says that its kernel still answers,
	// Goodbye that the node itself said that it ends.
	PeerLost struct {
		Node      core.NodeID
		HostAlive bool
		Goodbye   bool
		Evidence  string
	}
	// HostGone: a silent node's kernel does not answer any more, or cannot be
	// asked and has had the time to.
	HostGone struct{ Node core.NodeID }
	// PeerDigest: a node is heard and says this of the module.
	PeerDigest struct {
		Node   core.NodeID
		Digest Digest
	}
	// Counted answers Count: the buckets with connections, by group.
	Counted struct{ Open map[string]Bitmap }
	// Received is a message from the Machine of another node.
	Received struct {
		From    core.NodeID
		Message Message
	}
	// Lapsed: this node was late with its own heartbeats; its lease ran out. The
	// others may own its buckets by now, so it gives them up until the next
	// plan, and serves again as soon as they know that it is back and uses a table
	// of its own: it sends new connections to them, and goes on with those that it
	// has.
	Lapsed struct{ Reason string }
	// Configured changes what the configuration says.
	Configured struct{ Settings Settings }
	// Tick: time goes by.
	Tick struct{}
)

func (Left) input()       {}
func (Abandoned) input()  {}
func (Started) input()    {}
func (Halted) input()     {}
func (Ordered) input()    {}
func (Cut) input()        {}
func (PeerLost) input()   {}
func (HostGone) input()   {}
func (PeerDigest) input() {}
func (Counted) input()    {}
func (Received) input()   {}
func (Lapsed) input()     {}
func (Configured) input() {}
func (Tick) input()       {}

// Effect is something a Machine asks for. Effects are carried out in order; an
// Install must be in force before the next effect begins.
type Effect interface{ effect() }

type (
	// Install puts a view in force on this node.
	Install struct {
		View   View
		Accept bool // the application here is ready
		Agreed bool // all nodes are known to use this view: RST is allowed
		// Silent is the mask of members whose leases have run out: their hosts
		// live, so their connections may go on later, but they take nothing now.
		Silent uint64
	}
	// Send sends a message, best effort.
	Send struct {
		To      core.NodeID
		Message Message
	}
	// Count asks for the buckets with connections; answered by Counted.
	Count struct{}
	// Publish puts a new digest into the heartbeat.
	Publish struct{ Digest Digest }
	// Announce tells the network that the addresses may be reached here.
	Announce struct{ Reason string }
	// Done answers Ordered.
	Done struct {
		Order  core.ShareOrder
		OK     bool
		Reason string
	}
	// Resume answers Lapsed: the lease may be renewed again.
	Resume struct{}
	// Note tells people what changed and why.
	Note struct{ Text string }
)

func (Install) effect()  {}
func (Send) effect()     {}
func (Count) effect()    {}
func (Publish) effect()  {}
func (Announce) effect() {}
func (Done) effect()     {}
func (Resume) effect()   {}
func (Note) effect()     {}

// Timing of a Machine. All can be changed for tests; zero fields get defaults.
type Timing struct {
	Debounce time.Duration // quiet time before a plan, 30 ms
	Resend   time.Duration // repetition of an unanswered message, 100 ms
	GiveUp   time.Duration // a plan that is not finished by then is begun anew, 1.5 s
	Hold     time.Duration // a node that was lost stays without a share for so long, 1 s
	Settle   time.Duration // first wait before previous owners are counted, 1 s; doubles up to 10 times
	Keep     time.Duration // a silent node with a living host stays a previous owner, 10 s
	Leave    time.Duration // a planned leave falls back to a withdrawal, 1.5 s
}

func (t Timing) orDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Debounce, 30*time.Millisecond)
	set(&t.Resend, 100*time.Millisecond)
	set(&t.GiveUp, 1500*time.Millisecond)
	set(&t.Hold, time.Second)
	set(&t.Settle, time.Second)
	set(&t.Keep, 10*time.Second)
	set(&t.Leave, 1500*time.Millisecond)
	return t
}
