package hook

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/orchestrator-ha/orchestrator/core"
)

const idRules = "hook/rules"

// ruleState is a Lua state in which a text of rules runs.
type ruleState struct {
	l      *lua.LState
	rules  map[string]luaRule
	labels []string
	off    []string
	view   RuleView
	reads  []string // what the rule that is being asked has looked at
	open   string   // one of them that has no result
}

// luaRule is one rule: made by if_then, or a function.
type luaRule struct {
	resource string
	state    core.Value
	action   core.Verb
	function *lua.LFunction
	line     int
}

func (r luaRule) text() string {
	if r.function != nil {
		return "its function answers that"
	}
	return fmt.Sprintf("%s == %s", r.resource, r.state)
}

// newRuleState gives rules what they have: standard Lua without its doors and its
// clocks, and the names of rules.
func newRuleState(l *lua.LState) *ruleState {
	s := &ruleState{l: l, rules: map[string]luaRule{}}
	openLibraries(l)
	for _, name := range []string{"os", "coroutine", "print"} {
		l.G.Global.RawSetString(name, lua.LNil)
	}
	for _, name := range []string{"random", "randomseed"} {
		l.G.Global.RawGetString("math").(*lua.LTable).RawSetString(name, lua.LNil)
	}
	action := l.NewTable()
	for _, v := range ruleVerbs {
		action.RawSetString(string(v), lua.LString(v))
	}
	l.SetGlobal("Action", action)
	l.SetGlobal("if_then", l.NewFunction(s.ifThen))
	l.SetGlobal("cluster", l.NewFunction(s.cluster))
	l.SetGlobal("Rules", s.rulesTable())
	l.SetGlobal("resource", s.reader())
	strict(l, action, "Action.")
	strict(l, l.G.Global, "")
	return s
}

// rulesTable is what rules are added to: Rules = Rules + { label = … }.
func (s *ruleState) rulesTable() *lua.LTable {
	l := s.l
	t, meta := l.NewTable(), l.NewTable()
	meta.RawSetString("__add", l.NewFunction(func(l *lua.LState) int {
		s.add(l.CheckTable(2))
		l.Push(l.Get(1))
		return 1
	}))
	meta.RawSetString("__metatable", lua.LFalse)
	t.RawSetString("disable", l.NewFunction(func(l *lua.LState) int {
		for i := 1; i <= l.GetTop(); i++ {
			s.off = append(s.off, l.CheckString(i))
		}
		return 0
	}))
	t.Metatable = meta
	return t
}

var labelPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// add takes the rules of a table; fields that begin with _ say something about them
// and have no effect.
func (s *ruleState) add(t *lua.LTable) {
	t.ForEach(func(k, v lua.LValue) {
		label := k.String()
		if strings.HasPrefix(label, "_") {
			return
		}
		if !labelPattern.MatchString(label) {
			s.l.RaiseError("%q cannot be the label of a rule: write label = if_then(…)", label)
		}
		if _, twice := s.rules[label]; twice {
			s.l.RaiseError("there is a rule %q already", label)
		}
		switch v := v.(type) {
		case *lua.LUserData:
			if one, ok := v.Value.(luaRule); ok {
				s.rules[label] = one
				return
			}
		case *lua.LFunction:
			if !v.IsG {
				s.rules[label] = luaRule{function: v, line: v.Proto.LineDefined}
				return
			}
		}
		s.l.RaiseError("rule %s is neither if_then(…) nor a function of the resources", label)
	})
}

// ifThen is if_then(resource, state, action).
func (s *ruleState) ifThen(l *lua.LState) int {
	r := luaRule{resource: l.CheckString(1), state: core.Value(l.CheckString(2)), action: core.Verb(l.CheckString(3))}
	if !namePattern.MatchString(r.resource) && r.resource != "cluster" {
		l.RaiseError("if_then: %q is no resource: write class.id, class.* for all, class.? for at least one", r.resource)
	}
	if !slices.Contains([]core.Value{core.ResInit, core.ResUp, core.ResDown, core.ResUnknown}, r.state) {
		l.RaiseError("if_then: %q is no state: use up, down, init or unknown", string(r.state))
	}
	if !slices.Contains(ruleVerbs, r.action) {
		l.RaiseError("if_then: %q is no action: use Action.stop and the like", string(r.action))
	}
	r.line = lineOfCall(l.Where(1))
	l.Push(&lua.LUserData{Value: r})
	return 1
}

// namePattern is a resource: [local.|remote.]class.id.
var namePattern = regexp.MustCompile(`^(local\.|remote\.)?[A-Za-z0-9_-]+\.([A-Za-z0-9_.:-]*[A-Za-z0-9_-]|\*|\?)$`)

// lineOfCall reads the line of a place such as rules.lua:12: .
func lineOfCall(where string) int {
	m := lineInPlace.FindStringSubmatch(where)
	if m == nil {
		return 0
	}
	line, _ := strconv.Atoi(m[1]) // digits, as the pattern says
	return line
}

var lineInPlace = regexp.MustCompile(`:(\d+):\s*$`)

// actions are what a rule may ask for. Of a function it is what its text names, or
// that of the functions that it may call.
func (s *ruleState) actions(main *lua.FunctionProto, one luaRule) []core.Verb {
	if one.function == nil {
		return []core.Verb{one.action}
	}
	words := map[string]bool{}
	constants(one.function.Proto, nil, words)
	rules := map[*lua.FunctionProto]bool{}
	for _, r := range s.rules {
		if r.function != nil {
			rules[r.function.Proto] = true
		}
	}
	for _, p := range main.FunctionPrototypes {
		constants(p, rules, words)
	}
	return slices.DeleteFunc(slices.Clone(ruleVerbs), func(v core.Verb) bool { return !words[string(v)] })
}

// constants collects the words of a function and of those in it, but for skip.
func constants(p *lua.FunctionProto, skip map[*lua.FunctionProto]bool, into map[string]bool) {
	if skip[p] {
		return
	}
	for _, c := range p.Constants {
		if text, ok := c.(lua.LString); ok {
			into[string(text)] = true
		}
	}
	for _, inner := range p.FunctionPrototypes {
		constants(inner, skip, into)
	}
}

// names are the resources that a rule speaks of by name.
func (s *ruleState) names(one luaRule) []string {
	if one.function == nil {
		return []string{one.resource}
	}
	words := map[string]bool{}
	constants(one.function.Proto, nil, words)
	var list []string
	for _, w := range sortedKeys(words) {
		if namePattern.MatchString(w) {
			list = append(list, w)
		}
	}
	return list
}
