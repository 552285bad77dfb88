package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// patient is a module whose process comes and goes.
type patient struct {
	in      core.Instance
	changed chan core.Instance
	calls   []time.Duration // when the program was called, since the begin
	begun   time.Time
	helps   int // with which call the process is back; 0: never
	fails   int // which call fails; 0: none
	stopped []string
}

func (p *patient) becomes(phase core.Phase, value core.Value) {
	p.in.Phase = phase
	p.in.Resources = map[string]core.Resource{"proc.app": {Name: "proc.app", Value: value}, "proc.db": {Name: "proc.db", Value: core.ResDown}}
	select {
	case p.changed <- p.in:
	default:
	}
	synctest.Wait()
}

func (p *patient) run(context.Context, config.Proc, core.Resource) error {
	p.calls = append(p.calls, time.Since(p.begun))
	switch len(p.calls) {
	case p.fails:
		return errors.New("again failed: code 3")
	case p.helps:
		p.in.Resources = map[string]core.Resource{"proc.app": {Name: "proc.app", Value: core.ResUp}}
	}
	return nil
}

func care(t *testing.T, p *patient) {
	t.Helper()
	p.changed, p.begun = make(chan core.Instance, 1), time.Now()
	p.in = core.New(core.Module{Name: "web", Checks: []core.Check{{Resource: "proc.app", When: core.WhenBoth}}})
	p.in.State, p.in.Checking = core.Up, []core.When{core.WhenBoth}
	c := newCaretaker(t.Context(), careports{
		watch: func() (<-chan core.Instance, func()) { return p.changed, func() {} },
		now:   func() core.Instance { return p.in }, run: p.run,
		procs: func() []config.Proc {
			return []config.Proc{{Name: "db", Action: core.VerbRestart}, {Name: "app", Class: "mine", Handler: "again", Poll: 10 * time.Second}}
		},
		stopstart: func(reason string) { p.stopped = append(p.stopped, reason) },
	})
	t.Cleanup(c.close)
}

// The program of a missing process is called at once, and again each polltimer until
// the process is back.
func TestCaretakerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patient{helps: 3}
		care(t, p)
		p.becomes(core.Transient, core.ResDown)
		if time.Sleep(time.Minute); len(p.calls) > 0 {
			t.Fatal("it was called while the module was on its way")
		}
		p.becomes(core.Ready, core.ResDown)
		time.Sleep(5 * time.Minute)
		p.becomes(core.Ready, core.ResUp)
		time.Sleep(time.Minute)
		p.becomes(core.Ready, core.ResDown) // anew: at once
		p.becomes(core.Ready, core.ResUnknown)
		time.Sleep(time.Minute)
		want := []time.Duration{60 * time.Second, 70 * time.Second, 80 * time.Second, 420 * time.Second}
		if !slices.Equal(p.calls, want) || len(p.stopped) > 0 {
			t.Errorf("called at %v, want %v; stopped %q", p.calls, want, p.stopped)
		}
	})
}

// A program that fails has the module stopped and started.
func TestCaretakerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patient{fails: 2}
		care(t, p)
		p.becomes(core.Ready, core.ResDown)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(p.calls) != 2 || !slices.Equal(p.stopped, []string{"again failed: code 3"}) {
			t.Errorf("called at %v, stopped %q", p.calls, p.stopped)
		}
		p.becomes(core.Transient, core.ResDown)
		if time.Sleep(time.Minute); len(p.calls) != 2 {
			t.Errorf("called at %v, also while it was stopped", p.calls)
		}
	})
}
