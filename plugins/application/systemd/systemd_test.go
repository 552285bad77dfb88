package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// fakeBus is a systemd with one unit.
type fakeBus struct {
	unit, active, result string
	outcome              string // of the next start; empty is done
	calls                []string
	err                  error
}

func (f *fakeBus) start(_ context.Context, unit string) (string, error) {
	f.calls = append(f.calls, "start "+unit)
	if f.err != nil {
		return "", f.err
	}
	if f.outcome != "" {
		f.active, f.result = "failed", "exit-code"
		return f.outcome, nil
	}
	f.active = "active"
	return "done", nil
}

func (f *fakeBus) stop(_ context.Context, unit string) (string, error) {
	f.calls = append(f.calls, "stop "+unit)
	f.active = "inactive"
	return "done", f.err
}

func (f *fakeBus) kill(_ context.Context, unit string) error {
	f.calls = append(f.calls, "kill "+unit)
	return f.err
}

func (f *fakeBus) properties(_ context.Context, unit string) (map[string]any, error) {
	if unit != f.unit {
		return map[string]any{"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}, nil
	}
	return map[string]any{"LoadState": "loaded", "ActiveState": f.active, "SubState": "dead", "Result": f.result}, nil
}

func here() string { return "" }

func TestConformance(t *testing.T) {
	sdktest.Run(t, &controller{bus: &fakeBus{unit: "nginx.service", active: "inactive"}, unavailable: here}, sdktest.Options{
		Settings: json.RawMessage(`{"unit":"nginx"}`),
		Invalid:  []json.RawMessage{[]byte(`{}`), []byte(`{"unit":""}`), []byte(`{"unit":"a b"}`), []byte(`{"unit":"a","x":1}`)},
	})
}

// The real one, wherever the test runs: refused with its sentence without
// systemd. With systemd the suite would start a unit, so it is left out there.
func TestConformanceWithoutSystemd(t *testing.T) {
	if unavailable() == "" {
		t.Skip("systemd runs here")
	}
	sdktest.Run(t, New(), sdktest.Options{Settings: json.RawMessage(`{"unit":"nginx"}`)})
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		bus  *fakeBus
		want string
	}{
		{&fakeBus{unit: "a.service", outcome: "failed"}, `start unit a.service: the job ended with "failed" and it is failed (dead) because of exit-code; see journalctl -u a.service`},
		{&fakeBus{unit: "other.service"}, `start unit a.service: the job ended with "done" and systemd knows no such unit; see journalctl -u a.service`},
		{&fakeBus{unit: "a.service", err: errors.New("no bus")}, "start unit a.service: no bus"},
	} {
		a := &controller{bus: c.bus, unavailable: here}
		if err := a.Start(t.Context(), sdk.AppRequest{Settings: json.RawMessage(`{"unit":"a"}`)}); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestForceKillsFirst(t *testing.T) {
	bus := &fakeBus{unit: "a.timer", active: "active"}
	a := &controller{bus: bus, unavailable: here}
	r := sdk.AppRequest{Settings: json.RawMessage(`{"unit":"a.timer"}`), Force: true}
	for range 2 { // the second finds nothing to do
		if err := a.Stop(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(bus.calls); got != "[kill a.timer stop a.timer]" {
		t.Errorf("calls %s", got)
	}
	if s := a.Status(t.Context(), r); s.Status != sdk.StatusDown || !strings.HasPrefix(s.Reason, "unit a.timer: it is inactive (dead)") {
		t.Errorf("status %+v", s)
	}
}
