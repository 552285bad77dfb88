package primary

import (
	"errors"
	"fmt"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Options of a Recorder. The functions are called one at a time, and must not call the
// Recorder's methods before they return.
type Options struct {
	Mode  stream.Mode
	Zones *zones.Log
	// Store makes generations durable.
	Store func(mirror.Generations) error
	// Sync makes durable on this disk all that was written.
	Sync func() error
	// Between runs a change while no operation is being recorded: fs.Mount.Between.
	Between func(change func())
	// Copy begins to copy what is dirty or active; Copied answers it. It must not wait.
	Copy func(mirror.Extent)
	// Say puts a word into the session's stream.
	Say func(*stream.Sender, mirror.Word) error
	// Decline tells that the peer cannot be brought up to date from here.
	Decline func(mirror.Decision)
}

// ErrStopped is the answer to operations when the peer goes on instead of this node.
var ErrStopped = errors.New("this node must not go on: the peer does")

// Recorder takes the operations of a file system. Its methods may be used by any number
// of goroutines.
type Recorder struct {
	opts Options

	driving sync.Mutex // held while an event is carried out

	mu      sync.Mutex
	changed *sync.Cond
	machine *mirror.Primary
	sender  *stream.Sender // of the connection; nil without
	sending bool           // operations go to sender
	session uint64
	err     error // why nothing is recorded any more
}

// New makes the recorder of a node that became primary: promoted generations are
// durable.
func New(promoted mirror.Generations, o Options) *Recorder {
	r := &Recorder{opts: o, machine: mirror.NewPrimary(promoted), session: 1}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// State is where the primary stands.
func (r *Recorder) State() mirror.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.State()
}

// Session numbers the sessions in which operations were sent.
func (r *Recorder) Session() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

// Diverged says that the peer's copy of inode cannot be made right by the stream: it is
// dirty from now on, and the session ends.
func (r *Recorder) Diverged(inode uint64, why error) {
	list := []zones.Zone{{Inode: inode, Index: zones.Whole}, {Inode: inode, Index: zones.Names}}
	// Active, too: that outlives a Clear which is under way.
	if err := errors.Join(r.opts.Zones.MarkZonesActive(list...), r.opts.Zones.MarkZonesDirty(list...)); err != nil {
		r.fail(err)
	}
	r.mu.Lock()
	sender := r.sender
	r.mu.Unlock()
	if sender != nil {
		sender.Close()
	}
}

// Record takes an operation before the file system carries it out or, as fs says,
// answers it. It waits while nothing may be written, and while the window is full. That
// operations begin to be sent while it runs is ruled out by Between; that they cease to be
// is noticed by Send.
func (r *Recorder) Record(op stream.Op, inodes ...uint64) (interface{ Wait() error }, error) {
	for {
		sender, err := r.admit()
		if err != nil {
			return nil, err
		}
		if err := r.mark(sender != nil, op, inodes); err != nil {
			r.fail(err)
			return nil, err
		}
		if sender == nil {
			return receipt{r: r}, nil
		}
		ticket, err := sender.Send(op)
		if err == nil {
			return receipt{r, ticket, r.opts.Mode.Wait(op.Kind), true}, nil
		}
		if sender.Err() == nil {
			return nil, err // not the session's end: op is malformed
		}
		r.await(sender)
	}
}

// admit waits until operations may be recorded, and answers where they go: nil is
// nowhere but the record of zones.
func (r *Recorder) admit() (*stream.Sender, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && r.machine.Acks() == mirror.Held {
		r.changed.Wait()
	}
	if r.err != nil || !r.sending {
		return nil, r.err
	}
	return r.sender, nil
}

// await waits until it was noticed that sender's session has ended.
func (r *Recorder) await(sender *stream.Sender) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && r.sender == sender {
		r.changed.Wait()
	}
}

// mark records the zones that op changes.
func (r *Recorder) mark(connected bool, op stream.Op, inodes []uint64) error {
	one, list := r.opts.Zones.MarkDirty, r.opts.Zones.MarkZonesDirty
	if connected {
		one, list = r.opts.Zones.MarkActive, r.opts.Zones.MarkZonesActive
	}
	if op.Kind == stream.Write {
		return one(inodes[0], op.Offset, int64(len(op.Data)))
	}
	return list(changed(op, inodes)...)
}

// changed are the zones of what op changes besides data.
func changed(op stream.Op, inodes []uint64) (list []zones.Zone) {
	whole := op.Kind == stream.Fallocate || op.Kind == stream.SetAttr && op.Flags&stream.AttrSize != 0
	switch op.Kind {
	case stream.Bind, stream.Forget, stream.Fsync, stream.Word, stream.Ping:
		return nil
	}
	for _, n := range inodes {
		list = append(list, zones.Zone{Inode: n, Index: zones.Names}) // names, or attributes
		if whole {
			list = append(list, zones.Zone{Inode: n, Index: zones.Whole})
		}
	}
	return list
}

// fail ends the recording: what cannot be recorded must not be done.
func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = fmt.Errorf("nothing can be written any more: %w", err)
	}
	r.changed.Broadcast()
}

// receipt is an operation that was recorded.
type receipt struct {
	r      *Recorder
	ticket stream.Ticket
	level  stream.Level
	sent   bool
}

// Wait waits as the mode asks, if the peer is an equal. When the session ends, it waits
// until it is recorded who goes on.
func (w receipt) Wait() error {
	if !w.sent || w.level == stream.Sent {
		return nil
	}
	w.r.mu.Lock()
	local := w.r.machine.Acks() == mirror.Local
	w.r.mu.Unlock()
	if local || w.ticket.Wait(w.level) == nil {
		return nil
	}
	w.r.await(w.ticket.Sender())
	_, err := w.r.admit()
	return err
}
