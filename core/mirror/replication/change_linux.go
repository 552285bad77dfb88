package replication

import (
	"fmt"
	"slices"

	"golang.org/x/time/rate"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
)

// burst is how much may be sent at once with a limit, in bytes: the limit is for the second.
const burst = 64 << 10

func limitOf(bytes int) rate.Limit {
	if bytes <= 0 {
		return rate.Inf
	}
	return rate.Limit(bytes)
}

// now is what holds at present.
func (r *Replicator) now() *Options { return r.changed.Load() }

// Change takes over, while it runs, what may change then: what is left out of the same
// folders, mode, limit and workers at once, patience with the next session. Both nodes are
// to be changed; who meets before that is refused and comes again. What is wrong with it is
// told by Host.Note.
func (r *Replicator) Change(o Options) {
	o = o.orDefaults()
	r.do(func() {
		if err := r.change(o); err != nil {
			r.opts.Host.Note("error", fmt.Sprintf("What is replicated stays as it was until the module is started anew: %v.", err))
		}
	})
}

func (r *Replicator) change(o Options) error {
	if !slices.Equal(dirsOf(o.places()), dirsOf(r.opts.places())) {
		return fmt.Errorf("other folders need a stop of the module")
	}
	if s := r.serves(); s != nil {
		if err := s.change(o); err != nil {
			return err
		}
	}
	r.changed.Store(&o)
	if f := r.follows(); f != nil {
		return f.change()
	}
	return nil
}

// change is that of a primary. Rules change first, as they may be refused.
func (s *serving) change(o Options) error {
	changed := false
	for i, m := range s.mounts {
		was, next := s.r.now().Folders[i], o.Folders[i]
		if slices.Equal(was.Except, next.Except) {
			continue
		}
		if err := m.SetRules(next.Rules); err != nil {
			for k := range i { // what was there before is possible
				_ = s.mounts[k].SetRules(s.r.now().Folders[k].Rules)
			}
			return err
		}
		changed = true
	}
	if changed {
		s.copies.mu.Lock()
		err := s.copies.keepLocal(o.Folders)
		s.copies.mu.Unlock()
		if err != nil {
			return err
		}
	}
	s.recorder.SetMode(o.Mode)
	s.limit.SetLimit(limitOf(o.Limit))
	if state := s.recorder.State(); changed && state != mirror.Mirroring {
		if sess := s.current(); sess != nil {
			sess.sender.Close() // a resynchronisation goes by the rules that it began with
		}
	}
	return nil
}

// change is that of a secondary. What of this node's own is replicated from now on is
// compared in another session, and marked before it: a session that ends well would take
// the marks for done.
func (f *following) change() error {
	now := f.r.now()
	f.mu.Lock()
	if f.files != nil && now.leavesOut() {
		f.files.KeepLocal(true) // and goes on to: what was local is still there
	}
	f.mu.Unlock()
	more, err := f.copies.widens(now.Folders)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.due = true
	end := f.end
	f.mu.Unlock()
	if !more {
		f.settle()
	} else if end != nil {
		end()
	}
	return nil
}

// settle marks what is replicated from now on, if that is due; between two sessions, or
// when it is nothing.
func (f *following) settle() {
	f.mu.Lock()
	due := f.due
	f.due = false
	f.mu.Unlock()
	if !due {
		return
	}
	if err := f.copies.leaveOut(f.r.now().Folders); err != nil {
		f.mu.Lock()
		f.due = true
		f.mu.Unlock()
		f.r.opts.Log.Error("take over what is replicated", "module", f.r.opts.Module, "error", err)
	}
}

// leavesOut says that some files are not replicated.
func (o *Options) leavesOut() bool {
	return slices.ContainsFunc(o.Folders, func(f Folder) bool { return !f.Rules.None() })
}
