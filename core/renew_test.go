package core

import "testing"

// A configuration that is told twice, by the catalog and by whoever applied it, is taken over
// once: what it begins anew, the second time would wait for news that nobody has.
func TestRenewsOnce(t *testing.T) {
	m := Module{Name: "m", Mode: Light, Version: "1.1"}
	in, renewed := New(m), 0
	for _, version := range []string{"2.1", "2.1", "", "3.1", "3.1"} {
		next := m
		next.Version = version
		var actions []Action
		var err error
		if in, actions, err = Step(in, Event{Kind: EventModule, Module: &next}); err != nil {
			t.Fatal(err)
		}
		for _, a := range actions {
			if a.Kind == ActRenew {
				renewed++
			}
		}
	}
	if renewed != 3 || in.Module.Version != "3.1" {
		t.Errorf("taken over %d times, ending with %q", renewed, in.Module.Version)
	}
}
