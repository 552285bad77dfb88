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

func TestMirrorCommandsTableIsComplete(t *testing.T) {
	verbs := append([]Verb{VerbStart, VerbStop, VerbForceStop, VerbRestart, VerbStopStart, VerbDrain, VerbUndrain, VerbWait}, pairVerbs...)
	for _, a := range []activity{stopped, starting, running, changing, restarting, stopping, forcing, cycling, queued} {
		for _, v := range verbs {
			r, ok := mirrorCommands[a][v]
			if !ok || (r.how == refuse) != (r.why != "") {
				t.Errorf("%s: the reply to %s is %+v", a, v, r)
			}
		}
	}
}

// Whatever two nodes know of each other, both come to the same answer.
func TestOrderOfNodesIsNeverOpen(t *testing.T) {
	var sides []side
	for _, d := range []Data{
		{}, {Generation: Generation{3, 1, 1}, Standing: StandingSole}, {Generation: Generation{3, 2, 1}, Standing: StandingShared, Prim: true},
		{Generation: Generation{4, 1, 1}, Ancestors: [remembered]Generation{{3, 2, 1}}, Standing: StandingOutdated}, {Generation: Generation{9, 2, 1}, Standing: StandingPartial},
	} {
		for i := range 16 {
			s := side{PeerState{Data: d, Lapsed: i&1 != 0, Took: i&2 != 0}, i&4 != 0}
			if i&8 != 0 {
				s.Wish = VerbPrim
			}
			sides = append(sides, s)
		}
	}
	for _, a := range sides {
		for _, b := range sides {
			a.Node, b.Node = 1, 2
			for _, replicated := range []bool{false, true} {
				if outranks(a, b, replicated) == outranks(b, a, replicated) {
					t.Fatalf("open: %+v and %+v", a, b)
				}
			}
			ab, _ := stays(a, b)
			ba, _ := stays(b, a)
			if ab == ba {
				t.Fatalf("both stay, or none: %+v and %+v", a, b)
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

func TestPartsText(t *testing.T) {
	for p := range Parts(16) {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Parts
		if err := json.Unmarshal(b, &got); err != nil || got != p {
			t.Errorf("%s: got %v, %v", b, got, err)
		}
	}
	if new(Parts).UnmarshalText([]byte("prim half")) == nil {
		t.Error("an unknown part was read")
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

// A stop hook that fails twice for one reason is told once.
func TestNotesAreToldOnce(t *testing.T) {
	m := &machine{}
	for _, text := range []string{"stop asked for", "stop_both failed: late", "stop_both failed: late", "late"} {
		m.note(text)
	}
	if want := "stop asked for; stop_both failed: late; late"; m.LastReason != want {
		t.Errorf("%q, want %q", m.LastReason, want)
	}
}
