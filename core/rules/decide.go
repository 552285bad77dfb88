package rules

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Decide answers which of the rules that hold acts: the one whose action weighs
// most, and of equals the first. Assignments act beside it.
func Decide(all []Explanation) (Explanation, bool) {
	best, found := Explanation{}, false
	rank := len(core.Severity)
	for _, e := range all {
		r := slices.Index(core.Severity, e.Rule.Action.Verb)
		if e.Truth == True && r >= 0 && r < rank {
			best, found, rank = e, true, r
		}
	}
	return best, found
}

// Names lists the resources that rules of the simple language speak of by name.
func (s Set) Names() []string {
	var all []string
	for _, r := range s.Rules {
		for _, o := range names(r.When) {
			name := o.class + "." + o.id
			if o.where == remote {
				name = remote + "." + name
			}
			if o.id != "*" && o.id != "?" && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}
