package runner

import (
	"errors"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

func (r *Runner) loop() {
	defer close(r.done)
	defer r.stopTimers()
	if r.opt.Hold != nil {
		select {
		case <-r.ctx.Done():
			return
		case <-r.opt.Hold:
		}
	}
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.inbox.Signal():
		}
		for _, l := range r.inbox.Take() {
			if r.ctx.Err() != nil {
				return
			}
			if r.late(l) {
				continue
			}
			err := r.handle(l.event)
			if l.verdict != nil {
				l.verdict <- err
			}
		}
	}
}

// handle makes one step: event to journal, step, transitions and actions to
// the journal, state to those who watch, and only then the effects.
func (r *Runner) handle(ev core.Event) error {
	in := r.Snapshot()
	if rec, ok := r.recordEvent(in, ev); ok {
		ev.Cause = r.append(rec)
	}
	next, actions, err := core.Step(in, ev)
	if err != nil {
		r.refused(ev, err)
		return err
	}
	causes := make([]int64, len(actions))
	from := in.Status()
	for i, a := range actions {
		if rec, ok := r.recordAction(from, a, ev.At); ok {
			causes[i] = r.append(rec)
		} else {
			causes[i] = a.Cause
		}
		if a.Kind == core.ActResource {
			from = a.Resource.Reason
		}
	}
	if r.opt.Persist != nil {
		r.opt.Persist(next)
	}
	r.publish(next)
	for i, a := range actions {
		r.carryOut(a, causes[i])
	}
	return nil
}

// refused tells the journal of a step that was not made. What is not a refusal
// is a fault in the program.
func (r *Runner) refused(ev core.Event, err error) {
	level := "error"
	if refusal := new(core.Refusal); errors.As(err, &refusal) {
		level = "warn"
	}
	r.append(Record{Time: ev.At, Kind: kindOf(ev), Level: level, Text: "Refused: " + err.Error() + ".", Cause: ev.Cause})
}

func (r *Runner) append(rec Record) int64 {
	rec.Module = r.opt.Instance.Module.Name
	id, err := r.opt.Journal.Append(rec)
	if err != nil {
		r.opt.Log.Error("a journal entry was lost", "module", rec.Module, "text", rec.Text, "error", err)
		return rec.Cause // keep the chain
	}
	return id
}

func (r *Runner) carryOut(a core.Action, cause int64) {
	switch a.Kind {
	case core.ActTimer:
		r.setTimer(a, cause)
		return
	case core.ActShare:
		r.orders++
	case core.ActResource:
		r.opt.Log.Info("state", "module", r.opt.Instance.Module.Name, "state", a.Resource.Reason, "reason", a.Reason)
	}
	r.opt.Effects.Do(r.ctx, a, cause, r.answer(a, cause))
}

// answer makes the function with which the effects answer an action. Only its
// first call counts, and none for a share order that another has replaced.
func (r *Runner) answer(a core.Action, cause int64) func(core.Event) {
	order := r.orders
	var once sync.Once
	return func(ev core.Event) {
		once.Do(func() {
			ev.Cause = cause
			l := letter{event: ev}
			if a.Kind == core.ActShare {
				l.order = order
			}
			r.post(l)
		})
	}
}

func (r *Runner) setTimer(a core.Action, cause int64) {
	if t := r.timers[a.Name]; t != nil {
		t.Stop()
	}
	r.armed[a.Name]++
	if a.After <= 0 {
		delete(r.timers, a.Name)
		return
	}
	armed := r.armed[a.Name]
	r.timers[a.Name] = time.AfterFunc(a.After, func() {
		r.post(letter{timer: armed, event: core.Event{Kind: core.EventTimer, Name: a.Name, Cause: cause}})
	})
}

func (r *Runner) stopTimers() {
	for _, t := range r.timers {
		t.Stop()
	}
}

// late reports an answer or a timer that was overtaken while it was in the
// inbox.
func (r *Runner) late(l letter) bool {
	return l.order != 0 && l.order != r.orders || l.timer != 0 && l.timer != r.armed[l.event.Name]
}
