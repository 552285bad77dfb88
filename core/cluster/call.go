package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// DefaultCallTimeout is how long Call waits if its context has no deadline.
const DefaultCallTimeout = 10 * time.Second

// RemoteError is an error that a handler on another node returned.
type RemoteError struct {
	Node core.NodeID
	Kind string
	Text string
}

func (e *RemoteError) Error() string { return e.Text }

// call is a request that waits for its answer.
type call struct {
	to     core.NodeID
	answer chan frame
}

// Call sends a request to a node and returns what its handler answers. The
// error is a *RemoteError if the handler failed or there is none, ctx's if no
// answer came in time (the request may or may not have been worked on), and
// another if the request could not be sent. A call to this node itself runs
// its handler.
func (c *Cluster) Call(ctx context.Context, to core.NodeID, kind string, payload []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultCallTimeout)
		defer cancel()
	}
	p := c.self
	var err error
	if to != c.self.Number {
		p, err = c.peer(to)
	}
	var b []byte
	if err == nil {
		b, err = c.call(ctx, p, kind, payload)
	}
	if err != nil {
		return nil, fmt.Errorf("call %s on %s: %w", kind, describe(to, p), err)
	}
	return b, nil
}

func (c *Cluster) call(ctx context.Context, p Peer, kind string, payload []byte) ([]byte, error) {
	f := frame{typ: frameRequest, kind: kind, payload: payload, number: c.numbers.Add(1)}
	f.ref = f.number
	if err := f.check(); err != nil {
		return nil, err
	}
	waiting := call{to: p.Number, answer: make(chan frame, 1)}
	c.mu.Lock()
	c.calls[f.ref] = waiting
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, f.ref)
		c.mu.Unlock()
	}()
	unsent := make(chan error, 1)
	ok := c.spawn(func() {
		if p.Number == c.self.Number {
			f.from, f.to = p.Number, p.Number
			c.serve(f)
		} else if err := c.sendFrame(p, &f, false); err != nil {
			unsent <- err
		}
	})
	if !ok {
		return nil, ErrClosed
	}
	select {
	case a := <-waiting.answer:
		if a.typ == frameFailure {
			return nil, &RemoteError{Node: p.Number, Kind: kind, Text: string(a.payload)}
		}
		return a.payload, nil
	case err := <-unsent:
		return nil, err
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	case <-c.ctx.Done():
		return nil, ErrClosed
	}
}

// receive takes a frame from the carrier. It does not block.
func (c *Cluster) receive(b []byte) {
	f, err := decodeFrame(b)
	if err != nil {
		c.log.Warn("cluster: a message cannot be read", "bytes", len(b), "err", err)
		return
	}
	if !c.accept(f) {
		return
	}
	switch f.typ {
	case frameMessage:
		c.takeMessage(f)
	case frameRequest:
		c.spawn(func() { c.serve(f) })
	case frameReply, frameFailure:
		c.takeAnswer(f)
	case frameLeave:
		c.memberDown(f.from, f.session, true)
	}
}

// accept reports whether a frame is for this node, from a configured one or a call that
// is open to others, and here for the first time.
func (c *Cluster) accept(f frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.peers[f.from]
	if !known && f.typ == frameRequest && c.open[f.kind] {
		known = true
	}
	if !known || f.to != c.self.Number {
		c.log.Debug("cluster: a message is not for this node, or from a stranger", "from", f.from, "to", f.to, "kind", f.kind)
		return false
	}
	s := c.seen[f.from]
	if s == nil {
		s = &seen{}
		c.seen[f.from] = s
	}
	return s.first(f.session, f.number)
}

func (c *Cluster) takeMessage(f frame) {
	h := c.handler(f.kind)
	if h == nil {
		if !c.queue.add(Event{Kind: Message, Node: f.from, Name: f.kind, Payload: f.payload}) {
			c.log.Warn("cluster: a message is dropped because too many wait", "kind", f.kind, "node", f.from)
		}
		return
	}
	if !c.takeSlot() {
		c.log.Warn("cluster: a message is dropped because too many are being worked on", "kind", f.kind, "node", f.from)
		return
	}
	started := c.spawn(func() {
		defer c.freeSlot()
		if _, err := h(c.ctx, f.from, f.payload); err != nil {
			c.log.Warn("cluster: a message could not be worked on", "kind", f.kind, "node", f.from, "err", err)
		}
	})
	if !started {
		c.freeSlot()
	}
}

// serve runs the handler of a request and sends its answer.
func (c *Cluster) serve(f frame) {
	b, err := c.run(f)
	answer := frame{typ: frameReply, from: c.self.Number, ref: f.ref, kind: f.kind, payload: b}
	if err == nil {
		err = answer.check()
	}
	if err != nil {
		answer.typ, answer.payload = frameFailure, []byte(err.Error())
	}
	if f.from == c.self.Number {
		c.takeAnswer(answer)
		return
	}
	p, err := c.asker(f.from)
	if err == nil {
		err = c.sendFrame(p, &answer, false)
	}
	if err != nil {
		c.log.Debug("cluster: an answer could not be sent", "kind", f.kind, "node", f.from, "err", err)
	}
}

func (c *Cluster) run(f frame) ([]byte, error) {
	h := c.handler(f.kind)
	if h == nil {
		return nil, fmt.Errorf("the node does not know calls of kind %q: it may run another version", f.kind)
	}
	if !c.takeSlot() {
		return nil, errors.New("the node is too busy: too many calls are being worked on")
	}
	defer c.freeSlot()
	return h(c.ctx, f.from, f.payload)
}

func (c *Cluster) takeAnswer(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w, ok := c.calls[f.ref]; ok && w.to == f.from {
		delete(c.calls, f.ref)
		w.answer <- f
	}
}

func (c *Cluster) handler(kind string) Handler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handlers[kind]
}

func (c *Cluster) takeSlot() bool {
	select {
	case c.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (c *Cluster) freeSlot() { <-c.slots }
