package rules

import (
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// classRules are the built-in rules that speak of a whole class; those of tcp,
// ping and custom have one for each check.
var classRules = map[string]string{
	"module": "module_failure", "intf": "interface_failure", "ip": "ip_failure",
	"splitbrain": "splitbrain_failure",
}

var checkRules = map[string]string{"tcp": "t_", "ping": "p_", "custom": "c_"}

// builtinLabel is the label of the rule that a check stands for.
func builtinLabel(resource string) string {
	if resource == core.SyncAt {
		return "rfs_syncat_wait"
	}
	class, id, _ := strings.Cut(resource, ".")
	if label, ok := classRules[class]; ok {
		return label
	}
	if prefix, ok := checkRules[class]; ok {
		return prefix + id
	}
	return class + "_" + id
}

// Builtin answers the rules that hold in a module without being written down.
// The state machine carries them out; they are here to be explained, and their
// labels can be taken by rules of the module.
func Builtin(m core.Module) []Rule {
	var rules []Rule
	add := func(label, text string, when Predicate, verb core.Verb) {
		rules = append(rules, Rule{Label: label, When: when, Text: text, Action: Action{Verb: verb}, Builtin: true})
	}
	down := func(label, class, id string, verb core.Verb) {
		of := operand{class: class, id: id}
		add(label, of.String()+" == down", compare{of, true, core.ResDown}, verb)
	}
	seen := map[string]bool{}
	for _, c := range m.Checks {
		class, id, _ := strings.Cut(c.Resource, ".")
		label := builtinLabel(c.Resource)
		if class+"." == core.RulePrefix || c.Action == core.VerbNone || seen[label] {
			continue
		}
		seen[label] = true
		if classRules[class] != "" {
			id = "?"
		}
		down(label, class, id, c.Action)
	}
	if c := m.Mirror; m.Mode == core.Mirror {
		if len(c.Witnesses) > 0 {
			down("splitbrain_failure", "splitbrain", "uptodate", core.VerbWait)
		}
		if c.Replicated {
			down("notuptodate_server", "rfs", "uptodate", core.VerbWait)
			of := operand{where: remote, class: "rfs", id: "degraded"}
			add("degraded_server", of.String()+" == up", compare{of, true, core.ResUp}, core.VerbWait)
		}
		if c.SyncDelta > 0 {
			list, _ := Parse("", forceUpToDate)
			for _, r := range list {
				r.Builtin = true
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// forceUpToDate is the rule that syncdelta stands for.
const forceUpToDate = "rfs_forceuptodate: if (heartbeat.* == down && cluster() == down && rfs.synced == up && rfs.uptodate == down) then rfs.uptodate=up;"

// awake is the condition of Implicit_wakeup.
type awake []Rule

// Holds when no rule that waits does.
func (a awake) Holds(v View) (Truth, string) {
	for _, r := range a {
		if r.Action.Verb != core.VerbWait {
			continue
		}
		if t, why := r.When.Holds(v); t != False {
			return opposite(t), r.Label + " " + string(t) + ": " + why
		}
	}
	return True, "no rule that waits holds"
}

// Complete puts the built-in rules of a module before those of the set, as far
// as they hold beside them.
func (s Set) Complete(m core.Module) Set {
	own := s.off()
	for _, r := range s.Rules {
		own[r.Label] = true
	}
	var all []Rule
	if !s.Replace {
		for _, r := range Builtin(m) {
			if !own[r.Label] {
				all = append(all, r)
			}
		}
	}
	all = append(all, s.Rules...)
	wakeup := Rule{Label: "Implicit_wakeup", When: awake(all), Text: "no rule that waits holds", Action: Action{Verb: core.VerbWakeup}, Builtin: true}
	s.Rules = append(all, wakeup)
	return s
}
