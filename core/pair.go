package core

import (
	"fmt"
	"time"
)

// MirrorConfig is what the state machine needs to know of a mirror's
// configuration.
type MirrorConfig struct {
	Self        NodeID        `json:"self"`
	Peer        NodeID        `json:"peer"`
	PeerName    string        `json:"peer_name,omitempty"`    // for texts
	Patience    time.Duration `json:"patience"`               // how long a start listens for the peer, and gives way to it
	FailoverOff bool          `json:"failover_off,omitempty"` // the secondary does not take over
	DefaultPrim NodeID        `json:"default_prim,omitempty"` // 0: whoever runs stays primary
	LastPrim    bool          `json:"last_prim,omitempty"`    // a node that was primary when it stopped takes the role back
	Witnesses   []string      `json:"witnesses,omitempty"`    // resources, one of which must be up to go on without a silent peer
	Replicated  bool          `json:"replicated,omitempty"`   // has data whose copies can differ: replication is asked for
	SyncDelta   time.Duration `json:"sync_delta,omitempty"`   // a copy that was up to date so long ago is good enough to go on alone with; 0: none is
}

// Pair is what one node of a mirror knows beside what all modules know.
type Pair struct {
	Self     PeerState  `json:"self"` // what is published
	Peer     PeerState  `json:"peer"` // what the peer published last
	Link     Link       `json:"link,omitempty"`
	Evidence Evidence   `json:"evidence,omitempty"`
	Lost     string     `json:"lost,omitempty"`     // in words, why Link is LinkLost
	Parts    Parts      `json:"parts,omitempty"`    // of the application, beside start_both
	Joined   bool       `json:"joined,omitempty"`   // replication was asked for
	Follows  Generation `json:"follows,omitzero"`   // the peer\'s when replication was last told to follow it
	SwapDue  bool       `json:"swap_due,omitempty"` // the default primary has just become secondary
	Claimed  uint64     `json:"claimed,omitempty"`  // Self.Seq that told of the claim
	Entered  uint64     `json:"entered,omitempty"`  // Self.Seq that told of the present state
	Waiting  string     `json:"waiting,omitempty"`  // the timer of a start that runs
	Waited   string     `json:"waited,omitempty"`   // the one that ran out
	Synced   int64      `json:"synced,omitempty"`   // when the copy here was last known to be up to date, in seconds since 1970; 0: never
}

// Kept is what the host stores durably of a mirror, and of a module that may
// restart the machine, before it carries out the actions of the step that changed it.
type Kept struct {
	Life       uint64 `json:"life"`
	Data       Data   `json:"data"`
	Failover   string `json:"failover,omitempty"`
	FailoverAt uint64 `json:"failover_at,omitempty"`
	Synced     int64  `json:"synced,omitempty"`

	Failures []time.Time `json:"failures,omitempty"` // with Reboot: else the machine would restart for ever
}

// Kept answers what is to be stored.
func (in Instance) Kept() Kept {
	s := in.Pair.Self
	k := Kept{Life: s.Life, Data: s.Data, Failover: s.Failover, FailoverAt: s.FailoverAt, Synced: in.Pair.Synced}
	if in.Module.Reboot {
		k.Failures = in.Failures
	}
	return k
}

// Restore begins a new life with what was stored. It is to be stored again
// before anything of this life is told to the peer. Where nothing is stored, Life is to
// be one that this node is not likely to have had, e.g. the time in seconds.
func (in Instance) Restore(k Kept) Instance {
	s := &in.Pair.Self
	s.Life, s.Data, s.Failover, s.FailoverAt = k.Life+1, k.Data, k.Failover, k.FailoverAt
	in.Failures, in.Pair.Synced = k.Failures, k.Synced
	return in
}

// Statement is what this node says of itself to the peer: as ActPublish told it
// last, and also before any step was made.
func (in Instance) Statement() PeerState {
	s := in.Pair.Self
	s.Node, s.State, s.Phase = in.Module.Mirror.Self, in.State, in.Phase
	return s
}

// UpToDate reports that this node may become primary as far as its data goes.
func (in Instance) UpToDate() bool {
	return !in.Module.Mirror.Replicated || in.Pair.Self.Data.usable()
}

// Synced is how long ago the copy here was last known to be up to date; false: it never
// was, or the clock was set back since.
func (in Instance) Synced(now time.Time) (ago time.Duration, ok bool) {
	ago = now.Sub(time.Unix(in.Pair.Synced, 0)).Truncate(time.Second)
	return ago, in.Pair.Synced != 0 && ago >= 0
}

// Degraded reports that replication failed: ALONE although the peer is there.
func (in Instance) Degraded() bool { return in.Pair.Self.Degraded }

func (in Instance) mirror() bool { return in.Module.Mode == Mirror }

// PeerName names the other node for texts.
func (in Instance) PeerName() string {
	if n := in.Module.Mirror.PeerName; n != "" {
		return n
	}
	return fmt.Sprintf("node %d", in.Module.Mirror.Peer)
}

// hears reports that the peer is in contact.
func (in Instance) hears() bool { return in.Pair.Link == LinkHeard }

// peerIn reports that the peer is heard to be in one of these states.
func (in Instance) peerIn(states ...State) bool {
	for _, s := range states {
		if in.hears() && in.Pair.Peer.State == s {
			return true
		}
	}
	return false
}

// acknowledged reports that the peer has heard what this node last published:
// both then judge by the same.
func (in Instance) acknowledged(seq uint64) bool {
	p := in.Pair
	return in.hears() && p.Peer.HeardLife == p.Self.Life && p.Peer.HeardSeq >= seq
}

func (in Instance) sides() (self, peer side) {
	c := in.Module.Mirror
	return side{in.Pair.Self, c.DefaultPrim == c.Self}, side{in.Pair.Peer, c.DefaultPrim == c.Peer && c.Peer != 0}
}

// FailoverOff reports that the secondary does not take over by itself.
func (in Instance) FailoverOff() bool {
	if f := in.Pair.Self.Failover; f != "" {
		return f == "off"
	}
	return in.Module.Mirror.FailoverOff
}

// leaving reports that the role is being given up.
func (in Instance) leaving() bool {
	next := in.Next.Verb
	will := next == VerbStop || next == VerbForceStop || next == VerbStopStart || next == VerbWait
	does := in.Phase == Transient && (in.Target == Stop || in.Verb == VerbWait)
	return partsOf[in.State] != 0 && (will || next == "" && does)
}

// tell brings what is published up to date at the end of a step, and publishes
// it if it changed.
func (m *machine) tell(before PeerState) {
	s := &m.Pair.Self
	s.Node, s.State, s.Phase = m.Module.Mirror.Self, m.State, m.Phase
	s.Leaving = m.leaving()
	s.HeardLife, s.HeardSeq = m.Pair.Peer.Life, m.Pair.Peer.Seq
	if *s == before {
		return
	}
	content := *s
	content.HeardLife, content.HeardSeq = before.HeardLife, before.HeardSeq
	if content != before {
		s.Seq++
	}
	if s.State != before.State {
		m.Pair.Entered = s.Seq
	}
	if !s.Claim {
		m.Pair.Claimed = 0
	} else if m.Pair.Claimed == 0 {
		m.Pair.Claimed = s.Seq
	}
	told := *s
	m.out = append(m.out, Action{Kind: ActPublish, Peer: &told, Reason: m.LastReason, Cause: m.Cause})
}
