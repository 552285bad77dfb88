package stream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// FileSystem is where a Receiver applies operations.
type FileSystem interface {
	// Apply carries out an operation, all but Fsync, Word and Ping. It is called by one
	// goroutine, in order. op's Data is only valid during the call. An error ends the
	// session: the copy is not the primary's any more.
	Apply(op Op) error
	// Commit answers the function that makes durable what was applied to op's File by
	// the time it is called. Commit itself is called in order, as Apply is; the function
	// once, beside other operations and even after File was forgotten.
	Commit(op Op) (func() error, error)
}

// Receiver is the secondary's end of a session.
type Receiver struct {
	conn io.ReadWriteCloser
	fs   FileSystem
	opts Options

	mu      sync.Mutex
	ready   *sync.Cond // for the writer: something to answer and not telling, or the end
	telling bool       // somebody writes answers
	applied Seq
	told    Seq // applied, as it was answered
	untold  int // bytes of operations since told
	answers []answer
	syncing map[syncKey]*syncs
	running sync.WaitGroup
	heard   time.Time
	busy    bool // applying
	err     error
	ended   chan struct{}
}

// NewReceiver greets the peer on conn. Run then serves the session.
func NewReceiver(conn io.ReadWriteCloser, fs FileSystem, o Options) (*Receiver, error) {
	r := &Receiver{conn: conn, fs: fs, opts: o.orDefaults(), syncing: map[syncKey]*syncs{}, heard: time.Now(), ended: make(chan struct{})}
	r.ready = sync.NewCond(&r.mu)
	err := greet(conn, r.opts.Patience, readHello, writeHello)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Applied is the number of the last operation that was applied.
func (r *Receiver) Applied() Seq {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied
}

// Say sends a word to the primary's daemon.
func (r *Receiver) Say(data []byte) { r.answer(answer{answerWord, 0, append([]byte(nil), data...)}) }

// Run applies operations until the session ends, and answers why: nil when the primary
// closed the connection between two operations. When it returns, nothing is
// applied or synced any more.
func (r *Receiver) Run() error {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r.write()
		r.linger()
		r.conn.Close()
	}()
	go r.watch()
	err := r.end(r.apply())
	<-answered
	r.running.Wait()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// linger takes what the primary still sends until it has read why this side failed, and
// closes: to close with something unread would reset the connection, and the reason be lost.
func (r *Receiver) linger() {
	r.mu.Lock()
	failure := errors.As(r.err, new(*FailedError))
	r.mu.Unlock()
	if failure {
		_, _ = io.Copy(io.Discard, r.conn) // ended by Patience at the latest
	}
}

// Close ends the session from this side.
func (r *Receiver) Close() { r.end(ErrClosed) }

// Fail ends the session because what a word asked for, in which it is called, has failed:
// the copy is not the primary's any more.
func (r *Receiver) Fail(err error) { r.end(failed(r.Applied()+1, err)) }

// end notes why the session ends, if that is not known yet, and answers the reason. A
// failure is told to the primary before the connection is closed.
func (r *Receiver) end(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.err = err
	close(r.ended)
	r.ready.Signal()
	if f := (*FailedError)(nil); errors.As(err, &f) {
		r.answers = append(r.answers, answer{answerFailed, f.Seq, []byte(f.Text)})
		time.AfterFunc(r.opts.Patience, func() { r.conn.Close() })
	} else {
		r.conn.Close()
	}
	return err
}

// record is what TLS yields with one Read.
const record = 16 << 10

func (r *Receiver) apply() error {
	in := bufio.NewReaderSize(r.conn, record) // what is larger goes to where it is read from
	var buf []byte
	for want := Seq(1); ; want++ {
		frame, err := readFrame(in, &buf)
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		if err != nil {
			return fmt.Errorf("hear from the peer: %w", err)
		}
		more := in.Buffered() > 0 // of what comes next, whose rest is on its way whatever is answered
		seq, op, err := parseFrame(frame)
		if err != nil {
			return fmt.Errorf("operation %d: %w", want, err)
		}
		if seq != want {
			return fmt.Errorf("operation %d arrived, and %d was to: the peer is at fault", seq, want)
		}
		r.working(true)
		err = r.carryOut(seq, op, more)
		r.working(false)
		if err != nil {
			return err
		}
	}
}

// muchApplied is how many bytes are applied at most before that is answered.
const muchApplied = 1 << 20

// working notes for the watch that an operation has begun or ended.
func (r *Receiver) working(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy, r.heard = on, time.Now()
}

// carryOut applies an operation. What nobody waits for is answered with what comes next, if
// that has begun to arrive, or with the sync that it belongs to.
func (r *Receiver) carryOut(seq Seq, op Op, more bool) error {
	var err error
	var begin func()
	switch op.Kind {
	case Ping:
	case Word:
		r.opts.Word(append([]byte(nil), op.Data...))
	case Fsync:
		begin, err = r.sync(seq, op)
	default:
		err = r.fs.Apply(op)
	}
	if err != nil {
		return failed(seq, fmt.Errorf("%s: %w", op, err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied = seq
	if r.untold += len(op.Data); op.waits || r.untold >= muchApplied || !more && op.Kind != Fsync {
		r.ready.Signal()
	}
	if begin != nil {
		begin() // after applied: durable is said of applied operations only
	}
	return r.err
}

func failed(seq Seq, err error) error {
	text := err.Error()
	return &FailedError{seq, text[:min(len(text), 1024)]}
}

func (r *Receiver) answer(a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, a)
	r.ready.Signal()
}

// write sends what there is to say; what comes up meanwhile goes together.
func (r *Receiver) write() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		r.tell() // at the end, why it ends
		if r.err != nil && !r.telling {
			return
		}
		r.ready.Wait()
	}
}

// tell writes what there is to say, if nobody does, with r.mu held but not during it.
func (r *Receiver) tell() {
	for !r.telling && (r.applied > r.told || len(r.answers) > 0) {
		var b []byte
		if r.applied > r.told {
			b = appendAnswer(b, answer{kind: answerApplied, seq: r.applied})
			r.told, r.untold = r.applied, 0
		}
		for _, a := range r.answers {
			b = appendAnswer(b, a)
		}
		r.answers, r.telling = nil, true
		r.mu.Unlock()
		_, err := r.conn.Write(b)
		if err != nil {
			r.end(fmt.Errorf("answer the peer: %w", err))
		}
		r.mu.Lock()
		if r.telling = false; err != nil {
			break
		}
	}
	if r.err != nil {
		r.ready.Signal()
	}
}

// watch ends a session whose primary is silent; an idle one probes.
func (r *Receiver) watch() {
	tick := time.NewTicker(r.opts.Patience / 4)
	defer tick.Stop()
	for {
		select {
		case <-r.ended:
			return
		case now := <-tick.C:
			r.mu.Lock()
			silent := !r.busy && now.Sub(r.heard) >= r.opts.Patience
			r.mu.Unlock()
			if silent {
				r.end(&StalledError{r.opts.Patience})
				return
			}
		}
	}
}
