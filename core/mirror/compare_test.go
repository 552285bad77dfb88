package mirror

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func gens(current, bitmap Generation, history ...Generation) Generations {
	return Generations{Current: current, Bitmap: bitmap, History: history}
}

func with(g Generations, flags string) Generations {
	for f := range strings.FieldsSeq(flags) {
		switch f {
		case "inconsistent":
			g.Filling = 99
		case "filling5":
			g.Filling = 5
		case "outdated":
			g.Outdated = true
		case "primary":
			g.Primary = true
		case "unclean":
			g.Unclean = true
		default:
			panic(f)
		}
	}
	return g
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name       string
		mine, peer Generations
		relation   Relation
		part       Part
		extent     Extent
		reason     string
	}{
		{"both new", gens(0, 0), gens(0, 0), Empty, Refuse, Everything, "choose the one that holds the data"},
		{"one new", gens(0, 0), gens(5, 0), Behind, Target, Everything, "this copy is new"},
		{"one new, peer alone", gens(0, 0), gens(5, 4, 4), Behind, Target, Everything, "this copy is new"},
		{"one new, peer half filled", gens(0, 0), with(gens(5, 0), "inconsistent"), Empty, Refuse, Everything, "restore one"},

		{"equal, both closed", gens(5, 0, 4), gens(5, 0, 4), Equal, Idle, Nothing, "the same"},
		{"equal, histories of different length", gens(5, 0, 4, 3), gens(5, 0), Equal, Idle, Nothing, "the same"},
		{"equal, secondaries crashed", with(gens(5, 0), "unclean"), with(gens(5, 0), "unclean"), Equal, Idle, Nothing, "the same"},
		{"equal, this primary crashed", with(gens(5, 0), "primary unclean"), with(gens(5, 0), "unclean"), Equal, Source, Zones, "one disk only"},
		{"equal, peer crashed under this primary", with(gens(5, 4, 4), "primary unclean"), with(gens(5, 0, 4), "unclean"), Equal, Source, Zones, "one disk only"},
		{"equal, the end of a resync was not heard", gens(5, 4, 4), gens(5, 0, 4), Equal, Source, Zones, "did not hear"},
		{"equal, peer outdated, but the primary never went on", with(gens(5, 0), "primary unclean"), with(gens(5, 0), "outdated unclean"), Equal, Source, Zones, "one disk only"},
		{"equal, half filled", with(gens(5, 0), "inconsistent"), gens(5, 0), Equal, Target, Everything, "unknown to the peer"},
		{"equal, half filled, peer primary", with(gens(5, 0), "filling5"), with(gens(5, 0), "primary unclean"), Equal, Target, Zones, "goes on"},
		{"equal, both record", gens(5, 4, 4), gens(5, 3, 4, 3), Contradictory, Refuse, Everything, "began the same"},

		{"behind, recorded", gens(4, 0, 3), gens(5, 4, 4, 3), Behind, Target, Zones, "recorded"},
		{"behind two, recorded since", gens(4, 0), gens(6, 4, 5, 4), Behind, Target, Zones, "recorded"},
		{"behind, between the bitmap's begin and now", gens(5, 0, 4), gens(6, 4, 5, 4), Behind, Target, Zones, "recorded"},
		{"behind further than the record", gens(3, 0), gens(5, 4, 4, 3), Behind, Target, Everything, "begins later"},
		{"behind, no record", gens(4, 0), gens(5, 0, 4), Behind, Target, Everything, "begins later"},
		{"behind, bitmap older than the history kept", gens(5, 0), gens(6, 1, 5, 4), Behind, Target, Zones, "recorded"},
		{"behind, begin of the bitmap fell out of the history", gens(1, 0), gens(6, 1, 5, 4), Behind, Target, Zones, "recorded"},
		{"behind, crashed as primary, peer took over", with(gens(4, 0), "primary unclean"), with(gens(5, 4, 4), "primary unclean"), Behind, Target, Zones, "recorded"},
		{"behind, interrupted resync goes on", with(gens(4, 0), "filling5 unclean"), with(gens(6, 4, 5, 4), "primary unclean"), Behind, Target, Zones, "recorded"},
		{"behind, half filled from what the peer was before its backup", with(gens(4, 0), "filling5 unclean"), gens(6, 4, 4), Behind, Target, Everything, "unknown to the peer"},
		{"behind, interrupted first resync", with(gens(0, 0), "inconsistent"), gens(5, 0), Behind, Target, Everything, "new"},
		{"behind, peer half filled", gens(4, 0), with(gens(5, 4, 4), "inconsistent"), Behind, Refuse, Everything, "keep this older copy"},
		{"ahead of what was half filled", with(gens(5, 4, 4), "primary unclean"), with(gens(4, 0), "filling5"), Ahead, Source, Zones, "recorded"},

		{"split, both recorded", gens(5, 3, 3), gens(6, 3, 3), Split, Refuse, Zones, "went on from 0000000000000003"},
		{"split, several steps on each side", gens(7, 3, 5, 3), gens(8, 3, 6, 3), Split, Refuse, Zones, "went on from 0000000000000003"},
		{"split, one record begins later", gens(5, 4, 4, 3), gens(6, 3, 3), Split, Refuse, Everything, "went on from 0000000000000003"},
		{"split, one side half filled", with(gens(5, 3, 3), "inconsistent"), gens(6, 3, 3), Split, Refuse, Zones, "went on"},
		{"unrelated", gens(5, 4, 4), gens(8, 7, 7), Unrelated, Refuse, Everything, "no generation in common"},
		{"unrelated first generations", gens(5, 0), gens(8, 0), Unrelated, Refuse, Everything, "no generation in common"},

		{"each follows the other", gens(5, 6, 6), gens(6, 5, 5), Contradictory, Refuse, Everything, "cloned"},
		{"both primary in one generation", with(gens(5, 0), "primary"), with(gens(5, 0), "primary"), Contradictory, Refuse, Everything, "both were primary"},
		{"both half filled", with(gens(5, 0), "inconsistent"), with(gens(6, 0), "inconsistent"), Contradictory, Refuse, Everything, "both copies are inconsistent"},
		{"damaged", gens(0, 0, 4), gens(5, 0), Contradictory, Refuse, Everything, "cannot have a past"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Compare(c.mine, c.peer)
			if d.Relation != c.relation || d.Part != c.part || d.Extent != c.extent || !strings.Contains(d.Reason, c.reason) {
				t.Errorf("%s | %s\n got %s\nwant %s: %s, %s: …%s…", c.mine, c.peer, d, c.relation, c.part, c.extent, c.reason)
			}
			if back := Compare(c.peer, c.mine).mirrored(); back != d {
				t.Errorf("the peer sees it otherwise\nhere  %s\nthere %s", d, back)
			}
		})
	}
}

func TestCompareIsMirrored(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	seen := map[Relation]int{}
	for range 200_000 {
		a, b := random(rng), random(rng)
		here, there := Compare(a, b), Compare(b, a).mirrored()
		if here.Relation != there.Relation || here.Part != there.Part || here.Extent != there.Extent {
			t.Fatalf("seed %d\na %s\nb %s\na sees %s\nb sees %s", seed, a, b, here, there)
		}
		if here.Part == Source && a.Inconsistent() || here.Part == Target && b.Inconsistent() {
			t.Fatalf("seed %d: an inconsistent copy is copied from\na %s\nb %s\n%s", seed, a, b, here)
		}
		if (here.Extent == Nothing) != (here.Part == Idle) {
			t.Fatalf("seed %d: %s", seed, here)
		}
		seen[here.Relation]++
	}
	for r := Empty; r <= Contradictory; r++ {
		if seen[r] == 0 {
			t.Errorf("no random pair is %s", r)
		}
	}
}

func random(rng *rand.Rand) Generations {
	past := rng.Perm(5)[:rng.IntN(4)]
	g := Generations{Current: Generation(rng.IntN(6))}
	for _, x := range past {
		g.History = append(g.History, Generation(x+1))
	}
	if rng.IntN(2) == 0 {
		g.Bitmap = Generation(rng.IntN(6))
	}
	g.Primary = rng.IntN(4) == 0
	if rng.IntN(4) == 0 {
		g.Filling = Generation(rng.IntN(6))
	}
	g.Unclean, g.Outdated = rng.IntN(2) == 0, rng.IntN(2) == 0
	return g
}

func TestForkKeepsTheBitmapsBegin(t *testing.T) {
	g := gens(1, 0)
	for fresh := Generation(2); fresh < 2+2*MaxHistory; fresh++ {
		g = g.Alone(fresh)
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		if g.Bitmap != 1 {
			t.Fatalf("bitmap of %s", g)
		}
		for _, old := range slices.Concat(g.History, []Generation{1}) {
			if d := Compare(gens(old, 0), g); d.Part != Target || d.Extent != Zones {
				t.Fatalf("a copy at %s meets %s: %s", old, g, d)
			}
		}
	}
}

func TestPromote(t *testing.T) {
	reachable := func(g Generations) Situation { return Situation{Peer: Reachable, Generations: g} }
	lost := func(p Peer) Situation { return Situation{Peer: p, Chosen: true} }
	for _, c := range []struct {
		name   string
		g      Generations
		s      Situation
		want   Permission
		reason string
	}{
		{"new, alone", gens(0, 0), lost(Silent), ByForce, "become the data"},
		{"new, beside new", gens(0, 0), reachable(gens(0, 0)), ByForce, "choose the one"},
		{"new, beside data", gens(0, 0), reachable(gens(5, 0)), Forbidden, "this copy is new"},
		{"closed in order, peer lost", gens(5, 0), lost(Silent), Allowed, "closed in order"},
		{"closed in order, peer perhaps there", gens(5, 0), Situation{}, ByForce, "may be serving"},
		{"closed alone", gens(5, 4, 4), lost(Silent), Allowed, "closed in order"},
		{"followed until the peer was lost", with(gens(5, 0), "unclean"), lost(Followed), Allowed, "until it was lost"},
		{"followed, peer not known to be lost", with(gens(5, 0), "unclean"), Situation{Peer: Followed}, ByForce, "split"},
		{"secondary restarted", with(gens(5, 0), "unclean"), lost(Silent), ByForce, "was secondary"},
		{"primary restarted, was connected", with(gens(5, 0), "primary unclean"), lost(Silent), ByForce, "was primary when it stopped"},
		{"primary restarted, was alone", with(gens(5, 4, 4), "primary unclean"), lost(Silent), Allowed, "without its peer"},
		{"told that the peer goes on", with(gens(5, 0), "outdated unclean"), lost(Followed), ByForce, "since generation 0000000000000005 is lost"},
		{"half filled", with(gens(5, 0), "inconsistent outdated"), lost(Followed), Forbidden, "not complete"},
		{"half filled beside its source", with(gens(5, 0), "inconsistent"), reachable(gens(6, 5, 5)), Forbidden, "not complete"},
		{"equal to the peer", gens(5, 0), reachable(gens(5, 0)), Allowed, "the same"},
		{"equal to a primary", with(gens(5, 0), "unclean"), reachable(with(gens(5, 0), "primary unclean")), Forbidden, "stop it there"},
		{"behind", gens(5, 0), reachable(gens(6, 5, 5)), Forbidden, "behind"},
		{"ahead", gens(6, 5, 5), reachable(gens(5, 0)), Allowed, "recorded"},
		{"peer half filled from here", gens(6, 5, 5), reachable(with(gens(5, 0), "filling5")), Allowed, "recorded"},
		{"peer half filled, older copy here", gens(4, 0), reachable(with(gens(5, 4, 4), "inconsistent")), ByForce, "older copy"},
		{"split", gens(5, 3, 3), reachable(gens(6, 3, 3)), ByForce, "went on from"},
		{"unrelated", gens(5, 0), reachable(gens(6, 0)), ByForce, "in common"},
		{"damaged", gens(5, 5), lost(Followed), Forbidden, "begins at the current"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, reason := c.g.Promote(c.s)
			if got != c.want || !strings.Contains(reason, c.reason) {
				t.Errorf("%s: %s: %s; want %s: …%s…", c.g, got, reason, c.want, c.reason)
			}
		})
	}
}
