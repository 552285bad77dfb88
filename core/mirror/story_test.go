package mirror

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// story is what happens to a pair: each number is the seed of one step, so that a step that is
// left out changes no other's choices.
type story []uint64

func newStory(seed uint64, steps int) story {
	s := make(story, steps)
	for k := range s {
		s[k] = seed<<20 | uint64(k)
	}
	return s
}

// play lets a story happen to a new pair, and then makes all whole.
func (s story) play() (*pair, error) {
	p := newPair()
	for _, seed := range s {
		p.source.Seed(seed, 5)
		if err := p.step(); err != nil {
			return p, err
		}
	}
	return p, p.mend()
}

// shrink leaves out what does not matter for a failure.
func (s story) shrink(fails func(story) bool) story {
	for size := len(s) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(s); {
			if shorter := append(append(story{}, s[:i]...), s[i+size:]...); fails(shorter) {
				s = shorter
			} else {
				i += size
			}
		}
	}
	return s
}

// beside makes node i primary when both are there and neither is, by what the two copies
// say.
func (p *pair) beside(i int) error {
	n, other := p.nodes[i], p.nodes[1-i]
	if p.connected || !n.up || !other.up || n.primary != nil || other.primary != nil {
		return nil
	}
	allowed, why := n.gens.Promote(Situation{Peer: Reachable, Generations: other.gens})
	if allowed != Allowed {
		return nil
	}
	p.chosen = i
	p.met++
	return p.promote(i, why)
}

// mend makes all whole: with no operator, one node serves and the other mirrors it,
// equal on disk, and has what was acknowledged.
func (p *pair) mend() error {
	p.note("all is made whole")
	for range 100 {
		for i, n := range p.nodes {
			n.up = true
			for range n.inbox {
				p.receive(i)
			}
			if !p.connected {
				p.notice(i)
			}
			if n.copying {
				n.copying = false
				p.first(i, Copied{})
			}
			p.stored(i)
			p.synced(i)
			if err := p.same(); err != nil {
				return err
			}
		}
		p.connect()
		for i, n := range p.nodes {
			if n.primary != nil && n.primary.State() == Mirroring && n.storing == nil && len(p.nodes[1-i].inbox) == 0 {
				return p.whole(i)
			}
		}
		if !p.connected {
			for i := range p.nodes {
				if err := errors.Join(p.beside(i), p.choose(i)); err != nil {
					return err
				}
			}
		}
	}
	return fmt.Errorf("they do not find together: %s | %s", p.nodes[0].gens, p.nodes[1].gens)
}

// whole holds that a pair in order has what it is to have.
func (p *pair) whole(i int) error {
	n, other := p.nodes[i], p.nodes[1-i]
	if n.live != other.live {
		return fmt.Errorf("n%d and n%d came together, and hold %v and %v", i, 1-i, n.live, other.live)
	}
	for z, v := range p.acked {
		if n.live[z] < v {
			return fmt.Errorf("n%d came back with %d in zone %d, where %d was acknowledged", i, n.live[z], z, v)
		}
	}
	if other.gens.Inconsistent() || other.gens.Outdated || n.gens.Outdated {
		return fmt.Errorf("they mirror each other, and say %s | %s", n.gens, other.gens)
	}
	return nil
}

// Whatever crashes and whenever: a node that becomes primary has all that was
// acknowledged, copies that call themselves equal are, and when all is well again both
// find together by themselves. RUNS=1000000 looks further, from SEED.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	runs, steps, first := number("RUNS", 10_000), 1000, number("SEED", 0)
	if testing.Short() {
		runs = min(runs, 1000)
	}
	visited, promoted, mirrored, met := map[State]int{}, 0, 0, 0
	for seed := first; seed < first+runs; seed++ {
		s := newStory(uint64(seed), steps)
		p, err := s.play()
		if err != nil {
			report(t, seed, s, err)
		}
		for s, n := range p.visited {
			visited[s] += n
		}
		promoted += p.promoted
		mirrored += p.mirrored
		met += p.met
	}
	for s := Alone; s < Stopped; s++ {
		if visited[s] == 0 {
			t.Errorf("state %s was never reached", s)
		}
	}
	t.Logf("seeds %d to %d, %d steps: %d promotions, %d of them beside the peer, %d comparisons of equals, states %v", first, first+runs-1, runs*steps, promoted, met, mirrored, visited)
	if promoted < runs/10 || met < runs/10 || mirrored < runs {
		t.Errorf("the simulation hardly does anything")
	}
}

// number reads one from the environment.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// report tells of the shortest story that fails, as a file for testdata.
func report(t *testing.T, seed int, s story, err error) {
	t.Helper()
	s = s.shrink(func(s story) bool { _, err := s.play(); return err != nil })
	p, short := s.play()
	name := filepath.Join(t.TempDir(), "story.txt")
	if dir := os.Getenv("STORIES"); dir != "" {
		name = filepath.Join(dir, fmt.Sprintf("story_%d.txt", seed))
	}
	text := fmt.Sprintf("# Found by chance (seed %d): %v\n", seed, short)
	for _, step := range s {
		text += fmt.Sprintf("%x\n", step)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	t.Fatalf("seed %d: %v\n%s\nshrunk to %d steps (move them to testdata; STORIES=DIR keeps them): %v\n%s", seed, err, strings.Join(p.log, "\n"), len(s), short, text)
}

// Each file in testdata is a story that failed once.
func TestStories(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var s story
		for line := range strings.Lines(string(b)) {
			step := uint64(0)
			if _, err := fmt.Sscanf(line, "%x", &step); err == nil {
				s = append(s, step)
			} else if line[0] != '#' {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
		}
		if p, err := s.play(); len(s) == 0 || err != nil {
			t.Errorf("%s, %d steps: %v\n%s", name, len(s), err, strings.Join(p.log, "\n"))
		}
	}
}
