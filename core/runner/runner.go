// Package runner runs one module on this node: one goroutine and one inbox.
// Every event becomes a step of the state machine; the step is journalled, then
// its actions are carried out in order; what they bring about comes back as
// events.
package runner

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/inbox"
)

// ErrClosed is answered to commands after Close.
var ErrClosed = errors.New("the module's runner is closed")

// Effects carries out what the state machine asks for. Timers are the runner's
// own and never arrive here.
type Effects interface {
	// Do begins a and returns soon: it must not wait for a hook. Actions that
	// answer call answer once, from any goroutine, with Kind, Name, OK and
	// Reason set; the runner sets the rest. cause is the journal entry of the
	// action. ctx ends when the runner closes, which does not mean that the
	// module stops.
	Do(ctx context.Context, a core.Action, cause int64, answer func(core.Event))
}

// Record is an entry for the journal.
type Record struct {
	Time   time.Time
	Module string
	Kind   string // command, transition, hook, network, share or resource
	Level  string // debug (a routine end), info, warn or error
	Text   string // a whole sentence
	Data   map[string]any
	Cause  int64 // the entry that led here; 0 is a first cause
}

// Journal keeps records. Append answers the record's number, which is above 0.
type Journal interface {
	Append(Record) (int64, error)
}

// Options says what a runner works with.
type Options struct {
	Instance core.Instance       // where to begin, usually core.New(module)
	Effects  Effects             //
	Journal  Journal             //
	Log      *slog.Logger        // one line per transition; nil is slog.Default()
	Clock    func() time.Time    // nil is time.Now
	Persist  func(core.Instance) // called in the loop after a change, before the effects; may be nil
	Hold     <-chan struct{}     // events wait until it is closed: what effects need is made meanwhile; may be nil
}

// Runner is the loop of one module. Its methods may be called from anywhere.
type Runner struct {
	opt    Options
	inbox  *inbox.Inbox[letter]
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	mu          sync.Mutex
	in          core.Instance
	subscribers map[chan core.Instance]bool

	// Of the loop alone.
	timers map[string]*time.Timer
	armed  map[string]int // counts settings of each timer, to tell a late one
	orders int            // counts share orders, to tell a late answer
}

// New starts the loop. Close ends it.
func New(opt Options) *Runner {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	r := &Runner{
		opt: opt, in: opt.Instance, inbox: inbox.New[letter](), done: make(chan struct{}),
		subscribers: map[chan core.Instance]bool{}, timers: map[string]*time.Timer{}, armed: map[string]int{},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	go r.loop()
	return r
}

// Post hands an event to the module. It does not block, and nothing is lost
// until Close; after it events are ignored. A zero At is set to now.
func (r *Runner) Post(ev core.Event) { r.post(letter{event: ev}) }

func (r *Runner) post(l letter) {
	if l.event.At.IsZero() {
		l.event.At = r.opt.Clock()
	}
	r.inbox.Put(l)
}

// Command asks for verb and answers whether the module accepted it, not
// whether it has been carried out; see WaitSettled. identity is empty for an
// operator's command and by says who the operator is; an automatic one has an
// identity, e.g. "tcp.web". The error of a refusal is a *core.Refusal, whose
// text is for the operator.
func (r *Runner) Command(ctx context.Context, verb core.Verb, identity, by string) error {
	verdict := make(chan error, 1)
	r.post(letter{verdict: verdict, event: core.Event{Kind: core.EventCommand, Verb: verb, Identity: identity, By: by}})
	select {
	case err := <-verdict:
		return err
	case <-r.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Deliver posts an event and waits until its step has been made and its actions begun;
// it answers the step's error.
func (r *Runner) Deliver(ev core.Event) error {
	verdict := make(chan error, 1)
	r.post(letter{event: ev, verdict: verdict})
	select {
	case err := <-verdict:
		return err
	case <-r.done:
		return ErrClosed
	}
}

// Snapshot answers the module as it is now.
func (r *Runner) Snapshot() core.Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.in
}

// Subscribe answers a channel that always holds the latest instance, beginning
// with the current one; a slow reader misses those in between. stop ends it.
func (r *Runner) Subscribe() (updates <-chan core.Instance, stop func()) {
	c := make(chan core.Instance, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	c <- r.in
	r.subscribers[c] = true
	return c, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subscribers, c)
	}
}

// WaitSettled waits until no transition runs (see core.Instance.Settled) and
// answers the module as it is then.
func (r *Runner) WaitSettled(ctx context.Context) (core.Instance, error) {
	updates, stop := r.Subscribe()
	defer stop()
	for {
		select {
		case in := <-updates:
			if in.Settled() {
				return in, nil
			}
		case <-r.done:
			return r.Snapshot(), ErrClosed
		case <-ctx.Done():
			return r.Snapshot(), context.Cause(ctx)
		}
	}
}

// Close ends the loop and waits for it. The module stays as it is: what runs
// goes on running.
func (r *Runner) Close() {
	r.cancel()
	<-r.done
}

func (r *Runner) publish(in core.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = in
	for c := range r.subscribers {
		select {
		case <-c:
		default:
		}
		c <- in // only publish sends, under the lock, so there is room
	}
}
