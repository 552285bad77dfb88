package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/link"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// epochs keeps the record of active zones small: from time to time both sides make all
// durable, and what was active before is forgotten.
func (s *serving) epochs() {
	tick := time.NewTicker(s.r.opts.Epoch)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
		sess := s.current()
		quiet := !slices.ContainsFunc(s.copies.logs, func(l *zones.Log) bool { return !l.Quiet() })
		if !quiet || s.recorder.State() == mirror.Alone {
			s.probe()
		}
		if sess == nil || quiet || s.recorder.State() != mirror.Mirroring {
			continue
		}
		if err := s.epoch(sess); err != nil && sess.ctx.Err() == nil {
			s.r.opts.Log.Warn("make both copies durable", "module", s.r.opts.Module, "error", err)
		}
	}
}

// probe looks whether the disks take what is written. That one does not shows by itself when a
// zone is recorded, but those that are written all the time are recorded already.
func (s *serving) probe() {
	err := s.r.writable()
	if !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EROFS) {
		s.broken = false
		return
	}
	if !s.broken {
		s.broken = true
		s.failed(err)
	}
}

// epoch makes durable on both sides what was written up to now.
func (s *serving) epoch(sess *session) error {
	begun := make([]uint32, len(s.copies.logs))
	number, wait := sess.expect()
	var err error
	s.between(func() { // what was recorded was written and sent, too
		for i, l := range s.copies.logs {
			begun[i] = l.Begin() // the new one
		}
		err = sess.put(message{Sync: number})
	})
	if err != nil {
		return err
	}
	if err := s.copies.sync(); err != nil {
		return err
	}
	if _, err := wait(); err != nil {
		return err
	}
	for i, l := range s.copies.logs {
		l.End(begun[i])
	}
	return s.logs((*zones.Log).Flush)
}

// repair waits until replication could work again, and says so.
func (s *serving) repair() {
	pause := time.Second
	for {
		select {
		case <-s.ended:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Minute)
		if s.recorder.State() != mirror.Alone {
			continue // not chosen yet
		}
		err := s.r.probe()
		if err == nil {
			s.mu.Lock()
			s.degraded = false
			s.mu.Unlock()
			s.r.opts.Host.News(core.ReplicaRepaired, core.Generation{}, "")
			return
		}
		s.r.opts.Log.Info("replication would not work yet", "module", s.r.opts.Module, "error", err)
	}
}

// probe asks the peer whether it could follow.
func (r *Replicator) probe() error {
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Patience)
	defer cancel()
	mine := r.now().hello()
	mine.Purpose = link.Probe
	err := fmt.Errorf("no address of the peer is known")
	for _, to := range r.opts.Addresses() {
		conn, _, failed := link.Dial(ctx, to, r.opts.PeerName, r.opts.Identity(), mine, func(theirs link.Hello) error { return link.Check(mine, theirs) })
		if failed == nil {
			return conn.Close()
		}
		err = failed
	}
	return err
}
