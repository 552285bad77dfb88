package stream

import (
	"fmt"
	"time"
)

// How long operations that nobody waits for may gather, and how many bytes of them.
const (
	gathering = 2 * time.Millisecond
	plenty    = 64 << 10
)

// hasten sees to it that what was put into out is written, with s.mu held.
func (s *Sender) hasten(now bool) {
	switch {
	case now, s.out.size >= plenty:
		s.due = true
		s.ready.Signal()
	case !s.beating:
		// It goes on as long as there are operations: a timer that is set for each would
		// wake the one who waits for timers as often.
		s.beating = true
		s.beat.Reset(gathering)
	}
}

// gathered ends the time for which operations gather.
func (s *Sender) gathered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.beating = s.sent != s.beaten
	if s.beaten = s.sent; s.beating {
		s.beat.Reset(gathering)
	}
	s.transmit()
}

// Push sends the operation now if it is not on its way. The caller writes it to the
// connection itself, which saves to wake up somebody who does.
func (t Ticket) Push() {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.taken < t.seq {
		s.transmit()
	}
}

// write writes what is due.
func (s *Sender) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil {
		if s.due && !s.writing {
			s.transmit()
		} else {
			s.ready.Wait()
		}
	}
}

// transmit writes what has gathered, with s.mu held but not during it; if somebody else
// is writing, it is due afterwards.
func (s *Sender) transmit() {
	if s.writing || s.out.size == 0 {
		s.due = s.out.size > 0
		return
	}
	s.writing, s.due, s.taken = true, false, s.sent
	pieces := s.out.take()
	s.mu.Unlock()
	var err error
	for _, p := range pieces {
		if err == nil && len(*p) > 0 {
			_, err = s.conn.Write(*p)
		}
		reuse(p)
	}
	if err != nil {
		s.fail(fmt.Errorf("send to the peer: %w", err))
	}
	s.mu.Lock()
	s.writing = false
	if s.due {
		s.ready.Signal()
	}
}
