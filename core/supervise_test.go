package core

import (
	"slices"
	"testing"
	"time"
)

// What is counted is forgotten after the interval, and by an operator's command.
func TestLoopCounter(t *testing.T) {
	at := time.Date(2025, 1, 31, 8, 0, 0, 0, time.UTC)
	in := New(Module{Name: "web", Mode: Farm, MaxLoop: 2, LoopInterval: time.Hour})
	ask := func(v Verb, after time.Duration) error {
		next, _, err := Step(in, Event{At: at.Add(after), Kind: EventCommand, Verb: v, Identity: "handler"})
		in = next
		return err
	}
	for i := range 2 {
		if err := ask(VerbIncLoop, time.Duration(i)*time.Minute); err != nil || in.Counted(at.Add(time.Minute)) != i+1 {
			t.Fatalf("counted %d: %v", in.Counted(at), err)
		}
	}
	if err := ask(VerbIncLoop, 2*time.Minute); err == nil {
		t.Error("a third action is within a limit of two")
	}
	if n := in.Counted(at.Add(time.Hour)); n != 1 {
		t.Errorf("after an hour %d are counted, not the second alone", n)
	}
	if err := ask(VerbResetLoop, 3*time.Minute); err != nil || in.Counted(at.Add(3*time.Minute)) != 0 {
		t.Errorf("after a reset %d are counted: %v", in.Counted(at), err)
	}
}

// A restart that a check asks for names its services to the hooks, and no other
// transition does.
func TestRestartOfServices(t *testing.T) {
	at := time.Date(2025, 1, 31, 8, 0, 0, 0, time.UTC)
	in := New(Module{Name: "web", Mode: Light, MaxLoop: 1, LoopInterval: time.Hour, Hooks: map[string]bool{"start_both": true, "stop_both": true},
		Checks: []Check{{Resource: "proc.db", When: WhenBoth, Action: VerbRestart, Services: "db, web"}}})
	var calls []string
	step := func(e Event) {
		e.At = at
		for todo := []Event{e}; len(todo) > 0; {
			next, out, err := Step(in, todo[0])
			if err != nil {
				t.Fatal(err)
			}
			in, todo = next, todo[1:]
			for _, a := range out {
				if a.Kind == ActHook {
					calls = append(calls, a.Hook.Name+" "+a.Hook.Services)
					todo = append(todo, Event{At: at, Kind: EventHook, Name: a.Hook.Name, OK: true})
				}
			}
		}
	}
	said := func(want ...string) {
		t.Helper()
		if !slices.Equal(calls, want) {
			t.Errorf("hooks %q, want %q", calls, want)
		}
		calls = nil
	}
	step(Event{Kind: EventCommand, Verb: VerbStart})
	said("stop_both ", "stop_both ", "start_both ")
	step(Event{Kind: EventResource, Resource: Resource{Name: "proc.db", Value: ResDown}})
	said("stop_both db, web", "stop_both db, web", "start_both db, web")
	step(Event{Kind: EventResource, Resource: Resource{Name: "proc.db", Value: ResDown}}) // one too many: stops
	said("stop_both ", "stop_both ")
	step(Event{Kind: EventCommand, Verb: VerbStart})
	calls = nil
	step(Event{Kind: EventCommand, Verb: VerbRestart})
	said("stop_both ", "stop_both ", "start_both ")
}
