package rules

import (
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Truth is the value of a condition.
type Truth string

const (
	True      Truth = "holds"
	False     Truth = "does not hold"
	Undecided Truth = "cannot be told" // a resource that matters has no result yet
)

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Predicate is the condition of a rule, in any language. It answers the same
// for the same view, and says in words what it saw.
type Predicate interface {
	Holds(v View) (Truth, string)
}

// Rule is a condition and what it asks for.
type Rule struct {
	Label   string
	When    Predicate
	Text    string // the condition as it is written
	Action  Action
	Pos     diag.Position
	Builtin bool // carried out by the state machine itself; here to be explained
}

// Action is what a rule asks for: a verb, or a value for a resource.
type Action struct {
	Verb     core.Verb  // empty: set Resource to Value
	Resource string     //
	Value    core.Value //
}

func (a Action) String() string {
	if a.Verb == "" {
		return fmt.Sprintf("%s=%s", a.Resource, a.Value)
	}
	return string(a.Verb) + "()"
}

// Verbs are the actions that a rule may ask for. A rule that waits holds the
// module in WAIT, and wakes it up when it no longer holds.
var Verbs = []core.Verb{core.VerbStop, core.VerbStopStart, core.VerbWait, core.VerbRestart, core.VerbSwap, core.VerbNone}

// Set is the rules of a module.
type Set struct {
	Rules      []Rule
	HandleTime time.Duration // how long a condition must be true before the rule holds
	Replace    bool          // extends="no": the built-in rules do not hold
	Disabled   []string      // labels of built-in rules that do not hold
}

// Checks answers what the state machine is to know of the rules: a check for
// each. A rule that waits is a pre check, so that it keeps the gate shut; all
// others look while the application runs.
func (s Set) Checks() []core.Check {
	var checks []core.Check
	for _, r := range s.Rules {
		if r.Builtin || r.Action.Verb == "" {
			continue
		}
		when := core.WhenBoth
		if r.Action.Verb == core.VerbWait {
			when = core.WhenPre
		}
		checks = append(checks, core.Check{Resource: core.RulePrefix + r.Label, When: when, Action: r.Action.Verb})
	}
	return checks
}

// off are the labels of built-in rules that are switched off by name.
func (s Set) off() map[string]bool {
	off := map[string]bool{}
	for _, label := range s.Disabled {
		off[label] = true
	}
	return off
}

// Extend gives a module the rules of the set. A rule with the label of a
// built-in one takes its place, and with Replace none of the built-in rules
// holds: their checks then ask for nothing.
func (s Set) Extend(m core.Module) core.Module {
	own := s.off()
	for _, r := range s.Rules {
		own[r.Label] = !r.Builtin
	}
	checks := make([]core.Check, 0, len(m.Checks))
	for _, c := range m.Checks {
		if (s.Replace || own[builtinLabel(c.Resource)]) && !c.Planned {
			c.Action = core.VerbNone
		}
		checks = append(checks, c)
	}
	m.Checks = append(checks, s.Checks()...)
	return m
}
