package simtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/mirror"
)

// envOr reads a number from the environment.
func envOr(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// Whatever crashes, is cut or is late, at whatever point of whatever step: nothing that was
// acknowledged is lost, copies that call themselves equal are, and when all is well again
// both find together by themselves. RUNS=100000 looks further, from SEED.
func TestNothingIsLost(t *testing.T) {
	runs, steps, first := envOr("RUNS", 400), envOr("STEPS", 500), envOr("SEED", 0)
	if testing.Short() {
		runs = min(runs, 60)
	}
	began, all := time.Now(), counts{states: map[mirror.State]int{}}
	for seed := first; seed < first+runs; seed++ {
		story := draw(rand.New(rand.NewPCG(uint64(seed), 1)), steps)
		_, seen, err := play(t, story, "", false)
		if err != nil {
			report(t, story, "", fmt.Sprintf("seed %d", seed), err)
		}
		all.add(seen)
	}
	for s := mirror.Alone; s < mirror.Stopped; s++ {
		if all.states[s] < runs/20 && s != mirror.Alone {
			t.Errorf("%s was reached %d times only", s, all.states[s])
		}
	}
	if all.promoted < runs/10 || all.compared < runs || all.acked < runs || all.both < runs {
		t.Error("the simulation hardly does anything")
	}
	t.Logf("seeds %d to %d, %d steps, %.0f a second: %d syncs acknowledged, %d of them beside an equal, %d promotions, %d comparisons of equals, %d stale connections, states %v",
		first, first+runs-1, runs*steps, float64(runs*steps)/time.Since(began).Seconds(), all.acked, all.both, all.promoted, all.compared, all.stale, all.states)
}

func (c *counts) add(o counts) {
	for s, n := range o.states {
		c.states[s] += n
	}
	c.promoted += o.promoted
	c.compared += o.compared
	c.acked += o.acked
	c.both += o.both
	c.stale += o.stale
}

// faults are bugs that are planted, one at a time.
var faults = []string{
	"a write is carried out before it is recorded",
	"the record of zones is not durable",
	"a bit of the bitmap is skipped",
	"a generation is not written",
	"a sync is answered before the peer has it",
	"a copy joins before it is durable",
}

// A simulation that does not find what is wrong proves nothing: each of these is found.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			for seed := range 3000 {
				story := draw(rand.New(rand.NewPCG(uint64(seed), 1)), 500)
				if _, _, err := play(t, story, fault, false); err != nil {
					t.Logf("found by seed %d: %v", seed, err)
					keep(t, story, fault, err)
					return
				}
			}
			t.Error("it was not found")
		})
	}
}

// keep writes a shrunk story of a planted bug, if STORIES names a directory.
func keep(t *testing.T, story []step, fault string, err error) {
	t.Helper()
	if dir := os.Getenv("STORIES"); dir != "" {
		story = shrink(t, story, fault)
		name := filepath.Join(dir, strings.ReplaceAll(fault, " ", "_")+".txt")
		if err := os.WriteFile(name, []byte(text(story, "Found when "+fault+": "+err.Error())), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// shrink leaves out what does not matter.
func shrink(t *testing.T, story []step, fault string) []step {
	t.Helper()
	for size := len(story) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(story); {
			shorter := slices.Concat(story[:i], story[i+size:])
			if _, _, err := play(t, shorter, fault, false); err != nil {
				story = shorter
			} else {
				i += size
			}
		}
	}
	return story
}

// text is a story as a file.
func text(story []step, comment string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", strings.ReplaceAll(comment, "\n", "\n# "))
	for _, s := range story {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

// report tells of the shortest story that fails, as a scenario file.
func report(t *testing.T, story []step, fault, from string, wrong error) {
	t.Helper()
	story = shrink(t, story, fault)
	log, _, short := play(t, story, fault, true)
	name := filepath.Join(t.TempDir(), "story.txt")
	if dir := os.Getenv("STORIES"); dir != "" {
		name = filepath.Join(dir, "story_"+strings.ReplaceAll(from, " ", "_")+".txt")
	}
	file := text(story, fmt.Sprintf("Found by chance (%s): %v", from, short))
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Error(err)
	}
	t.Fatalf("%s: %v\n%s\nshrunk story (move it to testdata; STORIES=DIR keeps it):\n%s", from, wrong, strings.Join(log, "\n"), file)
}

// parse reads a story.
func parse(text string) (story []step, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.IndexAny(line, "0123456789")
		if at < 0 {
			return nil, fmt.Errorf("%q: no node", line)
		}
		s := step{verb: strings.TrimSpace(line[:at])}
		v, ok := verbs[s.verb]
		words := strings.Fields(line[at:])
		if !ok || len(words) != v.args {
			return nil, fmt.Errorf("%q: no such step", line)
		}
		for i, word := range words {
			if s.args[i], err = strconv.Atoi(word); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
		}
		story = append(story, s)
	}
	return story, nil
}

// Each file in testdata is a story that failed once, or that finds a bug which was planted.
func TestStories(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			story, err := parse(string(b))
			if err != nil {
				t.Fatal(err)
			}
			if log, _, err := play(t, story, "", true); err != nil {
				t.Errorf("%v\n%s", err, strings.Join(log, "\n"))
			}
		})
	}
}
