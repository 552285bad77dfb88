package core

import (
	"strings"
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

// A restart that is about some services says so to the hooks, and no other transition
// does.
func TestRestartOfServices(t *testing.T) {
	at := time.Date(2025, 1, 31, 8, 0, 0, 0, time.UTC)
	in := New(Module{Name: "web", Mode: Light, MaxLoop: 2, LoopInterval: time.Hour,
		Hooks:  map[string]bool{"start_both": true, "stop_both": true},
		Checks: []Check{{Resource: "proc.db", When: WhenBoth, Action: VerbRestart, Services: "db, cache"}}})
	var called []string
	drive := func(ev Event) {
		t.Helper()
		for queue := []Event{ev}; len(queue) > 0; queue = queue[1:] {
			queue[0].At = at
			next, actions, err := Step(in, queue[0])
			if err != nil {
				t.Fatal(err)
			}
			in = next
			for _, a := range actions {
				if a.Kind == ActHook {
					called = append(called, a.Hook.Name+" "+a.Hook.Services)
					queue = append(queue, Event{Kind: EventHook, Name: a.Hook.Name, OK: true})
				}
			}
		}
	}
	down := Event{Kind: EventResource, Resource: Resource{Name: "proc.db", Value: ResDown}}
	for _, c := range []struct {
		ev   Event
		want string
	}{
		{Event{Kind: EventCommand, Verb: VerbStart}, "start_both "},
		{down, "stop_both db, cache|stop_both db, cache|start_both db, cache"},
		{Event{Kind: EventCommand, Verb: VerbRestart}, "stop_both |stop_both |start_both "},
		{down, "stop_both db, cache|stop_both db, cache|start_both db, cache"},
		{down, "stop_both db, cache|stop_both db, cache|start_both db, cache"},
		{down, "stop_both |stop_both "}, // one too many: it stops as a whole
	} {
		called = nil
		drive(c.ev)
		if got := strings.Join(called, "|"); !strings.HasSuffix(got, c.want) || strings.Count(got, "start_both") != strings.Count(c.want, "start_both") {
			t.Errorf("%s %s calls %q, want %q", c.ev.Kind, c.ev.Verb, got, c.want)
		}
	}
}
