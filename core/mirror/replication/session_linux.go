package replication

import (
	"context"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
)

// session is a connection with the secondary. It is a resync.Peer.
type session struct {
	s      *serving
	sender *stream.Sender
	ctx    context.Context // until the session ends
	cancel context.CancelCauseFunc
	heard  chan mirror.Word
	gone   chan struct{} // closed when the recorder has noticed the end

	mu      sync.Mutex
	number  uint64
	waiting map[uint64]*waiting
}

// waiting is for an answer.
type waiting struct {
	answer resync.Answer
	done   chan struct{}
}

func newSession(s *serving) *session {
	sess := &session{s: s, heard: make(chan mirror.Word, 8), gone: make(chan struct{}), waiting: map[uint64]*waiting{}}
	sess.ctx, sess.cancel = context.WithCancelCause(context.Background())
	return sess
}

func (s *session) begin(sender *stream.Sender) {
	s.sender = sender
	go func() {
		<-sender.Done()
		s.cancel(sender.Err())
	}()
}

// close ends the session, and waits until another may begin.
func (s *session) close() {
	s.sender.Close()
	<-s.gone
}

// hear takes what the secondary says.
func (s *session) hear(b []byte) {
	m, err := decode(b)
	switch {
	case err != nil:
		s.cancel(err)
	case m.Word != nil:
		select {
		case s.heard <- *m.Word:
		case <-s.ctx.Done():
		}
	case m.Answer != nil:
		s.answered(*m.Answer)
	case m.Sync != 0:
		s.answered(resync.Answer{Number: m.Sync})
	}
}

// words hands to the recorder what concerns it.
func (s *session) words() {
	for {
		select {
		case w := <-s.heard:
			s.s.recorder.Hear(s.sender, w)
		case <-s.ctx.Done():
			s.sender.Close() // the reason may be a message that was none
			return
		}
	}
}

// answered adds to an answer that is waited for.
func (s *session) answered(a resync.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[a.Number]
	if w == nil {
		return
	}
	all := &w.answer
	all.Entries, all.Marks = append(all.Entries, a.Entries...), append(all.Marks, a.Marks...)
	all.Differs, all.All, all.Parts = append(all.Differs, a.Differs...), all.All || a.All, max(all.Parts, a.Parts)
	for k, v := range a.Xattrs {
		if all.Xattrs == nil {
			all.Xattrs = map[string][]byte{}
		}
		all.Xattrs[k] = v
	}
	if a.Error != "" {
		all.Error = a.Error
	}
	if !a.More {
		delete(s.waiting, a.Number)
		close(w.done)
	}
}

// Send puts an operation into the stream.
func (s *session) Send(op stream.Op) error {
	_, err := s.sender.Send(op)
	return err
}

// Post puts a request into the stream; the function waits for the answer.
func (s *session) Post(r resync.Request) (func() (resync.Answer, error), error) {
	if r.Remove != nil {
		return nil, s.put(message{Request: &r})
	}
	number, wait := s.expect()
	r.Number = number
	return wait, s.put(message{Request: &r})
}

func (s *session) put(m message) error { return s.Send(stream.Op{Kind: stream.Word, Data: m.encode()}) }

// expect numbers an answer and answers what waits for it.
func (s *session) expect() (uint64, func() (resync.Answer, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	w := &waiting{done: make(chan struct{})}
	s.waiting[s.number] = w
	return s.number, func() (resync.Answer, error) {
		select {
		case <-w.done:
			return w.answer, nil
		case <-s.ctx.Done():
			return resync.Answer{}, context.Cause(s.ctx)
		}
	}
}
