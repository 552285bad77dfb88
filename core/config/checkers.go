package config

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// checkerKind is one kind of checker: its element in the language, and what the plugin
// is told of it.
type checkerKind struct {
	Element
	action   core.Verb // what a failure does, if nothing is said, while the application runs
	separate bool      // its plugin is a program of its own
	// tell fills in what the plugin needs; asked is the element <to>, if the kind has
	// it, else the checker's own. It reports what is wrong, and answers false then.
	tell func(p *parser, c *Checker, asked *node) bool
	// read, instead of tell, is for kinds that differ in more than that.
	read func(p *parser, m *Module, elements []*node)
}

// checkerKinds are those that have an element, in the order of the language. One more
// is a file like checker_tcp.go, and a line here.
func checkerKinds() []checkerKind {
	return []checkerKind{
		tcpChecker(), pingChecker(), intfChecker(), ipChecker(), customChecker(), moduleChecker(),
		splitbrainChecker(), httpChecker(), dnsChecker(), sqlChecker(), pluginChecker(),
	}
}

// lossFall is how many failures in a row mean down for what goes over a network: one
// lost packet is no failure.
const lossFall = 2

// overNetwork is for what asks somebody over a network, at the interval and with the
// patience that its element names.
func (c *Checker) overNetwork(asked *node) {
	c.Fall = lossFall
	c.paced(asked)
	c.Settings["timeout"] = c.Timeout.String()
}

// paced takes interval and timeout from an element.
func (c *Checker) paced(n *node) {
	c.Interval, c.Timeout = n.values["interval"].span, n.values["timeout"].span
}

// checks reads <check>.
func (p *parser) checks(m *Module, list *node) {
	for _, k := range checkerKinds() {
		if k.read != nil {
			k.read(p, m, list.all(k.Name))
			continue
		}
		idents := p.unique("ident")
		for _, n := range list.all(k.Name) {
			asked := n
			if k.child("to") != nil {
				asked = n.one("to")
			}
			c, ok := p.checker(n, k)
			if idents.add(n.values["ident"]) && ok && asked != nil && k.tell(p, &c, asked) {
				m.Checkers = append(m.Checkers, c)
			}
		}
	}
	p.installed(list)
}

// checker reads what all checkers have.
func (p *parser) checker(n *node, k checkerKind) (Checker, bool) {
	c := Checker{Class: k.Name, Plugin: k.Name, Ident: n.values["ident"].text, Settings: map[string]any{}, Pos: p.position(n.at)}
	var ok bool
	c.When, c.Action, ok = p.reaction(n.values["when"], n.values["action"], k.action)
	return c, ok
}

// oneOf says whether just one of two attributes is written.
func (p *parser) oneOf(n *node, a, b string) bool {
	switch {
	case n.values[a].set && n.values[b].set:
		p.valueProblem(idCheck, n.values[b], fmt.Sprintf("%s and %s both say what is checked", a, b)).Hint = "leave out one of them"
		return false
	case !n.values[a].set && !n.values[b].set:
		p.errorf(idMissingAttribute, n.at, "<%s> needs the attribute %q or %q", n.name, a, b)
		return false
	}
	return true
}

// reaction settles when a check runs and what its failure does. In a farm, prim
// and sec mean the same as both: a node that is UP runs all of start_both,
// start_prim and start_sec.
func (p *parser) reaction(when, action value, def core.Verb) (core.When, core.Verb, bool) {
	w := core.When(when.text)
	switch {
	case p.mode == core.Mirror || p.mode == "":
	case when.text == "prim" || when.text == "sec":
		w = core.WhenBoth
	case when.text == "second":
		p.valueProblem(idMode, when, fmt.Sprintf(`"second" belongs to mode mirror, this module is of mode %s`, p.mode)).Hint = `use "both"`
		return w, "", false
	}
	if action.set && !action.ok || when.set && !when.ok {
		return w, "", false
	}
	if !action.set {
		if w == core.WhenPre && def != core.VerbNone {
			def = core.VerbWait
		}
		if w != core.WhenPre && def == core.VerbWait {
			p.valueProblem(idMissingAttribute, when, fmt.Sprintf(`with %q it must be said what a failure does`, when.text)).Hint = `add action="restart", stopstart, stop or noaction`
			return w, "", false
		}
		return w, def, true
	}
	verb := core.Verb(action.text)
	pre := verb == core.VerbWait
	if w == core.WhenPre != pre && verb != core.VerbNone {
		problem := p.valueProblem(idCheck, action, fmt.Sprintf("action %s is not possible with %q", verb, when.text))
		problem.Hint = "before the application runs only wait and noaction are possible"
		if pre {
			problem.Hint = `wait is possible only before the application runs, with "pre"`
		}
		return w, "", false
	}
	return w, verb, true
}

// program says whether the module has a program of that name in bin/.
func (p *parser) program(v value) bool {
	if !v.ok {
		return false
	}
	name := inBin(v)
	if info, err := fs.Stat(p.files, name); err != nil || info.IsDir() {
		p.valueProblem(idProgram, v, fmt.Sprintf("the module has no %s", short(name))).Hint = "names are those of files in the module's bin/"
		return false
	}
	return true
}

// inBin is the path in the module of a program in bin/.
func inBin(v value) string { return path.Clean("bin/" + strings.ReplaceAll(v.text, `\`, "/")) }
