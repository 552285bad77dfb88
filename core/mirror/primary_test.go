package mirror

import (
	"fmt"
	"strings"
	"testing"
)

// The way of a primary through its states: after each event, what its
// acknowledgements wait for and what it wants done.
func TestPrimary(t *testing.T) {
	peer := Met{gens(4, 0)}
	equal := Met{gens(5, 0, 4)}
	say := func(t Topic) Heard { return Heard{Word{Topic: t}} }
	type step struct {
		event Event
		want  string // state, acks, effects
	}
	up := []step{
		{peer, "preparing local Say"},
		{say(Joined), "preparing local"},
		{say(Filling), "resyncing local Copy"},
		{Copied{}, "joining both Sync"},
		{Synced{}, "joining both Say"},
		{say(Joined), "mirroring both Store"},
		{Stored{}, "mirroring both Clear"},
	}
	for name, steps := range map[string][]step{
		"joins, is left and goes on alone": append(up,
			step{Lost{}, "suspended held"}, step{Chosen{9}, "recording held Store"}, step{Stored{}, "alone local"}),
		"joins, is left and stops": append(up,
			step{Lost{}, "suspended held"}, step{Rejected{}, "stopped held Stop"}, step{Chosen{9}, "stopped held"}, step{equal, "stopped held"}),
		"the peer comes back before anybody chose": append(up,
			step{Lost{}, "suspended held"}, step{equal, "preparing held Say"}, step{Lost{}, "suspended held"},
			step{equal, "preparing held Say"}, step{say(Filling), "resyncing local Copy"}),
		"the peer comes back while it is recorded": append(up,
			step{Lost{}, "suspended held"}, step{Chosen{9}, "recording held Store"}, step{equal, "recording held"}, step{Stored{}, "preparing local Say"}),
		"the peer came back and left again while it is recorded": append(up,
			step{Lost{}, "suspended held"}, step{Chosen{9}, "recording held Store"}, step{equal, "recording held"}, step{Lost{}, "recording held"}, step{Stored{}, "alone local"}),
		"only its word makes it equal":    append(up[:5:5], step{say(Filling), "joining both"}),
		"lost while copying":              append(up[:3:3], step{Lost{}, "alone local"}, step{Copied{}, "alone local"}, step{Chosen{9}, "alone local"}),
		"lost before the peer may join":   append(up[:4:4], step{Lost{}, "alone local"}, step{Synced{}, "alone local"}),
		"lost while joining":              append(up[:5:5], step{Lost{}, "suspended held"}, step{say(Joined), "suspended held"}),
		"a record that the loss overtook": append(up[:6:6], step{Lost{}, "suspended held"}, step{Stored{}, "suspended held"}),
		"a peer with newer data":          {{Met{gens(8, 5, 5)}, "stopped held Decline Stop"}},
		"a stranger":                      {{Met{gens(8, 7, 7)}, "preparing local Say"}}, // the cluster has chosen
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPrimary(with(gens(5, 4, 4), "primary unclean"))
			for i, s := range steps {
				var names []string
				for _, e := range p.Step(s.event) {
					names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", e), "mirror."))
				}
				got := strings.Join(append([]string{p.State().String(), p.Acks().String()}, names...), " ")
				if got != s.want {
					t.Fatalf("step %d, %T: %s; want %s", i, s.event, got, s.want)
				}
				if err := p.Generations().Check(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
