package mirror

import "testing"

// Two copies that were closed in order: either may be the next primary without the other, and
// nothing is compared when they meet.
func TestClosed(t *testing.T) {
	primary := with(gens(5, 0, 4), "primary unclean")
	secondary := Generations{}.Joined(primary)
	closed := primary.Closed()
	if p, why := closed.Promote(Situation{Chosen: true}); p != Allowed || why != "both copies were closed in order" {
		t.Errorf("the primary that was closed: %s, %s", p, why)
	}
	if d := Compare(closed, secondary.Closed()); d.Relation != Equal || d.Extent != Nothing {
		t.Errorf("both closed: %s", d)
	}
	if p, _ := primary.Promote(Situation{Chosen: true}); p != ByForce {
		t.Errorf("a primary that was not closed: %s", p)
	}
}

func TestCheck(t *testing.T) {
	for name, g := range map[string]Generations{
		"a mixture that is primary": with(gens(5, 0), "inconsistent primary"),
		"a past without data":       gens(0, 0, 4),
		"a bitmap without data":     gens(0, 4),
		"a primary without data":    with(gens(0, 0), "primary"),
		"none in the past":          gens(5, 0, 4, 0),
		"twice the same":            gens(5, 0, 4, 4),
		"the past is the present":   gens(5, 0, 5),
		"a bitmap of the present":   gens(5, 5),
		"more than is kept":         gens(99, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17),
	} {
		if g.Check() == nil {
			t.Errorf("%s is possible: %s", name, g)
		}
	}
	for name, g := range map[string]Generations{
		"a new copy": {}, "one that is being filled": with(gens(0, 0), "inconsistent"), "all that is kept": gens(99, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
		"a primary that goes on alone": with(gens(5, 4, 4), "primary unclean"),
	} {
		if err := g.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
