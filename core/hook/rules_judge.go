package hook

import (
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/orchestrator-ha/orchestrator/core"
)

// judge asks one rule.
func (s *ruleState) judge(r luaRule) ruleAnswer {
	s.reads, s.open = nil, ""
	if r.function == nil {
		return s.compare(r)
	}
	l := s.l
	top := l.GetTop()
	defer l.SetTop(top)
	l.Push(r.function)
	l.Push(l.G.Global.RawGetString("resource"))
	err := l.PCall(1, 2, nil)
	saw := strings.Join(s.reads, " and ")
	switch {
	case s.open != "": // whatever the rule made of that
		return ruleAnswer{open: true, why: s.open + " has no result yet"}
	case err != nil:
		return ruleAnswer{open: true, why: toLuaError(err).Error()}
	}
	action, why := l.Get(-2), l.Get(-1)
	if why != lua.LNil {
		saw = why.String()
	}
	if saw == "" {
		saw = "it looks at nothing"
	}
	if action == lua.LNil || action == lua.LFalse {
		return ruleAnswer{why: saw}
	}
	verb, ok := action.(lua.LString)
	if !ok || !slices.Contains(ruleVerbs, core.Verb(verb)) {
		return ruleAnswer{open: true, why: fmt.Sprintf("it answers %q: return Action.stop and the like, or nil", action.String())}
	}
	return ruleAnswer{action: core.Verb(verb), why: saw}
}

// compare is the condition of if_then: with * all resources of the class must be in
// the state, with ? at least one. One without a result decides nothing.
func (s *ruleState) compare(r luaRule) ruleAnswer {
	found := s.find(r.resource)
	if len(found) == 0 {
		return ruleAnswer{why: "there is no resource " + r.resource}
	}
	one := strings.HasSuffix(r.resource, ".?")
	open := ""
	var saw []string
	for _, f := range found {
		text := fmt.Sprintf("%s is %s", f.name, f.value)
		holds := f.value == r.state
		switch {
		case f.value == core.ResInit && r.state != core.ResInit:
			open = f.name + " has no result yet"
			continue
		case holds && one:
			return ruleAnswer{action: r.action, why: text}
		case !holds && !one:
			return ruleAnswer{why: text}
		}
		saw = append(saw, text)
	}
	switch {
	case open != "":
		return ruleAnswer{open: true, why: open}
	case one:
		return ruleAnswer{why: strings.Join(saw, " and ")}
	}
	return ruleAnswer{action: r.action, why: strings.Join(saw, " and ")}
}

// seen is a resource that was found.
type seen struct {
	name  string
	value core.Value
}

// find looks up what a name stands for.
func (s *ruleState) find(name string) []seen {
	if name == "cluster" {
		return []seen{{name, s.view.Cluster}}
	}
	from, prefix, absent := s.view.Local, "", core.ResInit
	name = strings.TrimPrefix(name, "local.")
	if rest, ok := strings.CutPrefix(name, "remote."); ok {
		from, prefix, absent, name = s.view.Remote, "remote.", core.ResUnknown, rest
	}
	class, id, _ := strings.Cut(name, ".")
	if id != "*" && id != "?" {
		value, known := from[name]
		if !known {
			value = absent
		}
		return []seen{{prefix + name, value}}
	}
	var all []seen
	for _, n := range sortedKeys(from) {
		if c, _, _ := strings.Cut(n, "."); c == class {
			all = append(all, seen{prefix + n, from[n]})
		}
	}
	return all
}

// reader is the table that a rule gets: r["tcp.web"] is up, down, unknown. Looking at
// one without a result ends the rule: it cannot be told then.
func (s *ruleState) reader() *lua.LTable {
	l := s.l
	t, meta := l.NewTable(), l.NewTable()
	meta.RawSetString("__index", l.NewFunction(func(l *lua.LState) int {
		name := l.CheckString(2)
		if !namePattern.MatchString(name) || strings.HasSuffix(name, ".*") || strings.HasSuffix(name, ".?") {
			l.RaiseError("%q is no resource: write class.id, as in resource[\"tcp.web\"]", name)
		}
		one := s.find(name)[0]
		s.reads = append(s.reads, fmt.Sprintf("%s is %s", one.name, one.value))
		if one.value == core.ResInit {
			s.open = one.name
			l.RaiseError("%s has no result yet", one.name)
		}
		l.Push(lua.LString(one.value))
		return 1
	}))
	meta.RawSetString("__newindex", l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("a rule looks at resources and cannot set them")
		return 0
	}))
	meta.RawSetString("__metatable", lua.LFalse)
	t.Metatable = meta
	return t
}

// cluster is cluster(): down while no other node is heard.
func (s *ruleState) cluster(l *lua.LState) int {
	s.reads = append(s.reads, "cluster() is "+string(s.view.Cluster))
	l.Push(lua.LString(s.view.Cluster))
	return 1
}
