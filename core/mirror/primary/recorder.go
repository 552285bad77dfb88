package primary

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Options of a Recorder. The functions are called one at a time, and must not call the
// Recorder's methods before they return.
type Options struct {
	Mode  stream.Mode
	Zones *zones.Log // of the first folder
	// Store makes generations durable.
	Store func(mirror.Generations) error
	// Sync makes durable on this disk all that was written.
	Sync func() error
	// Between runs a change while no operation is being recorded: fs.Mount.Between.
	Between func(change func())
	// Copy begins to copy what is dirty or active; Carry and then Copied answer it. It must
	// not wait.
	Copy func(mirror.Extent)
	// Say puts a word into the session's stream.
	Say func(*stream.Sender, mirror.Word) error
	// Decline tells that the peer cannot be brought up to date from here.
	Decline func(mirror.Decision)
	// Failed tells why nothing can be written any more. It may be nil.
	Failed func(error)
	// Entered tells each state that is entered, after what belongs to it was done. It must
	// not wait. It may be nil.
	Entered func(mirror.State)
}

// ErrStopped is the answer to operations when the peer goes on instead of this node.
var ErrStopped = errors.New("this node must not go on: the peer does")

// Recorder takes the operations of a file system. Its methods may be used by any number
// of goroutines.
type Recorder struct {
	opts    Options
	mode    atomic.Int32 // a stream.Mode
	folders []*Folder    // the first is the Recorder's own

	driving chan struct{} // filled while an event is carried out, which may take its time

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
	r := &Recorder{opts: o, driving: make(chan struct{}, 1), machine: mirror.NewPrimary(promoted), session: 1}
	r.changed = sync.NewCond(&r.mu)
	r.SetMode(o.Mode)
	r.Add(o.Zones)
	return r
}

// SetMode changes what operations wait for that are recorded from now on.
func (r *Recorder) SetMode(m stream.Mode) { r.mode.Store(int32(m)) }

// State is where the primary stands.
func (r *Recorder) State() mirror.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.State()
}

// Generations are those that were stored last.
func (r *Recorder) Generations() mirror.Generations {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Generations()
}

// Acks says what acknowledgements wait for now.
func (r *Recorder) Acks() mirror.Acks {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Acks()
}

// Session numbers the sessions in which operations were sent.
func (r *Recorder) Session() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

// Diverged is that of the first folder.
func (r *Recorder) Diverged(inode uint64, why error) { r.folders[0].Diverged(inode, why) }

// Record is that of the first folder.
func (r *Recorder) Record(op stream.Op, inodes ...uint64) (interface{ Wait() error }, error) {
	return r.folders[0].Record(op, inodes...)
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

// fail ends the recording: what cannot be recorded must not be done.
func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = fmt.Errorf("nothing can be written any more: %w", err)
		if r.opts.Failed != nil {
			go r.opts.Failed(err)
		}
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

// Push sends the operation now: somebody is going to wait for it.
func (w receipt) Push() {
	if w.sent {
		w.ticket.Push()
	}
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
