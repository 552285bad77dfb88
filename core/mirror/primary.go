package mirror

import "fmt"

// Event is an input of Primary and Secondary.
type Event interface{ event() }

// Effect is what they want done, in the order given.
type Effect interface{ effect() }

// The events.
type (
	// Met: the peer is connected; these are its generations as stored there.
	Met struct{ Peer Generations }
	// Heard: the peer said something.
	Heard struct{ Word Word }
	// Lost: the connection is gone. What was said last may not have arrived.
	Lost struct{}
	// Stored: the last Store is durable. Stores are answered in order, or only the
	// last of several.
	Stored struct{}
	// Copied: all that was to be copied has been sent to the peer, in the stream.
	Copied struct{}
	// Synced: what the last Sync asked for is durable.
	Synced struct{}
	// Chosen: the cluster has chosen this node to go on without its peer. It
	// chooses one of the two, and the other not until they have met again and the one
	// behind has recorded it. Fresh is a random generation.
	Chosen struct{ Fresh Generation }
	// Rejected: the cluster has chosen the peer.
	Rejected struct{}
)

// The effects.
type (
	// Store makes generations durable; Stored answers it.
	Store struct{ Generations Generations }
	// Say sends a word to the peer, in the stream: after all operations before it.
	Say struct{ Word Word }
	// Copy begins the resynchronisation; Copied answers it.
	Copy struct{ Extent Extent }
	// Sync makes durable all operations that were applied so far; Synced answers it.
	Sync struct{}
	// Clear forgets the dirty zones recorded before Join was said.
	Clear struct{}
	// Stop takes the application out of service: this node must not go on. What
	// waits for an acknowledgement gets an error.
	Stop struct{ Reason string }
	// Decline: this peer cannot be brought up to date from here.
	Decline struct{ Decision Decision }
)

func (Met) event()      {}
func (Heard) event()    {}
func (Lost) event()     {}
func (Stored) event()   {}
func (Copied) event()   {}
func (Synced) event()   {}
func (Chosen) event()   {}
func (Rejected) event() {}

func (Store) effect()   {}
func (Say) effect()     {}
func (Copy) effect()    {}
func (Sync) effect()    {}
func (Clear) effect()   {}
func (Stop) effect()    {}
func (Decline) effect() {}

// Topic is what a Word is about.
type Topic int

// The topics, in the order in which they are said.
const (
	Fill    Topic = iota + 1 // primary: a resynchronisation is to begin
	Filling                  // secondary: it is recorded that the copy is inconsistent
	Join                     // primary: all was copied; record that you are equal
	Joined                   // secondary: that is recorded
)

// Word is what the two nodes say to each other.
type Word struct {
	Topic       Topic       `json:"topic"`
	Generations Generations `json:"generations"`    // of Fill and Join: the primary's
	Save        bool        `json:"save,omitempty"` // of Fill: what is overwritten is set aside before
}

// Acks says what an acknowledgement to the application waits for.
type Acks int

// What is waited for.
const (
	// Local: this disk only. The peer cannot become primary unless by force.
	Local Acks = iota
	// Both: this disk and, as the ack mode asks, the peer.
	Both
	// Held: nothing is acknowledged and nothing more is written until it is
	// recorded who goes on.
	Held
)

var acksNames = [...]string{"local", "both", "held"}

func (a Acks) String() string { return acksNames[a] }

// State is where a primary stands with its peer.
type State int

// The states of a primary.
//
//	Alone ──Met──▶ Preparing ──Filling──▶ Resyncing ──Copied──▶ Joining ──Joined──▶ Mirroring
//	  ▲  ◀──Lost──────┘  └─Lost (from Suspended)┐  └──Lost─▶ Alone      └─────Lost─────┤
//	  └──Stored── Recording ◀──Chosen── Suspended ◀────────────────────────────────────┘
const (
	Alone     State = iota // the peer is gone and cannot be promoted unless by force
	Preparing              // the peer is to record that it is inconsistent
	Resyncing              // data is copied to it, new operations as well
	Joining                // all is copied; this disk is to have it, and then the peer to record that it is equal
	Mirroring              // both are equal
	Suspended              // an equal peer was lost; nobody has said who goes on
	Recording              // this node goes on; that is being made durable
	Stopped                // the peer goes on
)

var stateNames = [...]string{"alone", "preparing", "resyncing", "joining", "mirroring", "suspended", "recording", "stopped"}

func (s State) String() string { return stateNames[s] }

// Primary is the side of the node that serves. The rule that it keeps: while the peer
// may be promoted as an equal, nothing is acknowledged that the peer does not have.
type Primary struct {
	state State
	gens  Generations
	// matched: the peer may hold a record that it is equal to gens, so that it
	// may be promoted.
	matched bool
	met     *Generations // a peer that came while recording
	extent  Extent       // of the resynchronisation
}

// NewPrimary is the machine of a node whose generations g, with Promoted applied,
// are durable.
func NewPrimary(g Generations) *Primary { return &Primary{gens: g} }

// State is where it stands.
func (p *Primary) State() State { return p.state }

// Generations are those last stored, or being stored.
func (p *Primary) Generations() Generations { return p.gens }

// Acks says what acknowledgements wait for now.
func (p *Primary) Acks() Acks {
	switch p.state {
	case Joining, Mirroring:
		return Both
	case Suspended, Recording, Stopped:
		return Held
	case Preparing:
		if p.matched {
			return Held
		}
	}
	return Local
}

// Step takes an event and answers the effects. Events that do not concern the state are
// late ones, and ignored.
func (p *Primary) Step(e Event) []Effect {
	switch e := e.(type) {
	case Met:
		return p.meet(e.Peer)
	case Heard:
		return p.heard(e.Word.Topic)
	case Copied:
		if p.state == Resyncing {
			p.state = Joining
			return []Effect{Sync{}}
		}
	case Synced:
		// Only now: the peer forgets its record of what may differ when it joins. This
		// disk may lack more than this node's record knows, which was applied
		// while it was secondary.
		if p.state == Joining && !p.matched {
			p.matched = true // it may record at any moment that it is equal
			return []Effect{Say{Word{Topic: Join, Generations: p.gens}}}
		}
	case Lost:
		p.met = nil
		switch p.state {
		case Preparing, Resyncing, Joining, Mirroring:
			p.state = Alone
			if p.matched {
				p.state = Suspended
			}
		}
	case Chosen:
		if p.state == Suspended {
			p.state, p.gens = Recording, p.gens.Alone(e.Fresh)
			return []Effect{Store{p.gens}}
		}
	case Stored:
		return p.stored()
	case Rejected:
		if p.state == Suspended {
			p.state = Stopped
			return []Effect{Stop{"the connection to the peer was lost, and the peer goes on"}}
		}
	}
	return nil
}

func (p *Primary) meet(peer Generations) []Effect {
	switch p.state {
	case Alone, Suspended:
	case Recording:
		p.met = &peer
		return nil
	default:
		return nil
	}
	d, save := Rule(p.gens, peer)
	switch d.Part {
	case Source:
		p.state, p.extent = Preparing, d.Extent
		return []Effect{Say{Word{Fill, p.gens, save}}}
	case Target:
		p.state = Stopped
		return []Effect{Decline{d}, Stop{fmt.Sprintf("the peer has newer data: %s", d.Reason)}}
	}
	return []Effect{Decline{d}}
}

func (p *Primary) heard(t Topic) []Effect {
	switch {
	case t == Filling && p.state == Preparing:
		p.state, p.matched = Resyncing, false
		return []Effect{Copy{p.extent}}
	case t == Joined && p.state == Joining && p.matched:
		// Both disks have what the record speaks of: it ends.
		p.state, p.gens = Mirroring, p.gens.Whole()
		return []Effect{Store{p.gens}}
	}
	return nil
}

func (p *Primary) stored() []Effect {
	switch p.state {
	case Mirroring:
		return []Effect{Clear{}}
	case Recording:
		p.state, p.matched = Alone, false
		if met := p.met; met != nil {
			p.met = nil
			return p.meet(*met)
		}
	}
	return nil
}

// Secondary is the side of the node that holds the copy.
type Secondary struct {
	gens   Generations
	source Generations // of the Join that is being followed
	word   Topic       // what is said when the last Store is durable
}

// NewSecondary is the machine of a node with durable generations g.
func NewSecondary(g Generations) *Secondary { return &Secondary{gens: g} }

// Generations are those last stored, or being stored.
func (s *Secondary) Generations() Generations { return s.gens }

// Step takes an event and answers the effects.
func (s *Secondary) Step(e Event) []Effect {
	switch e := e.(type) {
	case Heard:
		switch e.Word.Topic {
		case Fill:
			s.gens, s.word = s.gens.Filled(e.Word.Generations.Current), Filling
			return []Effect{Store{s.gens}}
		case Join:
			s.source = e.Word.Generations
			return []Effect{Sync{}}
		}
	case Synced:
		if s.source.Current != 0 {
			s.gens, s.source, s.word = s.gens.Joined(s.source), Generations{}, Joined
			return []Effect{Store{s.gens}}
		}
	case Stored:
		if word := s.word; word != 0 {
			s.word = 0
			return []Effect{Say{Word{Topic: word}}}
		}
	case Lost:
		s.source, s.word = Generations{}, 0
	}
	return nil
}
