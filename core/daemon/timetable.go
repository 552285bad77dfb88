package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// timetable follows the times of a mirror with replicated folders: when a secondary is
// synchronised (syncat), and when the primary compares both copies (verifyat). It also
// publishes what is known of the data as resources. One goroutine.
type timetable struct {
	ports  timetablePorts
	poked  chan struct{}
	asked  chan struct{} // synchronise now
	cancel context.CancelFunc
	done   chan struct{}

	mu           sync.Mutex
	sync, verify appointment
}

// timetablePorts is what a timetable needs of its module.
type timetablePorts struct {
	config func() *config.Rfs
	watch  func() (<-chan core.Instance, func())
	post   func(core.Event)
	// verify compares both copies; it returns when that is done.
	verify func(context.Context)
	// trouble is why nothing can be written on a primary any more.
	trouble func() error
}

// appointment is the next of some times.
type appointment struct {
	times string
	next  time.Time
}

// come keeps the appointment with what is configured, and reports that it has come.
func (a *appointment) come(now time.Time, times config.Times) bool {
	if a.times != times.String() {
		*a = appointment{times.String(), times.Next(now)}
		return false
	}
	if a.next.IsZero() || now.Before(a.next) {
		return false
	}
	a.next = times.Next(now)
	return true
}

// tick is how long a timetable sleeps at most: the clock may be set.
const tick = time.Minute

func newTimetable(ctx context.Context, ports timetablePorts) *timetable {
	ctx, cancel := context.WithCancel(ctx)
	t := &timetable{ports: ports, poked: make(chan struct{}, 1), asked: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go t.loop(ctx)
	return t
}

func (t *timetable) close() {
	t.cancel()
	<-t.done
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// poke tells that something is to be looked at: another configuration, a disk that fails.
func (t *timetable) poke() {
	if t != nil {
		signal(t.poked)
	}
}

// synchronise has a secondary that waits for its time synchronised now.
func (t *timetable) synchronise() { signal(t.asked) }

func (t *timetable) loop(ctx context.Context) {
	defer close(t.done)
	updates, stop := t.ports.watch()
	defer stop()
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var comparing sync.WaitGroup
	defer comparing.Wait()
	free := make(chan struct{}, 1) // nothing is being compared
	free <- struct{}{}
	var in core.Instance
	due, said := false, map[string]core.Value{}
	for {
		select {
		case <-ctx.Done():
			return
		case in = <-updates:
		case <-t.poked:
		case <-t.asked:
			due = true
		case <-timer.C:
		}
		now, conf := time.Now(), t.ports.config()
		t.mu.Lock()
		syncs, verifies := t.sync.come(now, conf.SyncAt), t.verify.come(now, conf.VerifyAt)
		next := t.sync.next
		timer.Reset(t.soonest(now))
		t.mu.Unlock()
		due = toSync(in, due || syncs)
		if verifies && in.State == core.Prim {
			select {
			case <-free:
				comparing.Go(func() {
					t.ports.verify(ctx)
					free <- struct{}{}
				})
			default: // the last one goes on
			}
		}
		t.publish(in, conf, now, due, next, said)
	}
}

// soonest is how long to sleep, with t.mu held.
func (t *timetable) soonest(now time.Time) time.Duration {
	d := tick
	for _, a := range []appointment{t.sync, t.verify} {
		if !a.next.IsZero() {
			d = min(d, max(0, a.next.Sub(now)))
		}
	}
	return d
}

// toSync says whether a synchronisation is due: until it is done.
func toSync(in core.Instance, due bool) bool {
	s := in.Pair.Self
	switch {
	case in.State == core.Second && in.Phase == core.Ready, in.State.Primary(), in.State == core.Stop:
		return false
	case in.State == core.Wait && (s.Wish == core.VerbSecond || s.Wish == core.VerbSecondForce):
		return true
	}
	return due
}

// publish tells what has changed.
func (t *timetable) publish(in core.Instance, conf *config.Rfs, now time.Time, due bool, next time.Time, said map[string]core.Value) {
	value := map[bool]core.Value{true: core.ResUp, false: core.ResDown}
	say := func(name string, v core.Value, reason string) {
		if said[name] != v {
			said[name] = v
			t.ports.post(core.Event{Kind: core.EventResource, Resource: core.Resource{Name: name, Value: v, Reason: reason}})
		}
	}
	if in.Module.Name == "" {
		return // nothing is known yet
	}
	say("rfs.uptodate", value[in.UpToDate()], "")
	say("rfs.degraded", value[in.Degraded()], "")
	if conf.SyncDelta > 0 {
		ago, ok := in.Synced(now)
		say("rfs.synced", value[in.UpToDate() || ok && ago <= conf.SyncDelta], "")
	}
	disk := core.Resource{Name: config.ReplicaDisk, Value: core.ResUp}
	if err := t.ports.trouble(); err != nil {
		disk.Value, disk.Reason = core.ResDown, err.Error()
	}
	t.check(in, core.WhenPrim, disk)
	if conf.SyncAt.Never() {
		return
	}
	turn := core.Resource{Name: core.SyncAt, Value: core.ResUp}
	if !due && waitsForSync(in) {
		turn.Value, turn.Reason = core.ResDown, "the next synchronisation is at "+next.Format("2006-01-02 15:04")
	}
	t.check(in, core.WhenPre, turn)
}

// check tells the result of a check of the module, whose results begin anew with each start.
func (t *timetable) check(in core.Instance, when core.When, r core.Resource) {
	is := in.Resources[r.Name]
	if slices.Contains(in.Checking, when) && (is.Value != r.Value || is.Reason != r.Reason) {
		t.ports.post(core.Event{Kind: core.EventResource, Resource: r})
	}
}

// waitsForSync says that this node is a secondary, or would be, whose copy is one of a moment.
func waitsForSync(in core.Instance) bool {
	p := in.Pair
	whole := p.Self.Data.Standing != core.StandingNone && p.Self.Data.Standing != core.StandingPartial
	return whole && !in.State.Primary() && p.Link == core.LinkHeard && p.Peer.State.Primary()
}

// tell adds to the status what the timetable knows; nil knows nothing.
func (t *timetable) tell(out *control.Replication, in core.Instance) {
	if in.Pair.Synced != 0 {
		out.Synced = new(time.Unix(in.Pair.Synced, 0))
	}
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range []struct {
		at   time.Time
		into **time.Time
	}{{t.sync.next, &out.NextSync}, {t.verify.next, &out.NextVerify}} {
		if !one.at.IsZero() {
			*one.into = new(one.at)
		}
	}
}

func (mod *module) timetablePorts() timetablePorts {
	return timetablePorts{
		config: func() *config.Rfs {
			if rfs := mod.config().Rfs; rfs != nil {
				return rfs
			}
			return &config.Rfs{}
		},
		watch: mod.runner.Subscribe, post: mod.runner.Post, verify: mod.verifyOnTime,
		trouble: func() error {
			if mod.replica == nil {
				return nil
			}
			return mod.replica.Trouble()
		},
	}
}

// verifyOnTime compares both copies because it is time to. The outcome is in the journal and
// in the status.
func (mod *module) verifyOnTime(ctx context.Context) {
	if mod.replica == nil {
		return
	}
	if _, err := mod.replica.Verify(ctx); err != nil && ctx.Err() == nil {
		mod.m.d.noteModule(mod.conf.Name, "replica", "warn", fmt.Sprintf("Both copies were to be compared now (verifyat), and could not be: %v.", err), nil, 0)
	}
}

// synchronise is what setting the resource of syncat asks for.
func (d *Daemon) synchronise(name string, value core.Value) error {
	mod, err := d.module(name)
	switch {
	case err != nil:
		return err
	case mod.timetable == nil || mod.timetable.ports.config().SyncAt.Never():
		return fmt.Errorf("%s cannot be set: %s is not synchronised at times (syncat of <rfs>)", core.SyncAt, name)
	case value != core.ResUp:
		return fmt.Errorf("%s can be set up only, which synchronises now", core.SyncAt)
	}
	mod.timetable.synchronise()
	return nil
}
