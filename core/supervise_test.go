package core

import (
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
