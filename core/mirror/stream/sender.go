package stream

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Seq numbers the operations of a session, from 1.
type Seq uint64

// Options of a session. Zero values mean the defaults.
type Options struct {
	// Window is how many bytes of operations may wait to be applied, 32 MiB unless
	// set. At least one operation always fits.
	Window int
	// Patience is how long the peer may say nothing, 10 s unless set. An idle session
	// is probed.
	Patience time.Duration
	// SyncPatience is how long an Fsync may take until it is durable there, 60 s
	// unless set. The peer says other things meanwhile.
	SyncPatience time.Duration
	// Word takes what the peer's daemon says. It must not wait for the session.
	Word func(data []byte)
}

func (o Options) orDefaults() Options {
	if o.Window == 0 {
		o.Window = 32 << 20
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.SyncPatience == 0 {
		o.SyncPatience = time.Minute
	}
	if o.Word == nil {
		o.Word = func([]byte) {}
	}
	return o
}

// ErrClosed is the end of a session that this side closed.
var ErrClosed = errors.New("the replication session was closed")

// StalledError ends a session whose peer said nothing for too long.
type StalledError struct{ Patience time.Duration }

func (e *StalledError) Error() string {
	return fmt.Sprintf("the peer has not answered for %s, though its connection is open", e.Patience)
}

// FailedError ends a session in which the peer could not carry out an operation. Its
// copy is not the same any more.
type FailedError struct {
	Seq  Seq
	Text string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("the peer failed at operation %d: %s", e.Seq, e.Text)
}

// Status is where a session stands.
type Status struct {
	Sent, Applied Seq    // last operation given to Send, last that the peer applied
	Waiting       int    // bytes in the window
	Syncs         int    // Fsyncs that are not durable there yet
	Bytes         uint64 // ever given to Send
}

// Sender is the primary's end of a session. Its methods may be used by any number of
// goroutines; whoever needs one operation before another holds a lock over both Sends.
type Sender struct {
	conn io.ReadWriteCloser
	opts Options

	mu      sync.Mutex
	changed *sync.Cond // applied, err
	space   *sync.Cond // bytes left the window; err
	ready   *sync.Cond // for the writer: due and not writing; err
	out     outbox
	due     bool // what is in out is to be written
	writing bool // somebody writes what was in out
	taken   Seq  // last operation that was
	beat    *time.Timer
	beating bool
	beaten  Seq // sent at the last beat
	sent    Seq
	applied Seq
	ends    []uint64 // for operations applied+1…sent: total when each was added
	total   uint64   // bytes ever added
	freed   uint64   // bytes ever applied
	syncs   map[Seq]*pendingSync
	heard   time.Time
	err     error
	done    chan struct{}
}

// NewSender greets the peer on conn and begins a session. It closes conn when the
// session ends, or at once with an error.
func NewSender(conn io.ReadWriteCloser, o Options) (*Sender, error) {
	s := &Sender{conn: conn, opts: o.orDefaults(), syncs: map[Seq]*pendingSync{}, heard: time.Now(), done: make(chan struct{})}
	s.changed, s.space, s.ready = sync.NewCond(&s.mu), sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	s.beat = time.AfterFunc(time.Hour, s.gathered)
	s.beat.Stop()
	if err := greet(conn, s.opts.Patience, writeHello, readHello); err != nil {
		return nil, err
	}
	go s.write()
	go s.read()
	go s.watch()
	return s, nil
}

// pendingSync is an Fsync that is not durable yet.
type pendingSync struct {
	since time.Time
	done  chan struct{}
}

// Ticket is an operation that was sent.
type Ticket struct {
	s       *Sender
	seq     Seq
	durable chan struct{} // of an Fsync
}

// Sender is the session's.
func (t Ticket) Sender() *Sender { return t.s }

// Seq is the operation's number.
func (t Ticket) Seq() Seq { return t.seq }

// Send puts op in the window, and waits while that is full. op's Data may be reused
// when it returns. An error means that the session has ended, or that op is
// malformed, and then it has no number.
func (s *Sender) Send(op Op) (Ticket, error) {
	op.waits = true
	return s.put(&op, true)
}

// Put is Send for an operation that will be waited for until it has reached a level. It goes
// on its way with that Wait or a Push, and otherwise a moment later, together with others.
func (s *Sender) Put(op Op, until Level) (Ticket, error) {
	op.waits = until == Applied && !op.Unwaited
	return s.put(&op, false)
}

func (s *Sender) put(op *Op, now bool) (Ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.total-s.freed >= uint64(s.opts.Window) {
		s.space.Wait()
	}
	if s.err != nil {
		return Ticket{}, s.err
	}
	t, err := s.add(op)
	if err == nil {
		s.hasten(now)
	}
	return t, err
}

// add puts op into the window, with s.mu held.
func (s *Sender) add(op *Op) (Ticket, error) {
	size, err := s.out.add(s.sent+1, op)
	if err != nil {
		return Ticket{}, err
	}
	s.sent++
	s.total += uint64(size)
	s.ends = append(s.ends, s.total)
	t := Ticket{s: s, seq: s.sent}
	if op.Kind == Fsync {
		t.durable = make(chan struct{})
		s.syncs[t.seq] = &pendingSync{time.Now(), t.durable}
	}
	return t, nil
}

// Wait waits until the operation has reached level l. The error is the end of the
// session: whether the peer has the operation is not known then.
func (t Ticket) Wait(l Level) error {
	s := t.s
	if l == Sent {
		return nil
	}
	t.Push()
	switch {
	case l == Durable && t.durable != nil:
		select {
		case <-t.durable:
			return nil
		case <-s.done:
		}
		select {
		case <-t.durable: // it came before the end
			return nil
		default:
			return s.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.applied < t.seq {
		s.changed.Wait()
	}
	if s.applied >= t.seq {
		return nil
	}
	return s.err
}

// Done is closed when the session has ended.
func (s *Sender) Done() <-chan struct{} { return s.done }

// Err is why it ended.
func (s *Sender) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Status is where the session stands.
func (s *Sender) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{s.sent, s.applied, int(s.total - s.freed), len(s.syncs), s.total}
}

// Close ends the session. What is in the window may or may not reach the peer.
func (s *Sender) Close() { s.fail(ErrClosed) }

func (s *Sender) fail(err error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		close(s.done)
	}
	s.out, s.ends = outbox{}, nil
	s.beat.Stop()
	s.changed.Broadcast()
	s.space.Broadcast()
	s.ready.Broadcast()
	s.mu.Unlock()
	if first {
		s.conn.Close()
	}
}

func (s *Sender) read() {
	var buf []byte
	for {
		frame, err := readFrame(s.conn, &buf)
		if err != nil {
			s.fail(fmt.Errorf("hear from the peer: %w", err))
			return
		}
		a, err := parseAnswer(frame)
		if err == nil {
			err = s.answered(a)
		}
		if err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *Sender) answered(a answer) error {
	if a.kind == answerWord {
		s.opts.Word(a.text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
	switch {
	case s.err != nil:
		return s.err
	case a.seq > s.sent:
		return fmt.Errorf("the peer answers operation %d, of %d", a.seq, s.sent)
	case a.kind == answerFailed:
		return &FailedError{a.seq, string(a.text)}
	case a.kind == answerDurable:
		sync := s.syncs[a.seq]
		if sync == nil || a.seq > s.applied {
			return fmt.Errorf("the peer says durable of operation %d, which is no sync that it has applied", a.seq)
		}
		delete(s.syncs, a.seq)
		close(sync.done)
	case a.kind == answerApplied && a.seq > s.applied:
		n := a.seq - s.applied
		s.freed, s.ends, s.applied = s.ends[n-1], s.ends[n:], a.seq
		s.changed.Broadcast()
		s.space.Broadcast()
	}
	return nil
}

// watch probes an idle peer and ends the session with one that does not answer.
func (s *Sender) watch() {
	tick := time.NewTicker(s.opts.Patience / 4)
	defer tick.Stop()
	last := Seq(0)
	for {
		select {
		case <-s.done:
			return
		case now := <-tick.C:
			s.mu.Lock()
			err := s.late(now)
			if err == nil && s.err == nil && s.sent == last && s.applied == s.sent {
				_, err = s.add(&Op{Kind: Ping, waits: true})
				s.hasten(true)
			}
			last = s.sent
			s.mu.Unlock()
			if err != nil {
				s.fail(err)
				return
			}
		}
	}
}

// late says that the peer has not answered for too long, with s.mu held.
func (s *Sender) late(now time.Time) error {
	if now.Sub(s.heard) >= s.opts.Patience {
		return &StalledError{s.opts.Patience}
	}
	for _, sync := range s.syncs {
		if now.Sub(sync.since) >= s.opts.SyncPatience {
			return &StalledError{s.opts.SyncPatience}
		}
	}
	return nil
}
