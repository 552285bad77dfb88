package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Handler answers calls and takes messages of one kind. It runs in its own
// goroutine; ctx ends when the Cluster is closed. The answer to a message is
// dropped.
type Handler = func(ctx context.Context, from core.NodeID, payload []byte) ([]byte, error)

// maxHandlers bounds the handlers that run at one time.
const maxHandlers = 128

// carrier brings frames to nodes and tells the Cluster of members and frames.
type carrier interface {
	// send brings a frame to a peer: over TCP, or UDP if fast.
	send(to Peer, frame []byte, fast bool) error
	// announce tells the others that this node's meta changed.
	announce() error
	// leave tells the others that this node goes.
	leave(ctx context.Context) error
	close() error
}

// Cluster is this node's part of the cluster. All methods may be called by
// several goroutines. Close must be called in the end.
type Cluster struct {
	self    Peer
	meta    func() []byte
	digest  func() []byte
	log     *slog.Logger
	carrier carrier
	queue   *queue
	session uint64
	numbers atomic.Uint64 // of frames
	slots   chan struct{} // one for each running handler
	retry   chan core.NodeID

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex // never held while the carrier is called
	closed   bool
	peers    map[core.NodeID]Peer
	members  map[core.NodeID]*member       // of everybody heard of, configured or not
	trips    map[core.NodeID]time.Duration // there and back, of the last ping
	seen     map[core.NodeID]*seen
	handlers map[string]Handler
	open     map[string]bool // kinds that a node which is no longer configured may ask for
	calls    map[uint64]call // by number of the request
}

// newCluster is a Cluster without a carrier.
func newCluster(o Options) (*Cluster, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Cluster{
		self: Peer{Number: o.Self, Name: o.Name},
		meta: o.Meta, digest: o.Digest, log: o.Log,
		queue: newQueue(), session: newSession(),
		slots:   make(chan struct{}, maxHandlers),
		retry:   make(chan core.NodeID, core.MaxNodes),
		peers:   map[core.NodeID]Peer{},
		members: map[core.NodeID]*member{}, seen: map[core.NodeID]*seen{}, trips: map[core.NodeID]time.Duration{},
		handlers: map[string]Handler{}, open: map[string]bool{}, calls: map[uint64]call{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.setPeers(o.Peers)
	c.spawn(func() { c.queue.pump(c.ctx) })
	return c, nil
}

func newSession() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// spawn runs f in a goroutine that Close waits for.
func (c *Cluster) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(f)
	return true
}

// Events is the channel of all events. It must be read; it is closed by Close.
// If it is not read for long, messages are dropped (with a log line), other
// events never.
func (c *Cluster) Events() <-chan Event { return c.queue.out }

// Handle registers the handler of a kind, replacing an earlier one. Messages of
// a kind that has a handler go to it instead of Events.
func (c *Cluster) Handle(kind string, f Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handlers[kind] = f
}

// Open lets nodes that have the cluster's key, but are not configured here, make calls of a
// kind: so one that was taken out while it was away learns of that.
func (c *Cluster) Open(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[kind] = true
}

// Send brings a message to a node, over TCP, whatever memberlist believes of
// it. It returns when the message is on its way through a connection that the
// other host accepted, which is no proof that it was worked on; for that, Call.
// A message to this node itself is delivered like any other.
func (c *Cluster) Send(to core.NodeID, kind string, payload []byte) error {
	return c.sendMessage(to, kind, payload, false)
}

// SendFast is Send by one UDP packet, which may be lost without an error. The
// payload has at most MaxFast bytes.
func (c *Cluster) SendFast(to core.NodeID, kind string, payload []byte) error {
	if len(payload) > MaxFast {
		return fmt.Errorf("send %s to node %d: %d bytes do not fit into a packet: at most %d", kind, to, len(payload), MaxFast)
	}
	return c.sendMessage(to, kind, payload, true)
}

func (c *Cluster) sendMessage(to core.NodeID, kind string, payload []byte, fast bool) error {
	f := frame{typ: frameMessage, to: to, kind: kind, payload: payload}
	if to == c.self.Number {
		return c.sendSelf(f)
	}
	p, err := c.peer(to)
	if err == nil {
		err = c.sendFrame(p, &f, fast)
	}
	if err != nil {
		return fmt.Errorf("send %s to %s: %w", kind, describe(to, p), err)
	}
	return nil
}

func (c *Cluster) sendSelf(f frame) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("send %s to this node: %w", f.kind, err)
	}
	f.from, f.payload = c.self.Number, slices.Clone(f.payload)
	c.takeMessage(f)
	return nil
}

// sendFrame completes a frame and hands it to the carrier.
func (c *Cluster) sendFrame(p Peer, f *frame, fast bool) error {
	if err := f.check(); err != nil {
		return err
	}
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	f.from, f.to, f.session = c.self.Number, p.Number, c.session
	if f.number == 0 {
		f.number = c.numbers.Add(1)
	}
	return c.carrier.send(p, f.encode(), fast)
}

// Broadcast brings a message to all other configured nodes at the same time: a
// small one by UDP first, and always by TCP; a node that gets both takes one.
// It returns when it was sent to each or one could not be reached; the error names
// those that could not.
func (c *Cluster) Broadcast(kind string, payload []byte) error {
	return c.broadcast(frame{typ: frameMessage, kind: kind, payload: payload})
}

func (c *Cluster) broadcast(f frame) error {
	peers := c.peerList()
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			mine := f
			if len(mine.payload) <= MaxFast {
				_ = c.sendFrame(p, &mine, true) // the TCP copy tells whether it went
			}
			if err := c.sendFrame(p, &mine, false); err != nil {
				errs[i] = fmt.Errorf("send %s to %s: %w", f.kind, describe(p.Number, p), err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Announce tells the others that this node's meta changed. The error says that
// nobody took it yet; it spreads by itself once somebody does.
func (c *Cluster) Announce() error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return c.carrier.announce()
}

// Leave tells the others that this node goes, so that they need not find out.
// It waits until some have heard or ctx ends. Afterwards only Close is useful.
func (c *Cluster) Leave(ctx context.Context) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	told := make(chan error, 1)
	if !c.spawn(func() { told <- c.broadcast(frame{typ: frameLeave}) }) {
		return ErrClosed
	}
	select {
	case err := <-told: // memberlist's own word reaches those that this did not
		if err != nil {
			c.log.Debug("cluster: not all nodes were told that this one leaves", "err", err)
		}
	case <-ctx.Done():
	}
	if err := c.carrier.leave(ctx); err != nil {
		return fmt.Errorf("leave the cluster: %w", err)
	}
	return nil
}

// Close ends all goroutines of the Cluster and waits for them, for handlers
// too. Without Leave before it, the others see this node as dead after a while.
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	err := c.carrier.close()
	c.wg.Wait()
	return err
}

// metaBytes is what others are told of this node: its session, then the meta.
func (c *Cluster) metaBytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, c.session)
	if c.meta == nil {
		return b
	}
	m := c.meta()
	if len(m) > MaxMeta {
		c.log.Error("cluster: what this node says of itself is too long and is left out", "bytes", len(m), "most", MaxMeta)
		return b
	}
	return append(b, m...)
}

// stateBytes is this node's part of a state exchange.
func (c *Cluster) stateBytes() []byte {
	b := []byte{frameFormat, byte(c.self.Number)}
	if c.digest != nil {
		b = append(b, c.digest()...)
	}
	return b
}

func describe(n core.NodeID, p Peer) string {
	if p.Name == "" {
		return fmt.Sprintf("node %d", n)
	}
	return fmt.Sprintf("node %d (%s)", n, p.Name)
}
