package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

const idResource = "rules/resource"

// names lists the resources that a condition of the simple language speaks of.
func names(p Predicate) []operand {
	switch e := p.(type) {
	case not:
		return names(e.of)
	case and:
		return append(names(e.a), names(e.b)...)
	case or:
		return append(names(e.a), names(e.b)...)
	case same:
		return append(names(e.a), names(e.b)...)
	case compare:
		if !e.of.cluster {
			return []operand{e.of}
		}
	case interface{ Resources() []string }: // in another language
		var list []operand
		for _, name := range e.Resources() {
			list = append(list, operandOf(name))
		}
		return list
	}
	return nil
}

// operandOf reads a name: [local.|remote.]class.id.
func operandOf(name string) operand {
	o := operand{where: local}
	if rest, ok := strings.CutPrefix(name, remote+"."); ok {
		o.where, name = remote, rest
	}
	o.class, o.id, _ = strings.Cut(strings.TrimPrefix(name, local+"."), ".")
	return o
}

// Unknown warns of resources that nothing in the module gives a value: a rule
// that speaks of one cannot be told until somebody sets it. classes are those
// whose resources appear by themselves, such as heartbeat. Of class custom scripts may
// set any, so that is only noted.
func Unknown(all []Rule, known, classes []string) diag.Problems {
	var problems diag.Problems
	for _, r := range all {
		for _, o := range names(r.When) {
			name := o.class + "." + o.id
			if o.id == "*" || o.id == "?" || slices.Contains(known, name) || slices.Contains(classes, o.class) {
				continue
			}
			d := diag.Problem{ID: idResource, Severity: diag.Warning, Pos: r.Pos, Message: fmt.Sprintf("rule %s speaks of %s, which no check of this module provides", r.Label, name)}
			if o.class == "custom" {
				d.Severity, d.Message = diag.Note, d.Message+": a hook or a program has to set it"
			}
			if near := diag.Nearest(name, known); near != "" {
				d.Hint = fmt.Sprintf("did you mean %q?", near)
			}
			problems = append(problems, d)
		}
	}
	return problems
}
