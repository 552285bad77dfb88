package core

import (
	"encoding/json"
	"testing"
)

// Every activity answers every verb, so that no command falls through.
func TestCommandsTableIsComplete(t *testing.T) {
	verbs := []Verb{VerbStart, VerbStop, VerbForceStop, VerbRestart, VerbStopStart, VerbDrain, VerbUndrain, VerbWait}
	for _, a := range []activity{stopped, starting, running, restarting, stopping, forcing, cycling, queued} {
		for _, v := range verbs {
			r, ok := commands[a][v]
			if !ok {
				t.Errorf("%s: no reply to %s", a, v)
			}
			if (r.how == refuse) != (r.why != "") {
				t.Errorf("%s: the reply to %s must say why exactly if it refuses", a, v)
			}
		}
	}
}

func TestEnterOutsideTheTable(t *testing.T) {
	m := &machine{Instance: New(Module{Name: "web", Mode: Farm})}
	m.enter(status{Up, Ready}, "test", 0)
	const want = "web is STOP NotReady: entering UP Ready is not possible there"
	if m.err == nil || m.err.Error() != want {
		t.Errorf("got %v, want %s", m.err, want)
	}
}

func TestUnknownEvent(t *testing.T) {
	in := New(Module{Name: "web", Mode: Farm})
	for _, ev := range []Event{{Kind: "noise"}, {Kind: EventNetwork, OK: true}, {Kind: EventTimer, Name: "tea"}} {
		next, actions, err := Step(in, ev)
		if err == nil || actions != nil || next.Status() != in.Status() {
			t.Errorf("%+v: got %v, %v, %v; want an error and no change", ev, next.Status(), actions, err)
		}
	}
}

func TestStateText(t *testing.T) {
	for s := Stop; s <= Second; s++ {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got State
		if err := json.Unmarshal(b, &got); err != nil || got != s {
			t.Errorf("%s: got %v, %v", b, got, err)
		}
	}
	var s State
	if err := s.UnmarshalText([]byte("NOWHERE")); err == nil {
		t.Error("an unknown state was read")
	}
}
