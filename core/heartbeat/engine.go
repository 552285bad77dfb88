package heartbeat

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// linkPeriod is how often the state of the own links is read while all is well.
const linkPeriod = int64(500 * time.Millisecond)

// wire is what the engine needs of sockets.
type wire interface {
	send(network int, node core.NodeID, b []byte) error
	ping(p ping)
	linkDown(network int) bool
	// use replaces the networks; on an error the old ones stay.
	use(networks []Network) (canPing bool, err error)
}

// engine connects the detector with packets, callbacks and orders. Only the
// loop calls it, except for the orders, which are handed over without locks
// so that no reader can hold up the loop.
type engine struct {
	o       Options
	det     *detector
	codec   *codec
	wire    wire
	board   board
	count   Counters
	links   int64 // when to read the links again
	in, out packet
	buf     []byte

	digest   atomic.Pointer[[]byte]
	networks atomic.Pointer[networkOrder]
	resumed  atomic.Int64 // when it was asked for; 0: it was not
	closing  atomic.Bool
	notes    atomic.Pointer[map[uint32][]byte]
	told     *map[uint32][]byte // the notes that the detector has
}

// networkOrder is a call of SetNetworks.
type networkOrder struct {
	networks []Network
	done     chan error
}

func newEngine(o Options, clock func() int64) (*engine, error) {
	c, err := newCodec(o.Key, o.Self, o.Incarnation)
	if err != nil {
		return nil, err
	}
	e := &engine{o: o, codec: c, buf: make([]byte, 0, maxPacket), board: board{now: clock}}
	e.digest.Store(&o.Digest)
	return e, nil
}

// open brings up the networks.
func (e *engine) open(w wire, clock func() int64) error {
	canPing, err := w.use(e.o.Networks)
	if err != nil {
		return err
	}
	e.wire = w
	e.det = newDetector(&e.o, canPing, clock())
	return nil
}

// receive takes a packet that came in on a network.
func (e *engine) receive(now int64, network int, b []byte) {
	err := e.codec.open(b, &e.in, networkTag(e.det.networks[network].Name))
	if err == nil {
		err = e.det.receive(now, network, &e.in)
	}
	switch {
	case err == nil:
		e.count.Received++
	case errors.Is(err, errVersion):
		e.count.Version++
	case errors.Is(err, errReplay):
		e.count.Replayed++
	default:
		e.count.Foreign++
	}
}

// step carries out orders and judges. All that arrived before now must have
// been received. It returns when it wants to be called again.
func (e *engine) step(now int64) (due int64) {
	e.orders(now)
	if now >= e.links {
		e.links = now + linkPeriod
		for i := range e.det.networks {
			e.det.setLink(i, e.wire.linkDown(i))
		}
	}
	todo := e.det.tick(now)
	if todo.beat {
		if todo.lease != 0 && e.o.OnBeat != nil {
			e.o.OnBeat(todo.lease)
		}
		e.beat(now, false)
		e.tellNotes(now)
	}
	for _, p := range todo.pings {
		e.wire.ping(p)
		e.links = 0 // somebody is silent: is it this node's own link?
	}
	e.board.publish(e.det, e.count)
	for _, event := range todo.events {
		e.o.Events(event)
	}
	e.det.done()
	return todo.due
}

// beat sends one packet to everybody.
func (e *engine) beat(now int64, goodbye bool) {
	e.det.fill(now, &e.out)
	e.out.goodbye = goodbye
	e.sendAll()
}

// orders carries out what the methods of Heartbeat asked for.
func (e *engine) orders(now int64) {
	if b := e.digest.Swap(nil); b != nil {
		e.det.setDigest(*b)
	}
	if all := e.notes.Load(); all != e.told {
		e.told = all
		e.det.setNotes(*all)
	}
	if asked := e.resumed.Swap(0); asked != 0 {
		e.det.resume(now, asked)
	}
	if o := e.networks.Swap(nil); o != nil {
		canPing, err := e.wire.use(o.networks)
		if err == nil {
			e.det.canPing = canPing
			for _, id := range e.det.setNetworks(now, o.networks) {
				e.codec.forget(id)
			}
			e.links = 0
		}
		o.done <- err
	}
}

// goodbye tells everybody that this node leaves, twice in case one is lost.
func (e *engine) goodbye(now int64) {
	e.beat(now, true)
	e.beat(now, true)
}
