package w3svc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// fakeSCM has services that take some time, and remembers what it was asked.
type fakeSCM struct {
	state map[string]status
	deps  map[string][]string
	exit  uint32 // of the next start, which then fails
	deaf  bool   // stop has no effect
	takes time.Duration
	calls []string
}

func (f *fakeSCM) query(s string) (status, error) {
	st, ok := f.state[s]
	if !ok {
		return st, errors.New("there is no such service")
	}
	return st, nil
}

// become changes a service's state, by way of a pending one.
func (f *fakeSCM) become(s, by string, end status) {
	if f.takes == 0 {
		f.state[s] = end
		return
	}
	f.state[s] = status{phase: other, word: by}
	time.AfterFunc(f.takes, func() { f.state[s] = end })
}

func (f *fakeSCM) start(s string) error {
	f.calls = append(f.calls, "start "+s)
	end := status{phase: running, word: "running"}
	if f.exit != 0 {
		end = status{phase: stopped, word: "stopped", exit: f.exit}
	}
	f.become(s, "start-pending", end)
	return nil
}

func (f *fakeSCM) stop(s string) error {
	f.calls = append(f.calls, "stop "+s)
	if !f.deaf {
		f.become(s, "stop-pending", status{phase: stopped, word: "stopped"})
	}
	return nil
}

func (f *fakeSCM) kill(s string) error {
	f.calls = append(f.calls, "kill "+s)
	f.state[s] = status{phase: stopped, word: "stopped", exit: 1067}
	return nil
}

func (f *fakeSCM) dependents(s string) ([]string, error) { return f.deps[s], nil }

func scmWith(takes time.Duration, services ...string) *fakeSCM {
	f := &fakeSCM{state: map[string]status{}, deps: map[string][]string{}, takes: takes}
	for _, s := range services {
		f.state[s] = status{phase: stopped, word: "stopped"}
	}
	return f
}

// anywhere is the controller where its services are made of memory.
type anywhere struct{ *controller }

func (a anywhere) Describe() sdk.Description {
	d := a.controller.Describe()
	d.Platforms = nil
	return d
}

func TestConformance(t *testing.T) {
	o := sdktest.Options{
		Settings: json.RawMessage(`{"services":["W3SVC"]}`),
		Invalid:  []json.RawMessage{[]byte(`{"services":[]}`), []byte(`{"services":"W3SVC"}`), []byte(`{"service":["W3SVC"]}`)},
	}
	t.Run("with services", func(t *testing.T) { sdktest.Run(t, anywhere{&controller{manager: scmWith(0, "W3SVC")}}, o) })
	if runtime.GOOS != "windows" {
		t.Run("elsewhere", func(t *testing.T) { sdktest.Run(t, New(), o) })
	}
}

func TestRefusalIsOneSentence(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("here it works")
	}
	want := "IIS (W3SVC) runs on Windows only; this node runs " + runtime.GOOS
	if err := New().Start(t.Context(), sdk.AppRequest{}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if d := New().Describe(); d.Unavailable != want {
		t.Errorf("unavailable %q", d.Unavailable)
	}
}

func TestOrderAndDependents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := scmWith(3*time.Second, "WAS", "W3SVC", "SHOP")
		c := &controller{manager: f}
		r := sdk.AppRequest{Settings: json.RawMessage(`{"services":["WAS","W3SVC"]}`)}
		if err := c.Start(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if s := c.Status(t.Context(), r); s.Status != sdk.StatusUp {
			t.Errorf("status %+v", s)
		}
		f.state["SHOP"], f.deps["W3SVC"] = status{phase: running, word: "running"}, []string{"SHOP"}
		if err := c.Stop(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.calls); got != "[start WAS start W3SVC stop SHOP stop W3SVC stop WAS]" {
			t.Errorf("calls %s", got)
		}
		if s := c.Status(t.Context(), r); s.Reason != "service WAS is stopped; service W3SVC is stopped" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestStartFailsAndStopHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := scmWith(time.Second, "W3SVC")
		f.exit = 1067
		c := &controller{manager: f}
		err := c.Start(t.Context(), sdk.AppRequest{})
		if err == nil || err.Error() != "start service W3SVC: it stopped again with error 1067; see the Windows event log" {
			t.Errorf("start: %v", err)
		}
		f.state["W3SVC"], f.deaf = status{phase: running, word: "running"}, true
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.Stop(ctx, sdk.AppRequest{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v", err)
		}
		if err := c.Stop(t.Context(), sdk.AppRequest{Force: true}); err != nil || f.calls[len(f.calls)-1] != "kill W3SVC" {
			t.Errorf("forced stop: %v, %v", err, f.calls)
		}
		if err := c.Start(t.Context(), sdk.AppRequest{Settings: json.RawMessage(`{"services":["none"]}`)}); err == nil || err.Error() != "start service none: there is no such service" {
			t.Errorf("unknown service: %v", err)
		}
	})
}
