package simtest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// following is a secondary's session, from the dial to its end.
type following struct {
	n        *node
	conn     *end
	machine  *mirror.Secondary
	receiver *stream.Receiver
	syncs    sync.WaitGroup
}

// follow dials the primary.
func (n *node) follow() {
	wire := newWire()
	f := &following{n: n, conn: wire.ends[n.id]}
	n.copy = f
	n.w.dials = append(n.w.dials, dial{wire.ends[1-n.id], n.gens})
	n.w.wires = append(n.w.wires, wire)
	go f.run()
}

func (f *following) run() {
	ready := make(chan struct{})
	f.machine = mirror.NewSecondary(f.n.gens)
	r, err := stream.NewReceiver(f.conn, f, stream.Options{Word: func(b []byte) { <-ready; f.hear(b) }})
	if err == nil {
		f.receiver = r
		close(ready)
		_ = r.Run()
	}
	f.syncs.Wait()
	f.n.w.mu.Lock()
	defer f.n.w.mu.Unlock()
	if f.n.copy == f {
		f.n.copy = nil
	}
}

// Apply carries out an operation. It is recorded by the primary only.
func (f *following) Apply(op stream.Op) error {
	if op.Kind != stream.Write {
		return errors.New("what nobody sent: " + op.String())
	}
	return f.n.disk.write(block{fileOf(op.File), int(op.Offset / blockSize)}, binary.BigEndian.Uint64(op.Data))
}

// Commit makes a file durable.
func (f *following) Commit(op stream.Op) (func() error, error) {
	return func() error { return f.n.disk.sync("file", fileOf(op.File)) }, nil
}

func (f *following) hear(b []byte) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		f.n.w.fail("a message that is none: %w", err)
		return
	}
	if m.Word == nil {
		f.syncs.Go(func() {
			if err := f.n.disk.sync("all", -1); err != nil {
				f.receiver.Fail(err)
				return
			}
			f.receiver.Say(b)
		})
		return
	}
	for events := []mirror.Event{mirror.Heard{Word: *m.Word}}; len(events) > 0; events = events[1:] {
		for _, effect := range f.machine.Step(events[0]) {
			next, err := f.carryOut(effect)
			if err != nil {
				f.receiver.Fail(err)
				return
			}
			if next != nil {
				events = append(events, next)
			}
		}
	}
}

func (f *following) carryOut(effect mirror.Effect) (mirror.Event, error) {
	switch e := effect.(type) {
	case mirror.Store:
		return mirror.Stored{}, f.store(e.Generations)
	case mirror.Sync:
		if f.n.w.fault == "a copy joins before it is durable" {
			return mirror.Synced{}, nil
		}
		return mirror.Synced{}, f.n.disk.sync("all", -1)
	case mirror.Say:
		f.receiver.Say(message{Word: &e.Word}.encode())
		if e.Word.Topic == mirror.Joined {
			f.n.w.follows(f.n, true)
		}
	}
	return nil, nil
}

// store records what the copy is, after the cluster knows that it is none to go on with.
func (f *following) store(g mirror.Generations) error {
	if g.Inconsistent() {
		f.n.w.follows(f.n, false)
	}
	if err := f.n.store(g); err != nil {
		return err
	}
	if g.Inconsistent() {
		f.n.w.behind(f.n)
		return nil
	}
	return errors.Join(f.n.log.Merge(), f.n.log.Clear())
}
