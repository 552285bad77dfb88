package core

// Link is what the heartbeats say of the peer.
type Link string

const (
	LinkUnknown Link = ""      // not heard since this daemon runs, and not missed yet
	LinkHeard   Link = "heard" //
	LinkLost    Link = "lost"  // all heartbeats are silent
)

// Evidence says how much is known of a lost peer.
type Evidence string

const (
	EvidenceSilent Evidence = "silent" // no heartbeat: dead, or cut off and alive
	EvidenceDead   Evidence = "dead"   // known to serve nothing: its daemon said goodbye, its lease was seen to end, or it was fenced
)

// PeerState is what a node of a mirror tells the other: the whole of it each
// time, so that only the latest counts and any may be lost. It is comparable.
type PeerState struct {
	Node NodeID `json:"node"`
	Life uint64 `json:"life"` // counts the starts of the daemon, see Kept
	Seq  uint64 `json:"seq"`  // counts changes of what follows but Heard

	HeardLife uint64 `json:"heard_life"` // the latest of the other node that was heard:
	HeardSeq  uint64 `json:"heard_seq"`  // an acknowledgement

	State State `json:"state"`
	Phase Phase `json:"phase"`
	Data  Data  `json:"data"`

	Leaving    bool       `json:"leaving,omitempty"`     // active still, and on the way to WAIT
	Choosing   bool       `json:"choosing,omitempty"`    // WAIT, and nothing but the other node holds it back
	Claim      bool       `json:"claim,omitempty"`       // is about to become primary, once the other has heard of it
	Wish       Verb       `json:"wish,omitempty"`        // prim or primforce: an operator's choice goes before data and order
	Yield      bool       `json:"yield,omitempty"`       // SECOND, so that the other becomes primary
	Ask        bool       `json:"ask,omitempty"`         // SECOND, asks the primary to yield
	Copied     Generation `json:"copied,omitzero"`       // the secondary has all of this generation, says each node of itself
	Degraded   bool       `json:"degraded,omitempty"`    // ALONE, because replication failed
	Lapsed     bool       `json:"lapsed,omitempty"`      // its lease ran out while it was primary
	Took       bool       `json:"took,omitempty"`        // ALONE by taking over
	Failover   string     `json:"failover,omitempty"`    // on or off by an operator, on either node; else as configured
	FailoverAt uint64     `json:"failover_at,omitempty"` // counts the operators' words on it: the latest holds on both
}

// Primary reports that a state serves the application.
func (s State) Primary() bool { return s == Alone || s == Prim }

// side is one of the two nodes as comparisons see it.
type side struct {
	PeerState
	preferred bool // the configuration names it as the default primary
}

// outranks orders two nodes of which one is to become primary: never open, and
// both nodes come to the same answer.
func outranks(a, b side, replicated bool) bool {
	for _, by := range [][2]bool{
		{a.Wish != "", b.Wish != ""},
		{replicated && a.Data.usable(), replicated && b.Data.usable()},
		{a.Data.descends(b.Data.Generation), b.Data.descends(a.Data.Generation)},
		{a.Data.Generation.Number > b.Data.Generation.Number, b.Data.Generation.Number > a.Data.Generation.Number},
		{a.preferred, b.preferred},
		{a.Data.Prim, b.Data.Prim},
	} {
		if by[0] != by[1] {
			return by[0]
		}
	}
	return a.Node < b.Node
}

// stays decides between two primaries in contact. Who was cut off and has been
// taken over from leaves; in a real split the former secondary does.
func stays(a, b side) (bool, string) {
	for _, by := range []struct {
		a, b bool
		why  string
	}{
		{a.Data.descends(b.Data.Generation), b.Data.descends(a.Data.Generation), "it went on from the other's data"},
		{!a.Lapsed, !b.Lapsed, "its lease did not run out meanwhile"},
		{!a.Took, !b.Took, "it was primary before the split"},
		{a.Data.Generation.Number > b.Data.Generation.Number, b.Data.Generation.Number > a.Data.Generation.Number, "it has the higher generation"},
		{a.preferred, b.preferred, "it is the default primary"},
	} {
		if by.a != by.b {
			return by.a, by.why
		}
	}
	return a.Node < b.Node, "it has the lower number"
}
