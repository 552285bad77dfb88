package simtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shown is what the scenario files have in them.
type shown struct {
	hooks map[string]string // "PRIM to WAIT: stop_prim, …" → a file that shows it
	moves map[string]string // "WAIT Transient -> WAIT NotReady"
	text  string            // of all files
}

var (
	hookLine = regexp.MustCompile(`^(?:\S+ (node\d))?\s*hook (\S+(?: force)?) \((\w+) to (\w+), (\w+), within \S+\)$`)
	moveLine = regexp.MustCompile(`^(?:\S+ (node\d) )?(\w+ \w+ -> \w+ \w+) \(`)
)

// readShown collects which hooks are called one after the other on a node for one change
// of state, and which changes there are.
func readShown(t *testing.T) shown {
	t.Helper()
	s := shown{map[string]string{}, map[string]string{}, ""}
	files, err := filepath.Glob("testdata/*.txt")
	pairs, err2 := filepath.Glob("testdata/pair/*.txt")
	if err != nil || err2 != nil || len(files) < 30 || len(pairs) < 30 {
		t.Fatalf("%d and %d scenarios: %v, %v", len(files), len(pairs), err, err2)
	}
	for _, file := range append(files, pairs...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s.text += string(b)
		s.read(file, string(b))
	}
	return s
}

func (s shown) read(file, text string) {
	change, calls := map[string]string{}, map[string][]string{} // by node
	flush := func(node string) {
		if len(calls[node]) > 0 {
			s.hooks[change[node]+": "+strings.Join(calls[node], ", ")] = file
		}
		calls[node] = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := moveLine.FindStringSubmatch(line); m != nil {
			s.moves[m[2]] = file
			continue
		}
		if m := hookLine.FindStringSubmatch(line); m != nil {
			if is := m[3] + " to " + m[4] + " (" + m[5] + ")"; change[m[1]] != is {
				flush(m[1])
				change[m[1]] = is
			}
			calls[m[1]] = append(calls[m[1]], m[2])
		}
	}
	for node := range calls {
		flush(node)
	}
}

// Every row of the table of hooks that SafeKit's users know is in a scenario, with all
// hooks there are: their order, their double calls, their arguments. There is no way
// from ALONE to SECOND here but by PRIM or WAIT.
func TestEveryRowOfHooksHasAScenario(t *testing.T) {
	s := readShown(t)
	for _, row := range []string{
		"STOP to WAIT (start): transition, prestart",
		"WAIT to UP (start): transition, start_both, start_prim, start_sec",
		"WAIT to ALONE (start): transition, start_both, start_prim, start_sec",
		"WAIT to PRIM (start): transition, start_both, start_prim",
		"WAIT to SECOND (start): transition, start_both, start_second, start_sec",
		"ALONE to PRIM (start): stop_sec, transition",
		"PRIM to ALONE (start): transition, start_sec",
		"SECOND to ALONE (start): stop_second, transition, start_prim",
		"SECOND to PRIM (start): stop_sec, stop_second, transition, start_prim",
		"PRIM to SECOND (start): stop_prim, stop_prim force, transition, start_second, start_sec",
		"UP to UP (restart): stop_sec, stop_sec force, stop_prim, stop_prim force, stop_both, stop_both force, start_both, start_prim, start_sec",
		"ALONE to ALONE (restart): stop_sec, stop_sec force, stop_prim, stop_prim force, stop_both, stop_both force, start_both, start_prim, start_sec",
		"PRIM to PRIM (restart): stop_prim, stop_prim force, stop_both, stop_both force, start_both, start_prim",
		"SECOND to SECOND (restart): stop_sec, stop_sec force, stop_second, stop_second force, stop_both, stop_both force, start_both, start_second, start_sec",
		"UP to WAIT (stop): stop_sec, stop_prim, stop_both, transition",
		"ALONE to WAIT (stop): stop_sec, stop_prim, stop_both, transition",
		"PRIM to WAIT (stop): stop_prim, stop_both, transition",
		"SECOND to WAIT (stop): stop_sec, stop_second, stop_both, transition",
		"WAIT to STOP (stop): stop_sec force, stop_prim force, stop_second force, stop_both force, poststop, transition",
	} {
		if s.hooks[row] == "" {
			t.Errorf("no scenario shows %s", row)
		}
	}
}

// Every change of state that they know is in a scenario, and every rule of a start, a split
// and the error counter.
func TestEveryChangeOfStateHasAScenario(t *testing.T) {
	s := readShown(t)
	for _, move := range []string{
		"STOP NotReady -> WAIT Transient", "WAIT Transient -> STOP NotReady",
		"WAIT Transient -> WAIT NotReady", "WAIT NotReady -> WAIT Transient",
		"WAIT Transient -> UP Transient", "UP Transient -> UP Ready", "UP Ready -> UP Transient", "UP Transient -> WAIT Transient",
		"WAIT Transient -> ALONE Transient", "WAIT Transient -> PRIM Transient", "WAIT Transient -> SECOND Transient",
		"ALONE Transient -> ALONE Ready", "PRIM Transient -> PRIM Ready", "SECOND Transient -> SECOND Ready",
		"ALONE Ready -> ALONE Transient", "PRIM Ready -> PRIM Transient", "SECOND Ready -> SECOND Transient",
		"ALONE Transient -> PRIM Transient", "PRIM Transient -> ALONE Transient", "SECOND Transient -> ALONE Transient",
		"PRIM Transient -> SECOND Transient", "SECOND Transient -> PRIM Transient",
		"ALONE Transient -> WAIT Transient", "PRIM Transient -> WAIT Transient", "SECOND Transient -> WAIT Transient",
	} {
		if s.moves[move] == "" {
			t.Errorf("no scenario shows %s", move)
		}
	}
	for _, rule := range []struct{ what, says string }{
		{"a start where the other node is primary", "WAIT Transient -> SECOND Transient (start asked for by root; node1 is ALONE)"},
		{"a start without the other node", "WAIT Transient -> ALONE Transient (start asked for by root; node2 is not heard)"},
		{"a start with data that may be old", "waits: data may be not up to date"},
		{"a first start", "no data is known to be good yet"},
		{"prim where the other node is primary", "cannot start as asked: node1 is "},
		{"prim with a copy that was broken off", "data here is inconsistent"},
		{"second without a primary", "is not primary"},
		{"failover off", "failover is off"},
		{"a default primary that swaps", "default primary"},
		{"a secondary that is lost while it copies", "data here is not up to date (generation"},
		{"degraded replication", "replication failed on this node"},
		{"a split that is healed", "split brain: "},
		{"no witness", "no witness is reached from here"},
		{"a stop by the error counter", "after 3 automatic restarts within 24h0m0s"},
		{"somebody who lets it wait", "held back by root"},
	} {
		if !strings.Contains(s.text, rule.says) {
			t.Errorf("no scenario shows %s: %q", rule.what, rule.says)
		}
	}
}
