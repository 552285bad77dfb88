package primary

import (
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/stream"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// Connect takes a session with the peer, whose stored generations are given. The
// session is closed if there is nothing to do with it. The channel is closed when it
// has ended and another may be taken.
func (r *Recorder) Connect(sender *stream.Sender, peer mirror.Generations) <-chan struct{} {
	ended := make(chan struct{})
	taken := false
	r.drive(mirror.Met{Peer: peer}, func() bool {
		if taken = r.sender == nil; taken {
			r.sender = sender
		}
		return taken
	})
	if s := r.State(); !taken || s == mirror.Alone || s == mirror.Stopped {
		sender.Close()
	}
	go func() {
		defer close(ended)
		if <-sender.Done(); taken {
			r.lost(sender)
		}
	}()
	return ended
}

// Hear takes what the peer said in the session.
func (r *Recorder) Hear(sender *stream.Sender, w mirror.Word) {
	r.drive(mirror.Heard{Word: w}, func() bool { return r.sender == sender })
}

// Carry begins to send operations in the session, in the place where last puts what has
// to come before them. Until then they are only recorded. Nothing is written meanwhile.
func (r *Recorder) Carry(sender *stream.Sender, last func() error) error {
	var err error
	r.opts.Between(func() {
		if err = last(); err != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.sender != sender {
			err = sender.Err()
			return
		}
		r.sending = true
		r.session++
	})
	return err
}

// each does something with the record of each folder.
func (r *Recorder) each(do func(*zones.Log) error) error {
	for _, f := range r.folders {
		if err := do(f.zones); err != nil {
			return err
		}
	}
	return nil
}

// Copied says that all that was to be copied is in the session's stream.
func (r *Recorder) Copied(sender *stream.Sender) {
	r.drive(mirror.Copied{}, func() bool { return r.sender == sender })
}

// Choose says that the cluster has chosen this node; fresh is a random number.
func (r *Recorder) Choose(fresh mirror.Generation) { r.drive(mirror.Chosen{Fresh: fresh}, nil) }

// Reject says that the cluster has chosen the peer.
func (r *Recorder) Reject() { r.drive(mirror.Rejected{}, nil) }

// lost notes the end of a session. What was active may be there or not: it is dirty
// before anything else is recorded.
func (r *Recorder) lost(sender *stream.Sender) {
	r.drive(mirror.Lost{}, func() bool { return r.sender == sender })
}

// drive lets the machine take an event, if it still concerns, and carries out what it
// wants. Those who wait see the new state only when all that belongs before it is done:
// a step to a state that releases them follows a Stored.
func (r *Recorder) drive(e mirror.Event, concerns func() bool) {
	r.driving <- struct{}{}
	defer func() { <-r.driving }()
	for events := []mirror.Event{e}; len(events) > 0; {
		e, events = events[0], events[1:]
		if _, lost := e.(mirror.Lost); lost {
			// With sending still set, nobody records as dirty what Merge is to
			// make dirty.
			if err := r.each((*zones.Log).Merge); err != nil {
				r.fail(err)
				return
			}
		}
		r.mu.Lock()
		if concerns != nil && !concerns() {
			r.mu.Unlock()
			return
		}
		concerns = nil
		before := r.machine.State()
		effects := r.machine.Step(e)
		after := r.machine.State()
		sender := r.sender
		if _, lost := e.(mirror.Lost); lost {
			r.sender, r.sending = nil, false
		}
		r.changed.Broadcast()
		r.mu.Unlock()
		for _, effect := range effects {
			next, err := r.carryOut(sender, effect)
			if err != nil {
				r.fail(err)
				return
			}
			if next != nil {
				events = append(events, next)
			}
		}
		if after != before && r.opts.Entered != nil {
			r.opts.Entered(after)
		}
	}
}

// carryOut does one effect, and answers the event that it leads to.
func (r *Recorder) carryOut(sender *stream.Sender, effect mirror.Effect) (mirror.Event, error) {
	switch e := effect.(type) {
	case mirror.Store:
		return mirror.Stored{}, r.opts.Store(e.Generations)
	case mirror.Sync:
		return mirror.Synced{}, r.opts.Sync()
	case mirror.Say:
		if r.opts.Say(sender, e.Word) != nil {
			sender.Close() // Lost follows
		}
	case mirror.Copy:
		r.opts.Copy(e.Extent)
	case mirror.Clear:
		return nil, r.each((*zones.Log).Clear)
	case mirror.Stop:
		return nil, ErrStopped
	case mirror.Decline:
		r.opts.Decline(e.Decision)
	}
	return nil, nil
}
