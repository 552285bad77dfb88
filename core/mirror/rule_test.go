package mirror

import "testing"

// The cluster's choice of a primary decides what the generations leave open, and nothing
// else.
func TestRule(t *testing.T) {
	serving := Generations{Current: 2}.Promoted(3)
	for _, c := range []struct {
		name       string
		mine, peer Generations
		part       Part
		extent     Extent
		save       bool
	}{
		{"the peer is behind", serving, Generations{Current: 2}, Source, Zones, false},
		{"the peer is new", serving, Generations{}, Source, Everything, true},
		{"a split", serving, Generations{Current: 2}.Promoted(9), Source, Zones, true},
		{"a split, and the peer is a mixture with another", serving, Generations{Current: 2}.Promoted(9).Filled(8), Source, Everything, true},
		{"unrelated", serving, Generations{Current: 7}, Source, Everything, true},
		{"forced with a mixture", Generations{Current: 2}.Filled(8).Forced(3), Generations{Current: 8}, Source, Everything, true},
		{"the peer's state is damaged", serving, Generations{Current: 7, History: []Generation{7}}, Source, Everything, true},
		{"this one's state is damaged", Generations{Current: 7, History: []Generation{7}}, serving, Refuse, Everything, false},
		{"the peer went on from here", Generations{Current: 2}, Generations{Current: 2}.Promoted(3), Target, Zones, false},
	} {
		if d, save := Rule(c.mine, c.peer); d.Part != c.part || d.Extent != c.extent || save != c.save {
			t.Errorf("%s: %s, save %t", c.name, d, save)
		}
		if err := c.mine.Check(); err != nil && c.part == Source {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
