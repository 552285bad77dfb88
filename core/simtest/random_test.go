package simtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestrator-ha/orchestrator/core"
)

// bound limits how long two primaries may be in contact: as long as all hooks
// of a start and a stop take, and what they decide by to arrive.
const bound = 10 * time.Second

// line is one command of a scenario with its text.
type line struct{ words, text string }

func (l line) String() string {
	if l.text == "" {
		return l.words
	}
	return l.words + "\n" + l.text
}

// draw picks the number of a choice below n.
type draw func(n int) int

func pick(d draw, from ...string) string { return from[d(len(from))] }

// drawPair draws a configuration.
func drawPair(d draw) line {
	lines := []string{"hooks " + pick(d, "all", "prim", "all", "start_prim stop_prim start_both stop_both")}
	for _, l := range []string{"replicated", "replicated", "failover off", "witness splitbrain.router", "check tcp.db prim restart", "check ping.gw pre wait", "check proc.db both stopstart", "check proc.log sec stopstart", "check rule.sick both swap"} {
		if d(3) == 0 {
			lines = append(lines, l)
		}
	}
	switch d(4) {
	case 0:
		lines = append(lines, "defaultprim node2")
	case 1:
		lines = append(lines, "defaultprim lastprim")
	}
	return line{"pair db", strings.Join(lines, "\n")}
}

// drawLine draws one thing that may happen.
func drawLine(d draw) line {
	node := pick(d, "node1", "node2", "node1", "node2", "both")
	switch d(18) {
	case 17:
		return line{"config " + node, pick(d, "maxloop 9", "failover off", "failover on", "hooks update postconfig", "drop tcp.db", "check tcp.db prim noaction", "check tcp.db prim stopstart", "check tcp.more both restart", "check ping.gw pre wait", "drop ping.gw", "hooks all")}
	case 16:
		return line{words: pick(d, "latency 1ms", "latency 90ms", "latency 350ms", "hooktime 10ms", "hooktime 100ms", "hooktime 400ms")}
	case 0, 1:
		return line{words: "command " + node + " start"}
	case 2:
		return line{words: fmt.Sprintf("command %s %s", node, pick(d, "stop", "swap", "restart", "stopstart", "forcestop", "prim", "primforce", "second", "secondforce", "failover-off", "failover-on", "wait as rule", "swap as rule", "wait", "wakeup", "start as boot"))}
	case 3:
		return line{words: pick(d, "cut", "cut "+node, "heal", "heal")}
	case 4:
		return line{words: pick(d, "crash ", "boot ", "boot ", "crash ", "boot ", "boot ", "wipe ") + node}
	case 5:
		return line{words: fmt.Sprintf("fails %s %s %d", node, pick(d, "start_prim", "stop_prim", "start_both", "start_second", "stop_second", "prestart"), 1+d(2))}
	case 6, 7:
		return line{words: fmt.Sprintf("resource %s %s %s", node, pick(d, "tcp.db", "ping.gw", "proc.db", "proc.log", "splitbrain.router", "rule.sick"), pick(d, "up", "up", "down"))}
	case 8:
		return line{words: pick(d, "lapse ", "degrade ", "lapse ", "repair ") + node}
	case 9, 10:
		return line{words: "write"}
	default:
		return line{words: "advance " + pick(d, "3ms", "50ms", "130ms", "400ms", "1100ms", "2500ms", "6s")}
	}
}

// ending is what is done after a story, and what must have come of it.
type ending struct {
	command string
	good    func(w *World) bool
	bad     string
}

// An operator can always bring the pair back.
var rescued = ending{"rescue", paired, "an operator could not bring the pair back"}

// When all is whole again the pair comes back by itself, except where an
// operator asked for a role that could not be, and where the data of a node that
// knew more was lost.
var mended = ending{"mend", func(w *World) bool {
	for _, h := range w.Nodes {
		lost := h.In.Module.Mirror.Replicated && h.In.Pair.Self.Data.Standing == core.StandingNone
		if lost || h.In.State == core.Stop && strings.Contains(h.In.LastReason, "is not possible") {
			return true
		}
	}
	return paired(w)
}, "the pair did not come back by itself"}

func paired(w *World) bool {
	got := w.Nodes[0].In.Status() + ", " + w.Nodes[1].In.Status()
	return got == "PRIM Ready, SECOND Ready" || got == "SECOND Ready, PRIM Ready"
}

// outcome is what came of a story.
type outcome struct {
	steps int
	wrong string // empty: nothing is
	seen  map[string]int
}

// check runs a story to its end.
func check(story []line, end ending, replay bool) outcome {
	s := &PairScenario{Quiet: true}
	ends := func(wrong string) outcome { return outcome{s.World.Steps, wrong, s.World.Seen} }
	for _, l := range append(append([]line{}, story...), line{words: end.command}) {
		cmd, rest, _ := strings.Cut(l.words, " ")
		if _, err := s.Do(cmd, strings.Fields(rest), l.text); err != nil {
			return outcome{wrong: err.Error()}
		}
		s.World.Replay = replay
		if err := s.World.Broken(bound); err != nil {
			return ends(err.Error())
		}
	}
	if !end.good(s.World) {
		s.out.Reset()
		_ = s.status(nil, "")
		return ends(end.bad + ":\n" + s.out.String())
	}
	return ends("")
}

// shrink leaves out what does not matter.
func shrink(story []line, end ending) []line {
	for size := len(story) / 2; size > 0; size /= 2 {
		for i := 1; i+size <= len(story); {
			shorter := append(append([]line{}, story[:i]...), story[i+size:]...)
			if check(shorter, end, false).wrong != "" {
				story = shorter
			} else {
				i += size
			}
		}
	}
	return story
}

// report writes a shrunk story down as a scenario file.
func report(t testing.TB, story []line, end ending, wrong, from string) {
	t.Helper()
	story = shrink(story, end)
	shrunk := check(story, end, false).wrong
	var b strings.Builder
	fmt.Fprintf(&b, "# Found by chance (%s): %s\n\n", from, strings.ReplaceAll(shrunk, "\n", "\n# "))
	for _, l := range append(story, line{words: end.command}) {
		fmt.Fprintf(&b, "%s\n----\n\n", l)
	}
	b.WriteString("status\n----\n")
	path := filepath.Join(t.TempDir(), "story.txt")
	if dir := os.Getenv("STORIES"); dir != "" {
		path = filepath.Join(dir, "story_"+strings.ReplaceAll(from, " ", "_")+".txt")
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Error(err)
	}
	t.Fatalf("%s: %s\nshrunk story (move it to testdata/pair and run with -rewrite; STORIES=DIR keeps it):\n%s", from, wrong, b.String())
}

func drawStory(d draw, n int) []line {
	story := []line{drawPair(d)}
	if d(3) > 0 { // most begin with a pair that runs
		for _, l := range []string{"command node1 prim", "advance 3s", "resource node1 ping.gw up", "command node2 start", "advance 3s",
			"resource node2 ping.gw up", "resource node1 splitbrain.router up", "resource node2 splitbrain.router up", "advance 5s", "write"} {
			story = append(story, line{words: l})
		}
	}
	for range n {
		story = append(story, drawLine(d))
	}
	return story
}

// TestPairHolds lets the library draw and shrink; each step is made twice.
func TestPairHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		if o := check(drawStory(d, rapid.IntRange(0, 60).Draw(t, "length")), rescued, true); o.wrong != "" {
			t.Fatal(o.wrong)
		}
	})
}

// TestPairHoldsLong runs as many steps as fit: STEPS of them, 80000 without, from
// SEED; "random" draws one. Without it every run is the same, so that a change is not
// blamed for what it has not done.
func TestPairHoldsLong(t *testing.T) {
	want, seed := 80_000, uint64(1)
	if s := os.Getenv("STEPS"); s != "" {
		if _, err := fmt.Sscan(s, &want); err != nil {
			t.Fatal(err)
		}
	}
	if s := os.Getenv("SEED"); s == "random" {
		seed = rand.Uint64()
	} else if s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	begun, steps, stories, seen := time.Now(), 0, uint64(0), map[string]int{}
	for ; steps < want; stories++ {
		r := rand.New(rand.NewPCG(seed, stories))
		story := drawStory(r.IntN, 20+r.IntN(60))
		end := rescued
		if stories%4 == 0 {
			end = mended
		}
		o := check(story, end, false)
		steps += o.steps
		for what, n := range o.seen {
			seen[what] += n
		}
		if o.wrong != "" {
			report(t, story, end, o.wrong, fmt.Sprintf("seed %d story %d", seed, stories))
		}
	}
	for _, what := range []string{"ALONE Ready", "PRIM Ready", "SECOND Ready", "WAIT NotReady", "split"} {
		if seen[what] <= want/20_000 {
			t.Errorf("%s was seen %d times only: the stories prove little", what, seen[what])
		}
	}
	t.Logf("seen: %v", seen)
	t.Logf("seed %d: %d steps in %d stories, %.0f a second", seed, steps, stories, float64(steps)/time.Since(begun).Seconds())
}

func BenchmarkPair(b *testing.B) {
	steps := 0
	for i := range b.N {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		steps += check(drawStory(r.IntN, 50), rescued, false).steps
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}
