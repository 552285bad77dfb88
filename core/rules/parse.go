package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Ids of problems; see docs/rules.md.
const (
	idSyntax    = "rules/syntax"
	idDuplicate = "rules/duplicate"
	idState     = "rules/state"
	idAction    = "rules/action"
	idLua       = "rules/lua"
)

// luaMark begins the Lua form of rules.
const luaMark = "--Lua Rules"

// IsLua reports that a text holds the Lua form.
func IsLua(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), luaMark) }

// Check looks for mistakes in a text of rules, in either form, of a module of
// that mode; the Lua form is checked by who runs it.
func Check(mode core.Mode, text string) []diag.Problem {
	if IsLua(text) {
		return nil
	}
	all, problems := Parse("", text)
	for _, r := range all {
		if r.Action.Verb == core.VerbSwap && mode != core.Mirror {
			problems = append(problems, NoSwap(r.Label, r.Pos))
		}
	}
	return problems
}

// NoSwap is the problem of a rule that asks for what its module's mode has not.
func NoSwap(label string, at diag.Position) diag.Problem {
	return diag.Problem{ID: idAction, Severity: diag.Error, Pos: at,
		Message: fmt.Sprintf("rule %s asks for swap(), which is for mode mirror", label), Hint: "use one of stop, stopstart, wait, restart"}
}

// Parse reads rules of the simple language. It goes on after a mistake with the
// next rule, to find all; rules without one are answered.
func Parse(file, text string) ([]Rule, diag.Problems) {
	p := &parser{src: diag.NewSource(file, []byte(text)), text: text, tokens: lex(text)}
	if IsLua(text) {
		p.problem(idLua, p.tokens[0], "this is the Lua form of rules, not the simple one", "")
		return nil, p.problems
	}
	var all []Rule
	seen := map[string]Rule{}
	for p.peek().kind != end {
		r, ok := p.rule()
		if !ok {
			p.skip()
			continue
		}
		if first, twice := seen[r.Label]; twice {
			d := diag.Problem{ID: idDuplicate, Severity: diag.Error, Pos: r.Pos, Source: p.src.Line(r.Pos.Line), Hint: "give each rule a label of its own",
				Message: fmt.Sprintf("there is a rule %q already", r.Label),
				Related: []diag.Related{{Message: "first here", Pos: first.Pos, Source: p.src.Line(first.Pos.Line)}}}
			p.problems = append(p.problems, d)
			continue
		}
		seen[r.Label] = r
		all = append(all, r)
	}
	p.problems.Sort()
	return all, p.problems
}

type parser struct {
	src      *diag.Source
	text     string
	tokens   []token
	at       int
	problems diag.Problems
}

// stop unwinds a rule that has a mistake.
type stop struct{}

func (p *parser) problem(id string, t token, message, hint string) {
	d := p.src.Problem(diag.Error, id, t.from, t.to, message)
	d.Hint = hint
	p.problems = append(p.problems, d)
}

func (p *parser) fail(id string, t token, message, hint string) {
	p.problem(id, t, message, hint)
	panic(stop{})
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// is reports that the next token is one of these, without taking it.
func (p *parser) is(texts ...string) bool {
	t := p.peek()
	return (t.kind == mark || t.kind == word) && slices.Contains(texts, t.text)
}

func (p *parser) take(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

const ruleForm = "a rule is  label: if (tcp.web == down) then restart();"

func (p *parser) want(text, after string) {
	t := p.peek()
	if p.take(text) {
		return
	}
	if t.kind == bad && t.text == "/*" {
		p.fail(idSyntax, t, "this comment has no end", "close it with */")
	}
	p.fail(idSyntax, t, fmt.Sprintf("%q is missing %s%s", text, after, instead(t)), ruleForm)
}

func instead(t token) string {
	if t.kind == end {
		return ": the text ends here"
	}
	return fmt.Sprintf(", found %q", t.text)
}

// skip goes on behind the next semicolon, or where a rule begins without one
// before it.
func (p *parser) skip() {
	for p.peek().kind != end {
		begins := p.peek().kind == word && p.tokens[p.at+1].text == ":"
		if begins || p.next().text == ";" {
			return
		}
	}
}

// rule reads one; false means that there was a mistake in it.
func (p *parser) rule() (r Rule, ok bool) {
	defer func() {
		if e := recover(); e != nil {
			if _, mine := e.(stop); !mine {
				panic(e)
			}
			ok = false
		}
	}()
	label := p.next()
	if label.kind != word {
		what := fmt.Sprintf("a rule begins with a label, not with %q", label.text)
		if label.text == "/*" {
			what = "this comment has no end"
		}
		p.fail(idSyntax, label, what, ruleForm)
	}
	p.want(":", "after the label")
	p.want("if", "after the label")
	if !p.is("(") {
		p.want("(", "after if")
	}
	from := p.peek().from
	when := p.or()
	to := p.tokens[p.at-1].to
	p.want("then", "after the condition")
	action := p.action()
	p.want(";", "at the end of the rule")
	return Rule{Label: label.text, When: when, Text: unwrap(p.text[from:to]), Action: action, Pos: p.src.Position(label.from, label.to)}, true
}

// unwrap takes comments and the outer brackets off a condition.
func unwrap(text string) string {
	for {
		before, rest, found := strings.Cut(text, "/*")
		_, after, _ := strings.Cut(rest, "*/")
		if !found {
			break
		}
		text = before + " " + after
	}
	text = strings.Join(strings.Fields(text), " ")
	depth := 0
	for i, r := range text {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && i < len(text)-1 {
			return text
		}
	}
	return strings.TrimSpace(text[1 : len(text)-1])
}

func (p *parser) or() Predicate {
	a := p.and()
	for p.take("||") {
		a = or{a, p.and()}
	}
	return a
}

func (p *parser) and() Predicate {
	a := p.equality()
	for p.take("&&") {
		a = and{a, p.equality()}
	}
	return a
}

// sideOf is what stands beside == or !=: a condition, an operand or a state.
type sideOf struct {
	at    token
	when  Predicate
	of    *operand
	state core.Value
}

// equality reads a comparison, or a condition without one.
func (p *parser) equality() Predicate {
	a := p.side()
	if !p.is("==", "!=") {
		return p.condition(a)
	}
	for p.is("==", "!=") {
		equal := p.next().text == "=="
		a = sideOf{at: a.at, when: p.comparison(a, p.side(), equal)}
	}
	return a.when
}

func (p *parser) comparison(a, b sideOf, equal bool) Predicate {
	if a.state != "" {
		a, b = b, a
	}
	switch {
	case a.of != nil && b.state != "":
		return compare{*a.of, equal, b.state}
	case a.state != "":
		p.fail(idState, a.at, "two states are always the same or never", "compare a resource with a state")
	}
	return same{p.condition(a), p.condition(b), equal}
}

// condition makes one of what stands alone: a resource holds when it is up.
func (p *parser) condition(s sideOf) Predicate {
	switch {
	case s.when != nil:
		return s.when
	case s.of != nil:
		return compare{*s.of, true, core.ResUp}
	}
	p.fail(idState, s.at, fmt.Sprintf("the state %s stands alone", s.state), "compare it with a resource, e.g. tcp.web == "+string(s.state))
	return nil
}

var states = []string{string(core.ResInit), string(core.ResDown), string(core.ResUp), string(core.ResUnknown)}

func (p *parser) side() sideOf {
	t := p.next()
	switch {
	case t.text == "!" && t.kind == mark:
		return sideOf{at: t, when: not{p.condition(p.side())}}
	case t.text == "(" && t.kind == mark:
		when := p.or()
		p.want(")", "to close the bracket")
		return sideOf{at: t, when: when}
	case t.kind != word:
		p.fail(idSyntax, t, "a resource, a state or a bracket is missing"+instead(t), ruleForm)
	case p.is("("):
		if t.text != "cluster" {
			p.fail(idSyntax, t, fmt.Sprintf("there is no function %s()", t.text), "the only function is cluster()")
		}
		p.want("(", "")
		p.want(")", "after cluster(")
		return sideOf{at: t, of: &operand{cluster: true}}
	case !p.is("."):
		if !slices.Contains(states, t.text) {
			hint := "a resource is class.id, a state init, down, up or unknown"
			if near := diag.Nearest(t.text, states); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			p.fail(idState, t, fmt.Sprintf("%q is neither a resource nor a state", t.text), hint)
		}
		return sideOf{at: t, state: core.Value(t.text)}
	}
	o := p.resource(t)
	return sideOf{at: t, of: &o}
}

// resource reads what follows its first word. An id may have points, as
// addresses have.
func (p *parser) resource(first token) operand {
	o := operand{where: local, class: first.text}
	if first.text == local || first.text == remote {
		p.want(".", "after "+first.text)
		class := p.next()
		if class.kind != word {
			p.fail(idSyntax, class, "the class of a resource is missing"+instead(class), "write "+first.text+".class.id")
		}
		o.where, o.class = first.text, class.text
	}
	p.want(".", "after the class of a resource")
	id := p.next()
	if id.kind != word && id.text != "*" && id.text != "?" {
		p.fail(idSyntax, id, "the id of a resource is missing"+instead(id), "write class.id, class.* for all, class.? for at least one")
	}
	o.id = id.text
	for last := id; id.kind == word && p.is(".") && p.peek().from == last.to; {
		p.next()
		last = p.next()
		if last.kind != word {
			p.fail(idSyntax, last, "a name cannot end with a point", "")
		}
		o.id += "." + last.text
	}
	return o
}

func (p *parser) action() Action {
	t := p.next()
	if t.kind != word {
		p.fail(idAction, t, "an action is missing"+instead(t), "use one of "+verbList())
	}
	if p.is(".") {
		o := p.resource(t)
		p.want("=", "after the resource that is to be set")
		v := p.next()
		if !slices.Contains(states, v.text) || o.where == remote || o.id == "*" || o.id == "?" {
			p.fail(idAction, v, "an assignment gives one local resource a state", "e.g. rfs.uptodate=up")
		}
		return Action{Resource: o.class + "." + o.id, Value: core.Value(v.text)}
	}
	if !slices.Contains(Verbs, core.Verb(t.text)) {
		hint := "use one of " + verbList()
		if near := diag.Nearest(t.text, strings.Split(verbList(), ", ")); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		p.fail(idAction, t, fmt.Sprintf("there is no action %q", t.text), hint)
	}
	if p.take("(") {
		p.want(")", "after "+t.text+"(")
	}
	return Action{Verb: core.Verb(t.text)}
}

func verbList() string {
	var names []string
	for _, v := range Verbs {
		names = append(names, string(v))
	}
	return strings.Join(names, ", ")
}
