package replication

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/inbox"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/fs"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
	"github.com/orchestrator-ha/orchestrator/core/mirror/primary"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// serving is a node that is primary.
type serving struct {
	r        *Replicator
	copies   *copies
	recorder *primary.Recorder
	mounts   []*fs.Mount
	roots    []int // O_PATH, of the data directories

	limit  *rate.Limiter // of what is copied and compared
	broken bool          // it was told that a disk takes nothing; of epochs
	meter  meter

	taking    sync.Mutex // held while a session begins
	verifying sync.Mutex // held while the copies are compared
	ended     chan struct{}
	running   sync.WaitGroup
	states    *inbox.Inbox[mirror.State] // that were entered, for tell

	mu       sync.Mutex
	data     core.Generation
	session  *session
	why      string // the last session ended
	degraded bool   // and repair looks whether replication would work
	stopping bool
	copying  *copying // the latest
	// comparing is how far a comparison of both copies is; nil: there is none.
	comparing *resync.Progress
}

// serve makes this node primary.
func (r *Replicator) serve(o Order) (*serving, error) {
	for _, f := range r.now().Folders {
		if err := errors.Join(f.present(), f.complete(f.MustHave)); err != nil {
			return nil, err
		}
	}
	c, err := openCopies(r.opts, o.Force)
	if err != nil {
		return nil, err
	}
	r.tell(c)
	g := c.generations()
	switch {
	case g.Inconsistent() && !o.Force:
		c.close()
		return nil, fmt.Errorf("the copy in %s is a mixture: it was stopped while it was overwritten. Start the other node, or primforce", c.places[0].Data())
	case g.Inconsistent():
		g = g.Forced(fresh())
	default:
		g = g.Promoted(fresh())
	}
	c.forgetSaving()
	s := &serving{r: r, copies: c, data: o.Data, ended: make(chan struct{}), states: inbox.New[mirror.State]()}
	s.limit = rate.NewLimiter(limitOf(r.now().Limit), burst)
	if err := s.begin(g); err != nil {
		return nil, errors.Join(err, s.undo())
	}
	s.running.Go(s.tell)
	s.running.Go(s.epochs)
	s.running.Go(s.measure)
	return s, nil
}

// begin makes the promotion durable, and then the data writable.
func (s *serving) begin(g mirror.Generations) error {
	for _, l := range s.copies.logs {
		if err := l.Merge(); err != nil { // of a crash
			return err
		}
	}
	since := make([]*fs.Seal, len(s.copies.places))
	for i, r := range s.copies.records {
		since[i] = r.Seal
	}
	if err := s.copies.store(g); err != nil {
		return err
	}
	s.recorder = primary.New(g, primary.Options{
		Mode: s.r.now().Mode, Zones: s.copies.logs[0],
		Store: s.copies.store, Sync: s.copies.sync, Between: s.between,
		Copy: s.copy, Say: s.say, Decline: s.decline, Entered: s.entered, Failed: s.failed,
	})
	for _, l := range s.copies.logs[1:] {
		s.recorder.Add(l)
	}
	for i, p := range s.copies.places {
		folder := s.r.now().Folders[i]
		m, err := fs.Start(fs.Options{
			Dir: p.Dir, Backing: p.Data(), Rules: folder.Rules, MustHave: folder.MustHave, Since: since[i], Alarm: s.alarm(p.Dir), WriteBack: folder.WriteBack,
		}, s.recorder.Folders()[i])
		if err != nil {
			return err
		}
		s.mounts = append(s.mounts, m)
		root, err := m.Root()
		if err != nil {
			return fmt.Errorf("open %s: %w", p.Data(), err)
		}
		s.roots = append(s.roots, root)
	}
	return nil
}

// alarms is of how many changes past the mount operators are told one by one.
const alarms = 20

// alarm tells of changes past the mount; somebody who unpacks an archive there makes many.
func (s *serving) alarm(dir string) func(fs.Bypass) {
	var told atomic.Int64
	return func(b fs.Bypass) {
		switch n := told.Add(1); {
		case n <= alarms:
			s.r.opts.Host.Note("error", fmt.Sprintf("A replicated file was changed past its folder %s: %s.", dir, b))
		case n == alarms+1:
			s.r.opts.Host.Note("error", fmt.Sprintf("More replicated files were changed past their folder %s. They are copied, too; no more is told of that until the module is started anew.", dir))
		}
	}
}

// undo takes back what begin did. When it returns, nothing is mounted any more that a mount to
// come could be taken for.
func (s *serving) undo() error {
	var errs []error
	for _, m := range s.mounts {
		_ = m.Abort() // Stop tells what went wrong with it, too
		errs = append(errs, m.Stop())
	}
	for _, fd := range s.roots {
		unix.Close(fd)
	}
	s.copies.close()
	return errors.Join(errs...)
}

// between runs change while no operation is recorded in any folder.
func (s *serving) between(change func()) {
	for _, m := range s.mounts {
		inner := change
		change = func() { m.Between(inner) }
	}
	change()
}

// stop ends the service; the application has ended before.
func (s *serving) stop() error {
	s.letGo()
	var errs []error
	var seals []fs.Seal
	for _, m := range s.mounts {
		errs = append(errs, m.Stop())
		seals = append(seals, m.Seal())
	}
	s.mu.Lock()
	close(s.ended) // no session begins any more
	s.mu.Unlock()
	closed := s.drain()
	if sess := s.current(); sess != nil {
		sess.close()
	}
	s.running.Wait()
	if closed {
		errs = append(errs, s.copies.store(s.recorder.Generations().Closed()))
	}
	if errors.Join(errs...) == nil {
		errs = append(errs, s.copies.seal(seals))
	}
	for _, fd := range s.roots {
		unix.Close(fd)
	}
	s.copies.close()
	return errors.Join(errs...)
}

// letGo ends that operations are held, now and later: who waits gets an error.
func (s *serving) letGo() {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.recorder.Reject() // of interest if it is suspended
}

// drain makes all durable on both sides, and reports that it is.
func (s *serving) drain() bool {
	sess := s.current()
	return sess != nil && s.recorder.State() == mirror.Mirroring && s.epoch(sess) == nil
}

// use keeps the service from being closed until done is called; ok is false when it has ended.
func (s *serving) use() (done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return nil, false
	default:
		s.running.Add(1)
		return s.running.Done, true
	}
}

func (s *serving) current() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session
}

// take begins a session with the secondary; it ends the one before.
func (s *serving) take(conn net.Conn, theirs link.Hello) {
	s.taking.Lock()
	defer s.taking.Unlock()
	if old := s.current(); old != nil {
		old.close()
	}
	sess, now := newSession(s), s.r.now()
	sender, err := stream.NewSender(conn, stream.Options{Patience: now.Patience, SyncPatience: now.SyncPatience, Word: sess.hear})
	if err != nil {
		s.r.opts.Log.Warn("replication", "module", s.r.opts.Module, "error", err)
		return
	}
	sess.begin(sender)
	if !s.adopt(sess) {
		sender.Close()
		return
	}
	s.running.Go(sess.words)
	lost := s.recorder.Connect(sender, theirs.Generations)
	s.running.Go(func() {
		<-lost
		s.distrust(sender.Err())
		s.mu.Lock()
		s.session, s.why = nil, sender.Err().Error()
		s.mu.Unlock()
		close(sess.gone)
		s.r.opts.Log.Info("the secondary is not connected any more", "module", s.r.opts.Module, "reason", sender.Err())
	})
}

// adopt makes a session the current one, unless the service has ended: the greeting may have
// taken its time.
func (s *serving) adopt(sess *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return false
	default:
		s.session = sess
		return true
	}
}

// say puts a word into the session's stream.
func (s *serving) say(sender *stream.Sender, w mirror.Word) error {
	m := message{Word: &w}
	if w.Topic == mirror.Join {
		s.mu.Lock()
		m.Data = s.data
		s.mu.Unlock()
	}
	_, err := sender.Send(stream.Op{Kind: stream.Word, Data: m.encode()})
	return err
}

func (s *serving) decline(d mirror.Decision) {
	s.r.opts.Host.Note("error", fmt.Sprintf("The secondary cannot be brought up to date: %s.", d))
}

// failed tells that operations are answered with errors from now on.
func (s *serving) failed(err error) {
	if errors.Is(err, primary.ErrStopped) {
		return // as the cluster wants it
	}
	s.r.opts.Host.Note("error", fmt.Sprintf("Nothing can be written to the replicated folders any more, until the module is restarted: %v.", err))
	s.r.opts.Host.Broken(err)
}

// entered notes a state for tell.
func (s *serving) entered(state mirror.State) { s.states.Put(state) }

// alone lets this node go on without the secondary: the cluster has chosen it.
func (s *serving) alone(data core.Generation) {
	s.mu.Lock()
	known := s.data == data
	s.data = data
	s.mu.Unlock()
	if known && s.recorder.Acks() != mirror.Held {
		return
	}
	if sess := s.current(); sess != nil {
		sess.close() // it was of the former generation
	}
	s.recorder.Choose(fresh())
}

// tell tells the host what follows from the states that were entered.
func (s *serving) tell() {
	var held <-chan time.Time
	for {
		select {
		case <-s.ended:
			return
		case <-held:
			held = nil
			s.degrade()
		case <-s.states.Signal():
			for _, state := range s.states.Take() {
				held = s.tellState(state, held)
			}
		}
	}
}

// tellState answers the timer that runs while operations are held.
func (s *serving) tellState(state mirror.State, held <-chan time.Time) <-chan time.Time {
	host := s.r.opts.Host
	switch state {
	case mirror.Mirroring:
		s.mu.Lock()
		data := s.data
		s.mu.Unlock()
		host.News(core.ReplicaCopied, data, "")
	case mirror.Suspended:
		s.mu.Lock()
		why, stopping := s.why, s.stopping
		s.mu.Unlock()
		if stopping {
			s.recorder.Reject()
			return nil
		}
		host.News(core.ReplicaLost, core.Generation{}, why)
		if !host.Shared() { // nobody else can be promoted
			s.recorder.Choose(fresh())
			return nil
		}
		if held == nil {
			held = time.After(s.r.opts.Hold)
		}
		return held
	case mirror.Preparing:
		return held // until the secondary has recorded what it is
	}
	return nil
}

// degrade says that replication does not work, so that this node goes on alone, and
// looks from time to time whether it would.
func (s *serving) degrade() {
	s.mu.Lock()
	why, repairing := s.why, s.degraded
	s.degraded = true
	s.mu.Unlock()
	s.r.opts.Host.News(core.ReplicaDegraded, core.Generation{}, "the secondary cannot be reached for replication: "+why)
	if !repairing {
		s.running.Go(s.repair)
	}
}

// logs does something with the record of each folder.
func (s *serving) logs(do func(*zones.Log) error) error {
	for _, l := range s.copies.logs {
		if err := do(l); err != nil {
			return err
		}
	}
	return nil
}
