package simtest

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/primary"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// The replicated files, and the blocks of each: as many zones.
const (
	files     = 3
	perFile   = 6
	blockSize = 4096
)

var blocks = func() (list []block) {
	for f := range files {
		for b := range perFile {
			list = append(list, block{f, b})
		}
	}
	return list
}()

func inode(file int) uint64              { return uint64(file) + 10 }
func fileID(file int) stream.FileID      { return stream.Root + 1 + stream.FileID(file) }
func fileOf(id stream.FileID) (file int) { return int(id - stream.Root - 1) }

// message is what the two nodes say to each other beside operations.
type message struct {
	Word *mirror.Word `json:"word,omitempty"`
	Sync uint64       `json:"sync,omitempty"`
}

func (m message) encode() []byte {
	b, _ := json.Marshal(m)
	return b
}

// serving is a node that is primary, as replication has it: the order of what is done
// around the Recorder is the same.
type serving struct {
	n        *node
	rec      *primary.Recorder
	log      *zones.Log
	files    [files]lock // the file system's
	taking   lock
	programs sync.WaitGroup
	sess     *session
	copying  chan struct{} // closed when the latest copy has ended
	stop     bool
	ended    bool // no session begins any more
	number   uint64
}

// session is a connection with the secondary.
type session struct {
	conn    *end
	sender  *stream.Sender
	heard   chan mirror.Word
	gone    chan struct{} // the recorder has noticed the end
	waiting map[uint64]chan struct{}
}

// serving makes a node primary that may be. It runs as a goroutine.
func (n *node) beginServing() {
	w := n.w
	s := &serving{n: n, log: n.log, taking: newLock()}
	for i := range s.files {
		s.files[i] = newLock()
	}
	g := n.gens.Promoted(w.generation())
	if s.log.Merge() != nil || n.store(g) != nil {
		return // the power is gone
	}
	s.rec = primary.New(g, primary.Options{
		Mode: stream.ModeFsync, Zones: s.log,
		Store: n.store, Between: s.between, Copy: s.copy, Say: s.say, Entered: s.entered,
		Sync:    func() error { return n.disk.sync("all", -1) },
		Decline: func(d mirror.Decision) { w.fail("n%d declines its peer: %s", n.id, d) },
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.up {
		n.serve, n.busy = s, false
	}
}

// kill ends all that runs, when the power is gone.
func (s *serving) kill() {
	if sess := s.sess; sess != nil {
		sess.sender.Close()
	}
	go func() {
		_ = s.log.Close()
		s.rec.Diverged(1, errPower) // which cannot be recorded: who waits gets an error
	}()
}

// endServing stops in order. It runs as a goroutine, when no program may begin to write.
func (s *serving) endServing() {
	n, w := s.n, s.n.w
	s.rec.Reject()
	s.programs.Wait()
	w.mu.Lock()
	s.ended = true
	w.mu.Unlock()
	closed := false
	if sess := s.session(); sess != nil {
		closed = s.rec.State() == mirror.Mirroring && s.epoch(sess) == nil
		sess.sender.Close()
		<-sess.gone
	}
	if closed {
		if n.store(s.rec.Generations().Closed()) != nil {
			return
		}
	}
	if n.disk.isDead() || s.log.Close() != nil {
		return
	}
	if err := n.open(); err != nil {
		if !n.disk.isDead() {
			_ = w.fail("n%d stops: %w", n.id, err)
		}
		return
	}
	w.note("n%d has stopped", n.id)
	w.mu.Lock()
	defer w.mu.Unlock()
	n.serve, n.busy, n.rejected = nil, false, false
}

func (s *serving) session() *session {
	s.n.w.mu.Lock()
	defer s.n.w.mu.Unlock()
	return s.sess
}

// entered is told of each state.
func (s *serving) entered(state mirror.State) {
	s.n.w.reached(s.n, state)
	s.n.w.mu.Lock()
	defer s.n.w.mu.Unlock()
	if state == mirror.Suspended && s.stop {
		go s.rec.Reject()
	}
}

// between runs change while no operation is recorded.
func (s *serving) between(change func()) {
	for _, l := range s.files {
		l.Lock()
	}
	change()
	for _, l := range s.files {
		l.Unlock()
	}
}

func (s *serving) say(sender *stream.Sender, word mirror.Word) error {
	_, err := sender.Send(stream.Op{Kind: stream.Word, Data: message{Word: &word}.encode()})
	return err
}

// take begins a session with the secondary; it ends the one before.
func (s *serving) take(conn *end, gens mirror.Generations) {
	w := s.n.w
	s.taking.Lock()
	defer s.taking.Unlock()
	if old := s.session(); old != nil {
		old.sender.Close()
		<-old.gone
	}
	sess := &session{conn: conn, heard: make(chan mirror.Word, 8), gone: make(chan struct{}), waiting: map[uint64]chan struct{}{}}
	ready := make(chan struct{})
	sender, err := stream.NewSender(conn, stream.Options{Word: func(b []byte) { <-ready; s.hear(sess, b) }})
	if err != nil {
		return
	}
	sess.sender = sender
	close(ready)
	w.mu.Lock()
	if !s.ended {
		s.sess = sess
	}
	w.mu.Unlock()
	if s.session() != sess {
		sender.Close()
		return
	}
	go func() {
		for {
			select {
			case word := <-sess.heard:
				s.rec.Hear(sender, word)
			case <-sender.Done():
				return
			}
		}
	}()
	w.note("n%d meets its peer: %s", s.n.id, gens)
	ended := s.rec.Connect(sender, gens)
	go func() {
		<-ended
		w.mu.Lock()
		s.sess = nil
		w.mu.Unlock()
		close(sess.gone)
	}()
}

func (s *serving) hear(sess *session, b []byte) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		s.n.w.fail("a message that is none: %w", err)
		return
	}
	if m.Word != nil {
		sess.heard <- *m.Word
		return
	}
	s.n.w.mu.Lock()
	defer s.n.w.mu.Unlock()
	if done := sess.waiting[m.Sync]; done != nil {
		close(done)
		delete(sess.waiting, m.Sync)
	}
}

// copy brings the secondary up to date: first while operations are only recorded, then
// between them.
func (s *serving) copy(extent mirror.Extent) {
	sess := s.session()
	if sess == nil {
		return
	}
	before, done := s.copying, make(chan struct{})
	s.copying = done
	go func() {
		defer close(done)
		if before != nil {
			<-before // it notes what is changed, too
		}
		folder := s.rec.Folders()[0]
		var first []block
		s.between(func() {
			folder.Touched(true)
			first = s.work(extent, s.log.Recorded(), s.n.peer().recorded())
		})
		err := s.sendAll(sess, first[:len(first)/2])
		rest := first[len(first)/2:]
		if err == nil {
			err = s.rec.Carry(sess.sender, func() error {
				rest = append(rest, s.work(mirror.Zones, zones.Recorded{Dirty: folder.Touched(false)})...)
				return nil
			})
		}
		if err == nil {
			err = s.sendAll(sess, rest)
		}
		folder.Touched(false)
		if err != nil {
			sess.sender.Close()
			return
		}
		s.rec.Copied(sess.sender)
	}()
}

// work is what recorded zones ask for.
func (s *serving) work(extent mirror.Extent, recorded ...zones.Recorded) (list []block) {
	for _, b := range blocks {
		wanted := extent == mirror.Everything
		for _, r := range recorded {
			wanted = wanted || r.Everything || slices.ContainsFunc(slices.Concat(r.Dirty, r.Active), func(z zones.Zone) bool {
				return z.Inode == inode(b.file) && (z.Index == uint32(b.index) || z.Index == zones.Whole)
			})
		}
		if wanted && s.n.w.fault == "a bit of the bitmap is skipped" && extent == mirror.Zones && s.n.w.lapse() {
			wanted = false
		}
		if wanted {
			list = append(list, b)
		}
	}
	return list
}

// sendAll sends what blocks hold, each while its file is locked.
func (s *serving) sendAll(sess *session, list []block) error {
	for _, b := range list {
		s.files[b.file].Lock()
		_, err := sess.sender.Send(stream.Op{Kind: stream.Write, File: fileID(b.file), Offset: int64(b.index) * blockSize, Data: number(s.n.disk.live()[b])})
		s.files[b.file].Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func number(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// epoch makes durable on both sides what was written up to now, and forgets that it was
// active.
func (s *serving) epoch(sess *session) error {
	done := make(chan struct{})
	s.n.w.mu.Lock()
	s.number++
	m := message{Sync: s.number}
	sess.waiting[m.Sync] = done
	s.n.w.mu.Unlock()
	var begun uint32
	var err error
	s.between(func() {
		begun = s.log.Begin()
		_, err = sess.sender.Send(stream.Op{Kind: stream.Word, Data: m.encode()})
	})
	if err != nil {
		return err
	}
	if err := s.n.disk.sync("all", -1); err != nil {
		return err
	}
	select {
	case <-done:
	case <-sess.sender.Done():
		select {
		case <-done: // it came before the end
		default:
			return sess.sender.Err()
		}
	}
	s.log.End(begun)
	return s.log.Flush()
}

// write is a program: it changes a block and may sync, and what it was told is durable is the
// world's to hold.
func (s *serving) write(b block, sync bool) {
	w, d := s.n.w, s.n.disk
	s.files[b.file].Lock()
	v := w.value()
	op := stream.Op{Kind: stream.Write, File: fileID(b.file), Offset: int64(b.index) * blockSize, Data: number(v)}
	unrecorded := w.fault == "a write is carried out before it is recorded" && d.write(b, v) == nil
	_, err := s.rec.Record(op, inode(b.file))
	if err == nil && !unrecorded {
		err = d.write(b, v)
	}
	if err != nil || !sync {
		s.files[b.file].Unlock()
		return
	}
	held, sess, equal := d.live(), s.session(), s.rec.State() == mirror.Mirroring
	receipt, err := s.rec.Record(stream.Op{Kind: stream.Fsync, File: fileID(b.file)}, inode(b.file))
	s.files[b.file].Unlock()
	if err != nil || d.sync("file", b.file) != nil {
		return
	}
	if w.fault == "a sync is answered before the peer has it" || receipt.Wait() == nil {
		w.acknowledge(s.n, b.file, held)
		if equal && s.session() == sess && !sess.conn.lost() && s.rec.State() == mirror.Mirroring {
			w.onBoth(s.n, b.file, held)
		}
	}
}
