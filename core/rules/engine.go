package rules

import (
	"cmp"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Engine follows the rules of one module. It is a value: Step changes nothing of
// it, and answers the next one.
type Engine struct {
	Set   Set
	rules []progress // beside Set.Rules
}

// progress is how far a rule has come.
type progress struct {
	truth Truth
	since time.Time  // of the truth
	told  core.Value // what the state machine knows: down while it holds
}

// Change is what an engine wants the rest to know: a resource has a new value.
// That of a rule is a matter for the state machine, any other was set by a rule.
type Change struct {
	Rule     string // label
	Resource core.Resource
	Set      bool // by an assignment
}

// NewEngine begins to follow the rules; none is decided yet.
func NewEngine(s Set) Engine {
	e := Engine{Set: s, rules: make([]progress, len(s.Rules))}
	for i := range e.rules {
		e.rules[i] = progress{truth: Undecided, told: core.ResInit}
	}
	return e
}

// Forget begins anew with the rules whose check runs at that time, as the state
// machine does when it starts checks: what held before a restart is not held
// against the application afterwards, unless it holds again for handle_time.
func (e Engine) Forget(when core.When) Engine {
	next := Engine{Set: e.Set, rules: append([]progress(nil), e.rules...)}
	for i, r := range e.Set.Rules {
		if r.Builtin || r.Action.Verb == "" || (r.Action.Verb == core.VerbWait) != (when == core.WhenPre) {
			continue
		}
		next.rules[i] = progress{truth: Undecided, told: core.ResInit}
	}
	return next
}

// Step looks at the resources as they are now. It answers what changed and, if
// a condition is true but not yet for long enough, when to look again; a zero
// time means at the next change of a resource.
func (e Engine) Step(now time.Time, v View) (Engine, []Change, time.Time) {
	next := Engine{Set: e.Set, rules: append([]progress(nil), e.rules...)}
	var changes []Change
	var again time.Time
	for i, r := range e.Set.Rules {
		if r.Builtin {
			continue
		}
		p := &next.rules[i]
		t, why := r.When.Holds(v)
		if t != p.truth || p.since.IsZero() {
			p.truth, p.since = t, now
		}
		told, due := p.tell(e.Set.HandleTime, now)
		if !due.IsZero() && (again.IsZero() || due.Before(again)) {
			again = due
		}
		if told == p.told {
			continue
		}
		p.told = told
		if c, ok := r.change(told, why, now); ok {
			changes = append(changes, c)
		}
	}
	return next, changes, again
}

// tell answers the value of the rule's resource, and when it may change though
// nothing else does. What held goes on to hold while it cannot be told.
func (p progress) tell(handle time.Duration, now time.Time) (core.Value, time.Time) {
	switch p.truth {
	case True:
		if due := p.since.Add(handle); p.told != core.ResDown && now.Before(due) {
			return cmp.Or(p.told, core.ResInit), due
		}
		return core.ResDown, time.Time{}
	case False:
		return core.ResUp, time.Time{}
	default:
		return p.told, time.Time{}
	}
}

func (r Rule) change(told core.Value, why string, now time.Time) (Change, bool) {
	if r.Action.Verb == "" {
		res := core.Resource{Name: r.Action.Resource, Value: r.Action.Value, Reason: "rule " + r.Label + ": " + why, Since: now}
		return Change{r.Label, res, true}, told == core.ResDown
	}
	res := core.Resource{Name: core.RulePrefix + r.Label, Value: told, Reason: why, Since: now}
	return Change{Rule: r.Label, Resource: res}, true
}
