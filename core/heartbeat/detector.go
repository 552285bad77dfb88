package heartbeat

import (
	"bytes"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// detector decides who is alive. It is pure: time and signals come in as
// arguments, and what is to be done comes out of tick. Times are ns on one
// clock, 0 means never.
type detector struct {
	self        core.NodeID
	incarnation uint64
	interval    int64
	timeout     int64
	canPing     bool // the loop is able to ask the peers' kernels

	networks []Network
	linkDown [MaxNetworks]bool
	peers    [core.MaxNodes + 1]peer
	ids      []core.NodeID // of the peers, ascending

	seq        uint64
	digest     []byte
	notes      []note // by key
	said       uint64 // the bitmap of the last beat
	urgent     bool   // something new to say
	lastBeat   int64
	lastUrgent int64
	due        int64 // when tick wanted to be called
	held       bool  // the lease is being renewed
	deadline   int64 // end of this node's own lease
	lapses     uint64
	stalls     uint64
	lateBy     int64 // over all stalls
	losses     uint64
	base       int64 // the configured timeout; timeout is longer after lateness
	before     int64 // the lease while the peers are told of a longer timeout
	told       int   // beats since the timeout was lengthened
	calmAt     int64 // when the timeout may be short again
	mindful    int64 // how long after the last lateness that is
	out        output
}

// output is what tick wants done. Its slices are reused by the next tick.
type output struct {
	events []Event
	beat   bool
	lease  uint64 // with beat: deadline for OnBeat; 0: do not call it
	pings  []ping
	due    int64 // call tick again then, or after any input
}

// ping is an echo request to a peer's kernel.
type ping struct {
	network int
	node    core.NodeID
}

// peer is what is known of a node.
type peer struct {
	id          core.NodeID
	member      bool
	verdict     Verdict
	since       int64
	incarnation uint64
	heard       int64  // on any network
	latest      uint64 // highest sequence on any network
	view        uint64 // whom it hears, as of latest
	timeout     int64  // its own
	digest      []byte
	hasDigest   bool
	notes       map[uint32]heardNote // since it was up
	returning   int                  // beats heard since Lost, none further apart than a timeout
	returnAt    int64                // the last of these
	graceFrom   int64                // this node was late: silence counts from here
	graces      int                  // fresh starts given in this silence
	evidence    string
	leaseUntil  int64 // of its last incarnation, kept over a restart
	host        host
	paths       [MaxNetworks]path
}

// path is a peer as seen on one network.
type path struct {
	used    bool // it has an address there
	heard   int64
	seq     uint64
	hearsUs bool
	refused int64 // its kernel said that nobody listens
}

func newDetector(o *Options, canPing bool, now int64) *detector {
	d := &detector{
		self: o.Self, incarnation: o.Incarnation,
		interval: int64(o.Interval), timeout: int64(o.Timeout), base: int64(o.Timeout), told: stretchLag,
		canPing: canPing, held: !o.WithoutLease, due: now,
	}
	d.setNetworks(now, o.Networks)
	return d
}

// setNetworks replaces the networks. What is known of peers that stay is kept,
// on networks that keep their name.
func (d *detector) setNetworks(now int64, networks []Network) (gone []core.NodeID) {
	old := d.networks
	d.networks = networks
	oldDown := d.linkDown
	d.linkDown = [MaxNetworks]bool{}
	d.ids = d.ids[:0]
	from := [MaxNetworks]int{}
	for i := range networks {
		from[i] = networkIndex(old, networks[i].Name)
		d.linkDown[i] = from[i] >= 0 && oldDown[from[i]]
	}
	for id := core.NodeID(1); id <= core.MaxNodes; id++ {
		p := &d.peers[id]
		was, paths := p.member, p.paths
		p.member, p.paths = false, [MaxNetworks]path{}
		for i, n := range networks {
			if _, ok := n.Peers[id]; !ok || id == d.self {
				continue
			}
			p.member = true
			if from[i] >= 0 {
				p.paths[i] = paths[from[i]]
			}
			p.paths[i].used = true
		}
		switch {
		case p.member && !was:
			*p = peer{id: id, member: true, paths: p.paths, verdict: VerdictNever, since: now, host: host{state: HostUnknown}}
		case was && !p.member:
			*p = peer{}
			gone = append(gone, id)
		}
		if p.member {
			d.ids = append(d.ids, id)
		}
	}
	d.urgent = true
	return gone
}

// networkIndex finds a network by name, -1 if there is none.
func networkIndex(networks []Network, name string) int {
	for i := range networks {
		if networks[i].Name == name {
			return i
		}
	}
	return -1
}

// setDigest changes the payload of the beats.
func (d *detector) setDigest(b []byte) {
	if !bytes.Equal(b, d.digest) {
		d.digest = append(d.digest[:0], b...)
		d.urgent = true
	}
}

// resume renews the lease again, unless what the caller knew when it asked is
// older than a timeout: others may have taken over since.
func (d *detector) resume(now, asked int64) {
	if d.held {
		return
	}
	if now-asked >= d.base {
		d.emit(now, Event{Kind: LeaseLapsed, Evidence: fmt.Sprintf("the order to resume was %s old when it could be obeyed", ms(now-asked))})
		return
	}
	d.held, d.deadline, d.urgent = true, 0, true
}

// setLink tells whether this node's own link on a network is down.
func (d *detector) setLink(network int, down bool) { d.linkDown[network] = down }

// receive takes an authentic packet that came in on a network. It fails with
// errForeign or errReplay; the packet is then without effect.
func (d *detector) receive(now int64, network int, pk *packet) error {
	p := &d.peers[pk.sender]
	if !p.member {
		return errForeign
	}
	switch {
	case pk.incarnation < p.incarnation:
		return errReplay
	case pk.incarnation > p.incarnation:
		d.restarted(now, p, pk)
	case p.verdict == VerdictLeft || pk.seq <= p.paths[network].seq:
		return errReplay
	}
	at := &p.paths[network]
	at.seq, at.heard = pk.seq, max(now, at.heard)
	at.hearsUs = pk.heardByOn(d.self, networkTag(d.networks[network].Name))
	p.heard = max(now, p.heard)
	p.graceFrom, p.graces = 0, 0
	if pk.seq > p.latest {
		p.latest, p.view, p.timeout = pk.seq, pk.heard, int64(pk.timeout)
		if pk.goodbye {
			d.left(now, p)
			return nil
		}
		d.present(now, p)
		if !pk.note {
			d.read(now, p, pk.digest)
		}
	}
	if pk.note {
		d.hearNote(now, p, pk)
	}
	p.leaseUntil = max(p.leaseUntil, p.heard+d.limit(p))
	return nil
}

// restarted takes a larger incarnation: the process that spoke before is dead.
func (d *detector) restarted(now int64, p *peer, pk *packet) {
	if p.verdict == VerdictAlive || p.verdict == VerdictSuspect {
		p.evidence = fmt.Sprintf("its process was restarted: the last heartbeat of the old one came %s ago", ms(now-p.heard))
		p.host.state = HostAnswers
		d.setVerdict(now, p, VerdictLost)
		d.emit(now, Event{Kind: Lost, Node: p.id, Incarnation: p.incarnation, Evidence: p.evidence,
			Host: HostAnswers, ProcessDead: true, LeaseUntil: uint64(p.leaseUntil)})
	}
	first := p.incarnation == 0
	p.incarnation, p.latest, p.hasDigest, p.notes = pk.incarnation, 0, false, nil
	for i := range p.paths {
		p.paths[i] = path{used: p.paths[i].used}
	}
	if !pk.goodbye {
		d.up(now, p, first)
	}
}

// present notes that a node was heard.
func (d *detector) present(now int64, p *peer) {
	switch p.verdict {
	case VerdictSuspect:
		p.host.state = HostUnknown
		d.setVerdict(now, p, VerdictAlive)
		d.emit(now, Event{Kind: Trusted, Node: p.id, Incarnation: p.incarnation, Evidence: "it was heard again"})
	case VerdictLost:
		if now-p.returnAt >= d.timeout {
			p.returning = 0
		} else if now-p.returnAt < d.interval/2 {
			return // sent for some news, not after an interval
		}
		p.returnAt = now
		if p.returning++; p.returning >= 2 {
			d.up(now, p, false)
		}
	}
}

// up calls a node alive.
func (d *detector) up(now int64, p *peer, first bool) {
	p.returning, p.hasDigest, p.notes = 0, false, nil
	p.host = host{state: HostUnknown}
	d.setVerdict(now, p, VerdictAlive)
	d.emit(now, Event{Kind: Up, Node: p.id, Incarnation: p.incarnation, First: first})
}

// left takes a goodbye.
func (d *detector) left(now int64, p *peer) {
	p.leaseUntil = max(p.leaseUntil, now+d.limit(p))
	d.setVerdict(now, p, VerdictLeft)
	d.emit(now, Event{Kind: Goodbye, Node: p.id, Incarnation: p.incarnation, LeaseUntil: uint64(p.leaseUntil)})
}

// read reports a changed digest.
func (d *detector) read(now int64, p *peer, digest []byte) {
	if p.verdict == VerdictLost || p.hasDigest && bytes.Equal(p.digest, digest) {
		return
	}
	p.digest, p.hasDigest = append(p.digest[:0], digest...), true
	d.emit(now, Event{Kind: Digest, Node: p.id, Incarnation: p.incarnation, Payload: bytes.Clone(digest)})
}

// refused takes the word of a peer's kernel that nobody listens there.
func (d *detector) refused(now int64, network int, node core.NodeID) {
	p := &d.peers[node]
	// Only a path that worked counts: a peer that does not use one of its
	// networks yet refuses there all the time.
	if at := &p.paths[network]; p.member && at.heard != 0 && now-at.heard < 2*d.limit(p) {
		at.refused = now
	}
}

// setVerdict changes a verdict; the others are told at once.
func (d *detector) setVerdict(now int64, p *peer, v Verdict) {
	if p.verdict != v {
		p.verdict, p.since, d.urgent = v, now, true
	}
}

// limit is how long a silence must last: the longer of both nodes' timeouts,
// and a thousandth for clocks that do not run equally fast.
func (d *detector) limit(p *peer) int64 {
	t := max(d.timeout, p.timeout)
	return t + t/1000
}

func (d *detector) emit(now int64, e Event) {
	e.At = uint64(now)
	if e.Kind == Lost {
		d.losses++
	}
	d.out.events = append(d.out.events, e)
}

// fill writes this node's next beat.
func (d *detector) fill(now int64, pk *packet) {
	d.seq++
	*pk = packet{sender: d.self, incarnation: d.incarnation, seq: d.seq, timeout: time.Duration(d.timeout),
		heard: d.heard(now), networks: len(d.networks), digest: d.digest}
	for i := range d.networks {
		pk.heardOn[i] = heardOn{networkTag(d.networks[i].Name), d.heardOn(now, i)}
	}
	d.said = pk.heard
}

// heard is the set of nodes heard within the timeout. It is what the node
// really heard, without the grace that a late node gives: a node that was late
// must not keep the others from their verdict.
func (d *detector) heard(now int64) (set uint64) {
	for _, id := range d.ids {
		if p := &d.peers[id]; p.heard != 0 && p.verdict != VerdictLeft && now-p.heard < d.limit(p) {
			set |= bit(id)
		}
	}
	return set
}

// heardOn is heard for one network.
func (d *detector) heardOn(now int64, network int) (set uint64) {
	for _, id := range d.ids {
		p := &d.peers[id]
		if at := p.paths[network].heard; at != 0 && p.verdict != VerdictLeft && now-at < d.limit(p) {
			set |= bit(id)
		}
	}
	return set
}
