package daemon

import (
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/core/rules"
)

// CheckRules looks for mistakes in a text of failover rules, in either language.
func CheckRules(mode core.Mode, text string) []diag.Problem {
	if !rules.IsLua(text) {
		return rules.Check(mode, text)
	}
	loaded, problems := hook.LoadRules(luaName, text)
	if len(problems) > 0 {
		return problems
	}
	for _, info := range loaded.List() {
		if mode != core.Mirror && slices.Equal(info.Actions, []core.Verb{core.VerbSwap}) {
			problems = append(problems, rules.NoSwap(info.Label, diag.Position{Line: info.Line, Column: 1}))
		}
	}
	return problems
}

// luaName is what errors of rules in Lua call their file.
const luaName = "rules.lua"

// RuleSet is the failover rules that a module brings, in both languages. They were
// checked when the module was.
func RuleSet(conf *config.Module) rules.Set {
	set := rules.Set{HandleTime: conf.Rules.HandleTime, Replace: !conf.Rules.Extends}
	for _, t := range conf.Rules.Texts {
		var own []rules.Rule
		if t.Lua {
			var off []string
			own, off = luaRules(t.Text)
			set.Disabled = append(set.Disabled, off...)
		} else {
			own, _ = rules.Parse(t.Pos.File, t.Text)
		}
		for _, r := range own {
			if r.Pos.Line == 1 {
				r.Pos.Column += t.Pos.Column - 1
			}
			r.Pos.File, r.Pos.Line = t.Pos.File, r.Pos.Line+t.Pos.Line-1
			set.Rules = append(set.Rules, r)
		}
	}
	return set
}

// luaRules makes rules of a text in Lua, and tells which built-in ones it switches
// off. A function that may ask for several actions becomes a rule for each of them:
// what must be the same for handle_time is the action.
func luaRules(text string) (list []rules.Rule, off []string) {
	loaded, problems := hook.LoadRules(luaName, text)
	if len(problems) > 0 {
		return nil, nil
	}
	for _, info := range loaded.List() {
		for _, verb := range info.Actions {
			label := info.Label
			if len(info.Actions) > 1 {
				label += "." + string(verb)
			}
			list = append(list, rules.Rule{
				Label: label, When: luaRule{loaded, info, verb}, Text: info.Text,
				Action: rules.Action{Verb: verb}, Pos: diag.Position{Line: max(info.Line, 1), Column: 1},
			})
		}
	}
	return list, loaded.Disabled()
}

// luaRule is the condition that a rule in Lua asks for one action.
type luaRule struct {
	of   *hook.Rules
	info hook.RuleInfo
	verb core.Verb
}

// Holds asks the rule.
func (l luaRule) Holds(v rules.View) (rules.Truth, string) {
	action, why, open := l.of.Judge(l.info.Label, hook.RuleView{Local: v.Local, Remote: v.Remote, Cluster: v.Cluster})
	switch {
	case open:
		return rules.Undecided, why
	case action == l.verb:
		return rules.True, why
	}
	return rules.False, why
}

// Resources are the names that the rule speaks of.
func (l luaRule) Resources() []string { return l.info.Names }

// appearing are classes of resources that no check of a module has to provide.
var appearing = []string{"heartbeat", "state", "rfs", "usersetting", "heart", "connections", "splitbrain"}

// UnknownResources warns of resources in a module's rules that nothing in it gives a
// value.
func UnknownResources(conf *config.Module) diag.Problems {
	set := RuleSet(conf)
	var known []string
	for _, c := range conf.Checks() {
		known = append(known, c.Resource)
	}
	for _, r := range set.Rules {
		if r.Action.Resource != "" && !slices.Contains(known, r.Action.Resource) {
			known = append(known, r.Action.Resource)
		}
	}
	for _, a := range conf.Addresses() {
		known = append(known, "ip."+a.Addr.String(), "ip."+a.Addr.String()+".vip")
	}
	return rules.Unknown(set.Rules, known, appearing)
}
