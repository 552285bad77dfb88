package config

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// checks reads <check>.
func (p *parser) checks(m *Module, list *node) {
	each := func(kind string, def core.Verb, use func(n, to *node, c Checker)) {
		idents := p.unique("ident")
		for _, n := range list.all(kind) {
			to := n.one("to")
			c, ok := p.checker(n, def)
			if idents.add(n.values["ident"]) && ok && (to != nil || kind == "custom" || kind == "splitbrain" || kind == "plugin") {
				use(n, to, c)
			}
		}
	}
	each("tcp", core.VerbRestart, func(_, to *node, c Checker) {
		v := to.values
		m.TCPChecks = append(m.TCPChecks, TCPCheck{c, v["addr"].text, uint16(v["port"].number), v["interval"].span, v["timeout"].span})
	})
	each("ping", core.VerbWait, func(_, to *node, c Checker) {
		v := to.values
		m.PingChecks = append(m.PingChecks, PingCheck{c, v["addr"].text, v["interval"].span, v["timeout"].span})
	})
	each("intf", core.VerbWait, func(_, to *node, c Checker) {
		if v := to.values; p.oneOf(to, "local_addr", "name") {
			m.IntfChecks = append(m.IntfChecks, IntfCheck{c, v["local_addr"].addr, v["name"].text})
		}
	})
	each("ip", core.VerbStopStart, func(_, to *node, c Checker) {
		m.IPChecks = append(m.IPChecks, IPCheck{c, to.values["addr"].addr, to.values["interval"].span})
	})
	each("custom", core.VerbNone, func(n, _ *node, c Checker) {
		if v := n.values; p.program(v["exec"]) {
			m.CustomChecks = append(m.CustomChecks, CustomCheck{c, v["exec"].text, strings.Fields(v["arg"].text), v["interval"].span, v["timeout"].span})
		}
	})
	each("splitbrain", core.VerbWait, func(n, _ *node, c Checker) {
		m.SplitBrain = &SplitBrain{c, p.witnesses(n)}
	})
	p.moduleChecks(m, list)
	each("http", core.VerbRestart, func(_, to *node, c Checker) {
		if h, ok := p.httpCheck(to); ok {
			h.Checker = c
			m.HTTPChecks = append(m.HTTPChecks, h)
		}
	})
	each("dns", core.VerbRestart, func(_, to *node, c Checker) {
		v := to.values
		if p.dnsName(v["name"]) {
			m.DNSChecks = append(m.DNSChecks, DNSCheck{
				c, v["server"].addr, uint16(v["port"].number), v["name"].text, v["type"].text, v["answer"].text, v["interval"].span, v["timeout"].span,
			})
		}
	})
	each("sql", core.VerbRestart, func(_, to *node, c Checker) {
		if s, ok := p.sqlCheck(to); ok {
			s.Checker = c
			m.SQLChecks = append(m.SQLChecks, s)
		}
	})
	p.pluginChecks(m, list)
	p.runnablePlugins(list)
}

// sqlCheck reads what a database server is asked.
func (p *parser) sqlCheck(to *node) (SQLCheck, bool) {
	v := to.values
	good := p.inModule(v["ca"])
	for _, name := range []string{"addr", "port"} {
		if v["socket"].set && v[name].set {
			p.valueProblem(idCheck, v[name], name+" and socket both say where the server is").Hint = "leave out one of them"
			good = false
		}
	}
	if v["ca"].set && v["tls"].ok && v["tls"].text != "verify" {
		p.valueProblem(idCheck, v["ca"], `ca is for tls="verify"`).Hint = `write tls="verify", or leave it out`
		good = false
	}
	return SQLCheck{
		Driver: v["driver"].text, Addr: v["addr"].text, Port: uint16(v["port"].number), Socket: v["socket"].text,
		Database: v["database"].text, User: v["user"].text, PasswordFile: v["password_file"].text,
		TLS: v["tls"].text, CA: v["ca"].text, Query: v["query"].text, Answer: v["answer"].text,
		Interval: v["interval"].span, Timeout: v["timeout"].span,
	}, good
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

// checker reads what all checkers have. def is what a failure does, if nothing
// is said, while the application runs.
func (p *parser) checker(n *node, def core.Verb) (Checker, bool) {
	c := Checker{Ident: n.values["ident"].text, Pos: p.position(n.at)}
	var ok bool
	c.When, c.Action, ok = p.reaction(n.values["when"], n.values["action"], def)
	return c, ok
}

// moduleChecks reads <module>, of which a failure always means to wait.
func (p *parser) moduleChecks(m *Module, list *node) {
	idents := p.unique("ident")
	for _, n := range list.all("module") {
		to := n.one("to")
		if to == nil {
			to = p.blank(n, moduleCheckElement().Children[0])
		}
		name, ident := n.values["name"], n.values["ident"]
		if !ident.set {
			ident = name
			ident.text = name.text + "_" + to.values["addr"].text
		}
		if !idents.add(ident) || !name.ok {
			continue
		}
		if name.text == m.Name {
			p.valueProblem(idCheck, name, "a module cannot wait for itself").Hint = "name the module that this one needs"
			continue
		}
		v := to.values
		m.ModuleChecks = append(m.ModuleChecks, ModuleCheck{
			Checker{ident.text, core.WhenPre, core.VerbWait, p.position(n.at)},
			name.text, v["addr"].text, uint16(v["port"].number), v["interval"].span, v["timeout"].span,
		})
	}
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
	name := "bin/" + strings.ReplaceAll(v.text, `\`, "/")
	if info, err := fs.Stat(p.files, path.Clean(name)); err != nil || info.IsDir() {
		p.valueProblem(idProgram, v, fmt.Sprintf("the module has no %s", short(name))).Hint = "names are those of files in the module's bin/"
		return false
	}
	return true
}
