package replication

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
	"github.com/orchestrator-ha/orchestrator/core/mirror/resync"
	"github.com/orchestrator-ha/orchestrator/core/mirror/zones"
)

// A last round names few things, as nothing is written meanwhile; but there is an end to
// trying.
const (
	fewZones  = 256
	maxRounds = 8
)

// copy begins to bring the secondary up to date.
func (s *serving) copy(e mirror.Extent) {
	sess := s.current()
	if sess == nil {
		return // it has ended: Lost follows
	}
	c := &copying{s: s, sess: sess, extent: e, progress: resync.NewProgress(), done: make(chan struct{})}
	s.mu.Lock()
	before := s.copying
	s.copying = c
	s.mu.Unlock()
	s.running.Go(func() {
		defer close(c.done)
		if before != nil {
			<-before.done // it notes what is changed, too
		}
		err := c.run(sess.ctx)
		c.sources = nil // they remember what they walked
		for _, f := range s.recorder.Folders() {
			f.Touched(false)
		}
		if err == nil {
			f := c.progress.Figures()
			if done := resync.Cost(f.Files, f.Done); done >= 1<<20 {
				s.r.speed.Store(int64(float64(done) / time.Since(f.Since).Seconds()))
			}
			s.r.opts.Host.Note("info", fmt.Sprintf("The secondary was brought up to date in %s: %d of %d bytes that were compared (%s) differed and were sent.",
				time.Since(f.Since).Round(time.Millisecond), f.Sent, f.Total, c.extent))
			s.recorder.Copied(sess.sender)
			return
		}
		s.r.opts.Log.Warn("the secondary was not brought up to date", "module", s.r.opts.Module, "error", err)
		sess.sender.Close()
	})
}

// copying is a resynchronisation.
type copying struct {
	s        *serving
	sess     *session
	extent   mirror.Extent
	sources  []*resync.Source
	progress *resync.Progress
	done     chan struct{}
}

func (c *copying) run(ctx context.Context) error {
	s := c.s
	for i, root := range s.roots {
		c.sources = append(c.sources, s.source(c.sess, i, root, c.progress))
	}
	works, err := c.first()
	if err != nil {
		return err
	}
	for round := 1; ; round++ {
		for i, source := range c.sources {
			if err := source.Round(ctx, works[i]); err != nil {
				return fmt.Errorf("%s: %w", s.copies.places[i].Dir, err)
			}
		}
		size := 0
		works, size = c.touched()
		if size <= fewZones || round == maxRounds {
			return c.last(ctx, works)
		}
	}
}

// first is what the two sides have recorded. From then on what is changed is noted.
func (c *copying) first() ([]resync.Work, error) {
	recorded := make([]zones.Recorded, len(c.sources))
	c.s.between(func() {
		for i, f := range c.s.recorder.Folders() {
			f.Touched(true)
			recorded[i] = c.s.copies.logs[i].Recorded()
		}
	})
	works := make([]resync.Work, len(c.sources))
	for i, source := range c.sources {
		if c.extent == mirror.Everything {
			works[i].Everything = true
			continue
		}
		var err error
		if works[i], err = source.Work(recorded[i]); err != nil {
			return nil, err
		}
	}
	return works, nil
}

// touched is what was changed since the last call.
func (c *copying) touched() (works []resync.Work, size int) {
	c.s.between(func() {
		for _, f := range c.s.recorder.Folders() {
			w := resync.Work{Zones: f.Touched(true)}
			works = append(works, w)
			size += w.Size()
		}
	})
	return works, size
}

// last holds operations up until names are in order, lets them be sent from then on, and
// sends the data that is missing between them.
func (c *copying) last(ctx context.Context, works []resync.Work) error {
	var rests []*resync.Rest
	defer func() {
		for _, r := range rests {
			r.Close()
		}
	}()
	err := c.s.recorder.Carry(c.sess.sender, func() error {
		for i, source := range c.sources {
			works[i].Zones = append(works[i].Zones, c.s.recorder.Folders()[i].Touched(false)...)
			rest, err := source.Names(ctx, works[i])
			if err != nil {
				return fmt.Errorf("%s: %w", c.s.copies.places[i].Dir, err)
			}
			rests = append(rests, rest)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, r := range rests {
		if err := r.Data(ctx, c.s.mounts[i].Exclusive); err != nil {
			return fmt.Errorf("%s: %w", c.s.copies.places[i].Dir, err)
		}
	}
	return nil
}

// diverged is in the text of an error that says that the copy is not what the primary took it
// for: zones do not tell enough, and everything is compared the next time.
const diverged = "the copy is not what it was taken for"

// distrust makes the next resynchronisation a full one, if the last session ended because
// the copy was not what it was taken for.
func (s *serving) distrust(end error) {
	if end == nil || !strings.Contains(end.Error(), diverged) {
		return
	}
	if err := s.logs((*zones.Log).MarkEverything); err != nil {
		s.r.opts.Log.Error("replication", "module", s.r.opts.Module, "error", err)
	}
}
