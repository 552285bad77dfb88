package config

import (
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// failover reads <failover>. Without it the built-in rules hold.
func (p *parser) failover(n *node) FailoverRules {
	if n == nil {
		n = p.blank(nil, failoverElement())
	}
	r := FailoverRules{Extends: n.values["extends"].text != "no", HandleTime: n.values["handle_time"].span}
	for _, t := range n.texts {
		var lua, ok bool
		if t.text, lua, ok = p.ruleText(t); !ok {
			continue
		}
		r.Texts = append(r.Texts, RuleText{Lua: lua, Text: t.text, Pos: p.src.Position(t.at.from, t.at.from)})
		p.ruleProblems(t)
	}
	return r
}

// ruleText is a text of rules with its macros replaced. ok is false if a macro has no value,
// which has been reported.
func (p *parser) ruleText(t content) (text string, lua, ok bool) {
	if strings.HasPrefix(strings.TrimSpace(t.text), "--Lua Rules") {
		text, ok = p.macros.expandDeclared(t.text, t.at)
		return text, true, ok
	}
	text, _, ok = p.macros.expand(t.text, t.at)
	return text, false, ok
}

// ruleProblems takes over the problems of a text, which count their places from
// its beginning.
func (p *parser) ruleProblems(t content) {
	if p.options.CheckRules == nil {
		return
	}
	begin := p.src.Position(t.at.from, t.at.from)
	for _, problem := range p.options.CheckRules(p.mode, t.text) {
		problem.Pos = moved(problem.Pos, begin)
		problem.Source = p.src.Line(problem.Pos.Line)
		for i, r := range problem.Related {
			r.Pos = moved(r.Pos, begin)
			r.Source = p.src.Line(r.Pos.Line)
			problem.Related[i] = r
		}
		p.problems = append(p.problems, problem)
	}
}

// moved is the place in the document of a place in a text that begins at begin.
func moved(at, begin diag.Position) diag.Position {
	if at.Line <= 1 {
		at.Column += begin.Column - 1
		if at.End > 0 {
			at.End += begin.Column - 1
		}
	}
	at.File, at.Line = begin.File, max(at.Line, 1)+begin.Line-1
	return at
}
