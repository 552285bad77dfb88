package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// timed is a timetable whose module is a value.
type timed struct {
	t        *testing.T
	table    *timetable
	updates  chan core.Instance
	conf     *config.Rfs
	in       core.Instance
	compared []time.Time
	trouble  error
	said     []string
}

func newTimed(t *testing.T, attributes string) *timed {
	document := fmt.Sprintf(`<safe><service mode="mirror"><rfs %s><replicated dir="/srv/data"/></rfs></service></safe>`, attributes)
	conf, problems := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(document)}}, "db", config.Options{})
	if conf == nil {
		t.Fatal(problems)
	}
	x := &timed{t: t, updates: make(chan core.Instance, 1), conf: conf.Rfs, in: core.New(conf.Core())}
	x.updates <- x.in
	x.table = newTimetable(t.Context(), timetablePorts{
		config:  func() *config.Rfs { return x.conf },
		watch:   func() (<-chan core.Instance, func()) { return x.updates, func() {} },
		post:    x.post,
		verify:  func(context.Context) { x.compared = append(x.compared, time.Now()) },
		trouble: func() error { return x.trouble },
	})
	synctest.Wait()
	return x
}

// inUTC makes times the same wherever the test runs.
func inUTC(t *testing.T) {
	here := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = here })
}

// post is the state machine, as far as resources go.
func (x *timed) post(e core.Event) {
	x.said = append(x.said, strings.TrimSpace(fmt.Sprintf("%s is %s %s", e.Resource.Name, e.Resource.Value, e.Resource.Reason)))
	all := map[string]core.Resource{e.Resource.Name: e.Resource}
	for name, r := range x.in.Resources {
		if name != e.Resource.Name {
			all[name] = r
		}
	}
	x.in.Resources = all
}

// change changes the module, and answers what was said of it after that.
func (x *timed) change(how func(*core.Instance)) string {
	x.t.Helper()
	x.said = nil
	how(&x.in)
	x.updates <- x.in
	synctest.Wait()
	return strings.Join(x.said, "; ")
}

func (x *timed) expect(what, got, want string) {
	x.t.Helper()
	if got != want {
		x.t.Errorf("%s: said %q, want %q", what, got, want)
	}
}

// A secondary waits for its time, is synchronised then, and waits again. In a bubble the time
// begins at midnight of 2000-01-01, UTC.
func TestSynchronisedAtTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inUTC(t)
		x := newTimed(t, `syncat="0 22 * * *"`)
		defer x.table.close()
		second := func(standing core.Standing, state core.State, phase core.Phase) func(*core.Instance) {
			return func(in *core.Instance) {
				in.State, in.Phase, in.Checking = state, phase, []core.When{core.WhenPre}
				in.Pair.Self.Data.Standing = standing
				in.Pair.Link, in.Pair.Peer.State = core.LinkHeard, core.Alone
			}
		}
		x.expect("at first", x.change(second(core.StandingNone, core.Wait, core.Transient)), "rfs.syncat is up")
		x.expect("while it is copied", x.change(second(core.StandingPartial, core.Second, core.Transient)), "")
		x.expect("when it has all", x.change(second(core.StandingShared, core.Second, core.Ready)),
			"rfs.uptodate is up; rfs.syncat is down the next synchronisation is at 2000-01-01 22:00")
		x.expect("in between", x.change(second(core.StandingOutdated, core.Wait, core.NotReady)), "rfs.uptodate is down")
		x.said = nil
		time.Sleep(22*time.Hour - time.Second)
		synctest.Wait()
		x.expect("a second before its time", strings.Join(x.said, "; "), "")
		time.Sleep(time.Second)
		synctest.Wait()
		x.expect("at its time", strings.Join(x.said, "; "), "rfs.syncat is up")
		x.expect("while it is copied", x.change(second(core.StandingPartial, core.Second, core.Transient)), "")
		x.expect("when it has all", x.change(second(core.StandingShared, core.Second, core.Ready)),
			"rfs.uptodate is up; rfs.syncat is down the next synchronisation is at 2000-01-02 22:00")
		x.expect("in between", x.change(second(core.StandingOutdated, core.Wait, core.NotReady)), "rfs.uptodate is down")
		x.said = nil
		x.table.synchronise()
		synctest.Wait()
		x.expect("when it is asked for", strings.Join(x.said, "; "), "rfs.syncat is up")
		x.change(second(core.StandingShared, core.Second, core.Ready))
		x.expect("without the primary", x.change(func(in *core.Instance) {
			in.State, in.Pair.Link = core.Wait, core.LinkLost
		}), "rfs.syncat is up")
		if len(x.compared) > 0 {
			t.Errorf("compared at %v", x.compared)
		}
	})
}

// A primary compares the copies when it is time to, and another time when that was changed.
func TestComparedAtTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inUTC(t)
		x := newTimed(t, `verifyat="30 3 * * *"`)
		defer x.table.close()
		x.change(func(in *core.Instance) { in.State, in.Phase = core.Alone, core.Ready })
		time.Sleep(24 * time.Hour)
		x.change(func(in *core.Instance) { in.State = core.Prim })
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(x.compared) != 1 || x.compared[0].Format("02 15:04:05") != "02 03:30:00" {
			t.Errorf("compared at %v", x.compared)
		}
		x.conf = newTimedConfig(t, `verifyat="0 12 * * *"`)
		x.table.poke()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(x.compared) != 2 || x.compared[1].Format("02 15:04:05") != "03 12:00:00" {
			t.Errorf("compared at %v", x.compared)
		}
	})
}

func newTimedConfig(t *testing.T, attributes string) *config.Rfs {
	x := newTimed(t, attributes)
	x.table.close()
	return x.conf
}

// A disk that fails under the primary is a check that is down, until the module is started anew.
func TestDiskOfThePrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTimed(t, "")
		defer x.table.close()
		x.expect("as primary", x.change(func(in *core.Instance) {
			in.State, in.Checking = core.Alone, []core.When{core.WhenPre, core.WhenPrim}
		}), "rfs.disk is up")
		x.said, x.trouble = nil, errors.New("input/output error")
		x.table.poke()
		synctest.Wait()
		x.expect("when it fails", strings.Join(x.said, "; "), "rfs.disk is down input/output error")
		x.expect("when that is known", x.change(func(*core.Instance) {}), "")
		x.trouble = nil
		x.expect("as secondary", x.change(func(in *core.Instance) {
			in.State, in.Checking, in.Resources = core.Second, []core.When{core.WhenPre}, nil
		}), "")
	})
}

// rfs.synced tells for how long syncdelta lets a node start by itself.
func TestSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTimed(t, `syncdelta="1h"`)
		defer x.table.close()
		x.expect("up to date", x.change(func(in *core.Instance) {
			in.State, in.Pair.Synced, in.Pair.Self.Data.Standing = core.Second, time.Now().Unix(), core.StandingShared
		}), "rfs.uptodate is up; rfs.synced is up")
		time.Sleep(2 * time.Hour)
		x.expect("up to date for long", x.change(func(*core.Instance) {}), "")
		x.expect("outdated", x.change(func(in *core.Instance) {
			in.State, in.Pair.Synced, in.Pair.Self.Data.Standing = core.Wait, time.Now().Unix(), core.StandingOutdated
		}), "rfs.uptodate is down")
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		x.expect("later", strings.Join(x.said, "; "), "rfs.uptodate is down; rfs.synced is down")
	})
}
