package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/inbox"
)

// pairPorts is what a pair needs of the node and of its module.
type pairPorts struct {
	state   func() core.Instance
	step    func(core.Event) error // posts and waits until the step is made
	tell    func(statement []byte) error
	resumed func() // the lease may be renewed as far as this module is concerned
	address func() // tells the network where the addresses are
	hush    func() // ends that
	note    func(level, text string)
	paths   func() // looks over which networks the other node is heard; may be nil
}

// pair tells a mirror's state machine of the other node, and the other node of it: the
// duties of core/DESIGN.md, "What the host does". One goroutine, one inbox.
type pair struct {
	peer     core.NodeID
	timeout  time.Duration // of silence, until the other node is lost
	detected time.Duration // after how much of it the heartbeat speaks of a loss
	gate     *gate         // nil without an address
	ports    pairPorts
	log      *slog.Logger
	inbox    *inbox.Inbox[any]
	ctx      context.Context
	cancel   context.CancelFunc
	done     chan struct{}

	// The loop's own.
	silence silence
	run     uint64 // of the other node's daemon, from which its last statement came
	spoke   core.PeerState
	lapse   lapse
	cut     bool // nothing reaches the addresses here
	late    bool // the journal knows that the filter does not obey
}

// lapse is the time after this node's own lease ran out: it serves again when it
// knows that nobody took over.
type lapse struct {
	on     bool
	awake  time.Duration // time since, pauses left out
	at     time.Time
	lonely time.Duration // how long to listen if nobody is heard
}

const (
	// lonelyTime is how long a node listens after a lapse if it hears nobody.
	lonelyTime = 300 * time.Millisecond
	// pluggedTime is the same for a node whose cable is back. Until then its kernel has asked
	// in vain where the other node is, and asks again a second after the last time (RFC 4861,
	// section 10: RETRANS_TIMER; retrans_time_ms in arp(7)).
	pluggedTime = 1500 * time.Millisecond
)

// What the loop is told.
type (
	peerSaid struct {
		run   uint64
		state core.PeerState
		cause int64
	}
	peerUp     struct{ run uint64 }
	peerSilent struct {
		dead   bool // its daemon is known to have ended
		reason string
		cause  int64
	}
	selfLapsed struct{ cause int64 }
	selfCut    struct {
		why   string
		cause int64
	}
	patience struct{ timeout time.Duration } // of another configuration
)

func newPair(ctx context.Context, peer core.NodeID, timeout, detected time.Duration, g *gate, ports pairPorts, log *slog.Logger) *pair {
	p := &pair{
		peer: peer, timeout: max(timeout, detected), detected: detected, gate: g, ports: ports, log: log,
		inbox: inbox.New[any](), done: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	go p.loop()
	return p
}

func (p *pair) close() {
	p.cancel()
	<-p.done
}

// put tells the loop something, in order, and does not wait.
func (p *pair) put(news any) { p.inbox.Put(news) }

// say publishes what this node says of itself, until the next time.
func (p *pair) say(s core.PeerState) {
	b, err := packStatement(s)
	if err == nil {
		err = p.ports.tell(b)
	}
	if err != nil {
		p.log.Error("tell the other node of a mirror", "error", err)
	}
}

func (p *pair) loop() {
	defer close(p.done)
	ticks := newPace()
	defer ticks.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.inbox.Signal():
			for _, news := range p.inbox.Take() {
				p.hear(time.Now(), news)
			}
		case <-ticks.C:
			p.look(time.Now())
		}
		ticks.set(p.silence.counting || p.lapse.on || p.gate != nil && p.gate.late())
	}
}

func (p *pair) hear(now time.Time, news any) {
	switch n := news.(type) {
	case peerSaid:
		p.said(n)
	case peerUp:
		switch {
		case n.run == p.run: // silent for a while, or its statement came first
			p.silence.end()
		case p.run != 0: // what ran there before serves nothing when its lease is over
			p.silence.begin(now, p.detected, core.EvidenceDead, "its daemon was started anew", 0)
		}
	case peerSilent:
		if n.dead {
			p.silence.begin(now, p.detected, core.EvidenceDead, n.reason, n.cause)
		} else {
			p.silence.begin(now, p.timeout-p.detected, core.EvidenceSilent, n.reason, n.cause)
		}
	case patience:
		p.timeout = max(n.timeout, p.detected)
	case selfLapsed:
		p.lapsed(now, n.cause)
		p.ports.resumed()
	case selfCut:
		p.cut = n.why != ""
		if p.cut {
			p.lapsed(now, n.cause)
		}
		p.lapse.awake, p.lapse.at, p.lapse.lonely = 0, now, pluggedTime // it listens when something can reach it
	}
	p.look(now)
}

// said takes a statement of the other node.
func (p *pair) said(n peerSaid) {
	gave := p.spoke.State.Primary() && !n.state.State.Primary()
	p.run, p.spoke = n.run, n.state
	p.silence.end()
	p.step(core.Event{Kind: core.EventPeer, Peer: &n.state, Cause: n.cause})
	if gave && p.gate != nil && p.gate.serves() {
		p.ports.address() // neighbours may have heard its announcement last
	}
}

// lapsed shuts the gate, since the other node may have taken over, and says so.
func (p *pair) lapsed(now time.Time, cause int64) {
	if !p.ports.state().State.Primary() {
		return
	}
	lonely := lonelyTime
	if p.lapse.on { // it goes on listening for as long as it had to
		lonely = p.lapse.lonely
	}
	p.lapse = lapse{on: true, at: now, lonely: lonely}
	if p.gate != nil {
		p.ports.hush() // else what is still to be repeated draws clients here when the cable is back
		p.obeyed(p.gate.shut())
	}
	p.step(core.Event{Kind: core.EventLease, Cause: cause})
}

// look does what depends on time.
func (p *pair) look(now time.Time) {
	if p.ports.paths != nil {
		p.ports.paths()
	}
	if p.silence.look(now) {
		p.spoke = core.PeerState{}
		p.step(core.Event{Kind: core.EventPeerLost, Evidence: p.silence.evidence, Reason: p.silence.reason, Cause: p.silence.cause})
	}
	if p.gate != nil && p.gate.late() {
		p.obeyed(p.gate.again())
	}
	if !p.lapse.on {
		return
	}
	p.lapse.awake += min(max(0, now.Sub(p.lapse.at)), napTime)
	p.lapse.at = now
	in := p.ports.state()
	switch {
	case !in.State.Primary():
		p.lapse.on = false
	case !p.cut && p.lapse.serves(in):
		p.lapse.on = false
		if p.gate != nil {
			p.obeyed(p.gate.reopen())
			p.ports.address()
		}
	}
}

// serves judges whether a primary whose lease had run out may go on: the other node has
// heard of that and is no primary, or is not heard at all.
func (l lapse) serves(in core.Instance) bool {
	self, peer := in.Pair.Self, in.Pair.Peer
	if self.Leaving {
		return false
	}
	if in.Pair.Link != core.LinkHeard {
		return l.awake >= l.lonely
	}
	return !peer.State.Primary() && peer.HeardLife == self.Life && peer.HeardSeq >= self.Seq
}

// obeyed notes whether the filter does what the gate is told.
func (p *pair) obeyed(err error) {
	switch {
	case (err != nil) == p.late:
		return
	case err != nil:
		p.ports.note("warn", fmt.Sprintf("The packet filter does not obey, and is asked again until it does: %v.", err))
	default:
		p.ports.note("info", "The packet filter obeys again.")
	}
	p.late = err != nil
}

func (p *pair) step(ev core.Event) {
	if err := p.ports.step(ev); err != nil && p.ctx.Err() == nil {
		p.log.Error("tell a mirror's state machine", "event", ev.Kind, "error", err)
	}
}
