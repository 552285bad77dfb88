package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Origin says where a macro has its value from.
type Origin string

const (
	FromModule      Origin = "module"      // the value in userconfig.xml
	FromSet         Origin = "set"         // --set NAME=VALUE
	FromEnvironment Origin = "environment" // no <macro> of that name
)

// Macro is a macro with the value that holds.
type Macro struct {
	Name   string
	Value  string
	Origin Origin
	Doc    string
	Pos    diag.Position // of the declaration; zero if there is none
}

// declaration is a <macro> element.
type declaration struct {
	at       span
	val      span // of its value
	value    string
	hasValue bool
	doc      string
}

// macros expands %NAME% in values.
type macros struct {
	*parser
	use      *regexp.Regexp
	declared map[string]declaration
	values   map[string]string // finished
	origin   map[string]Origin
	used     map[string]bool
	open     map[string]bool // being expanded: whoever meets one again is in a loop
	failed   map[string]bool // reported
}

// maxValue bounds what macros in macros can grow to, in bytes.
const maxValue = 8 << 10

func macroUse() *regexp.Regexp { return regexp.MustCompile(`%([A-Za-z_][A-Za-z0-9_.-]*)%`) }

// declare collects the <macro> elements before any value is looked at, so that
// they may stand anywhere.
func (p *parser) declare(root *node) {
	p.macros = &macros{parser: p, use: macroUse(), declared: map[string]declaration{}, values: map[string]string{},
		origin: map[string]Origin{}, used: map[string]bool{}, open: map[string]bool{}, failed: map[string]bool{}}
	for _, n := range root.children {
		if n.name != "macro" {
			continue
		}
		d := declaration{at: n.at}
		name := ""
		for _, a := range n.attrs {
			switch a.name {
			case "name":
				name, d.at = a.value, a.val
			case "value":
				d.value, d.val, d.hasValue = a.value, a.val, true
			case "doc":
				d.doc = a.value
			}
		}
		if first, twice := p.macros.declared[name]; twice && name != "" {
			p.errorf(idDuplicate, d.at, "macro %q is declared twice", short(name)).Related = []diag.Related{p.related(first.at, "first here")}
			continue
		}
		p.macros.declared[name] = d
	}
}

// expand replaces the macros of a text that stands at. ok is false if one has
// no value, which has been reported.
func (m *macros) expand(text string, at span) (out string, names []string, ok bool) {
	ok = true
	raw := m.text[at.from:at.to]
	search, size := 0, len(text)
	out = m.use.ReplaceAllStringFunc(text, func(word string) string {
		name := strings.Trim(word, "%")
		here := at
		if i := strings.Index(raw[search:], word); i >= 0 {
			here = span{at.from + search + i, at.from + search + i + len(word)}
			search += i + len(word)
		}
		value, known := m.value(name, here)
		ok = ok && known
		names = append(names, name)
		if size += len(value); size > maxValue {
			return ""
		}
		return value
	})
	if ok && size > maxValue && len(names) > 0 {
		m.errorf(idMacroLoop, at, "the macros in this value grow to more than %d bytes", maxValue)
		return "", names, false
	}
	return out, names, ok
}

// expandDeclared replaces the macros that the module declares, and leaves all else, in a language
// in which % means something, too: Lua's remainder and its formats.
func (m *macros) expandDeclared(text string, at span) (out string, ok bool) {
	raw, size := m.text[at.from:at.to], len(text)
	out, ok = text, true
	for _, name := range m.names() {
		word := "%" + name + "%"
		uses := strings.Count(text, word)
		if uses == 0 {
			continue
		}
		here := at
		if i := strings.Index(raw, word); i >= 0 {
			here = span{at.from + i, at.from + i + len(word)}
		}
		value, known := m.value(name, here)
		ok = ok && known
		if size += uses * len(value); size > maxValue {
			m.errorf(idMacroLoop, at, "the macros in this value grow to more than %d bytes", maxValue)
			return "", false
		}
		out = strings.ReplaceAll(out, word, value)
	}
	return out, ok
}

// value is the value of a macro used at.
func (m *macros) value(name string, at span) (string, bool) {
	m.used[name] = true
	if v, ok := m.values[name]; ok {
		return v, true
	}
	if m.open[name] && !m.failed[name] {
		m.failed[name] = true
		m.errorf(idMacroLoop, m.declared[name].val, "macro %q is made of itself", short(name))
	}
	if m.failed[name] {
		return "", false
	}
	m.open[name] = true
	v, origin, ok := m.find(name, at)
	delete(m.open, name)
	if !ok {
		m.failed[name] = true
		return "", false
	}
	m.values[name], m.origin[name] = v, origin
	return v, true
}

func (m *macros) find(name string, at span) (string, Origin, bool) {
	if v, ok := m.options.Set[name]; ok {
		return v, FromSet, true
	}
	d, declared := m.declared[name]
	if declared && d.hasValue {
		v, _, ok := m.expand(d.value, d.val)
		return v, FromModule, ok
	}
	if v, ok := m.environment(name); ok && !declared {
		return v, FromEnvironment, true
	}
	m.missing(name, d, declared, at)
	return "", "", false
}

func (m *macros) environment(name string) (string, bool) {
	if m.options.Env == nil {
		return "", false
	}
	return m.options.Env(name)
}

func (m *macros) missing(name string, d declaration, declared bool, at span) {
	p := m.errorf(idMacroMissing, at, "macro %s has no value", short(name))
	p.Hint = fmt.Sprintf("give it one with --set %s=VALUE", short(name))
	if declared {
		if d.doc != "" {
			p.Hint += " (" + d.doc + ")"
		}
		p.Related = append(p.Related, m.related(d.at, "it is declared here, without a value"))
		return
	}
	if near := diag.Nearest(name, m.names()); near != "" {
		p.Hint = fmt.Sprintf("did you mean %%%s%%? If not, declare it with <macro name=%q/> or %s", near, name, p.Hint)
	}
}

func (m *macros) names() []string { return slices.Sorted(maps.Keys(m.declared)) }

// unused reports --set for macros that the module does not have.
func (m *macros) unused() {
	for _, name := range slices.Sorted(maps.Keys(m.options.Set)) {
		if _, declared := m.declared[name]; declared || m.used[name] {
			continue
		}
		p := diag.Problem{ID: idUnusedSet, Severity: diag.Error, Message: fmt.Sprintf("the module has no macro %q", short(name)),
			Pos: diag.Position{File: "--set " + short(name+"="+m.options.Set[name])}}
		if near := diag.Nearest(name, m.names()); near != "" {
			p.Hint = fmt.Sprintf("did you mean %s?", near)
		} else if len(m.declared) > 0 {
			p.Hint = "its macros are " + strings.Join(m.names(), ", ")
		}
		m.problems = append(m.problems, p)
	}
}

// list is every macro that is declared or used, with its value.
func (m *macros) list() []Macro {
	all := map[string]bool{}
	for name := range m.declared {
		all[name] = true
	}
	for name := range m.used {
		all[name] = true
	}
	var out []Macro
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d, declared := m.declared[name]
		_, overridden := m.options.Set[name]
		if !m.used[name] && !d.hasValue && !overridden {
			continue // declared, never used, never set
		}
		value, ok := m.value(name, d.val)
		if !ok {
			continue
		}
		macro := Macro{Name: name, Value: value, Origin: m.origin[name], Doc: d.doc}
		if declared {
			macro.Pos = m.src.Position(d.at.from, d.at.to)
		}
		out = append(out, macro)
	}
	return out
}
