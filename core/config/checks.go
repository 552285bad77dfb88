package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// tcpChecks reads <check><tcp>.
func (p *parser) tcpChecks(list *node) []TCPCheck {
	var out []TCPCheck
	idents := p.unique("ident")
	for _, n := range list.all("tcp") {
		c := TCPCheck{Ident: n.values["ident"].text, Pos: p.position(n.at)}
		var ok bool
		if c.When, c.Action, ok = p.reaction(n.values["when"], n.values["action"], core.VerbRestart); !ok {
			continue
		}
		to := n.one("to")
		if !idents.add(n.values["ident"]) || to == nil {
			continue
		}
		c.Addr, c.Port = to.values["addr"].addr, uint16(to.values["port"].number)
		c.Interval, c.Timeout = to.values["interval"].span, to.values["timeout"].span
		out = append(out, c)
	}
	return out
}

// procs reads <errd>.
func (p *parser) procs(service *node) []Proc {
	errd := service.one("errd")
	if errd != nil && service.one("user") == nil {
		p.errorf(idMissingElement, errd.at, "<errd> needs a <user> beside it").Hint = "add <user/>"
	}
	var out []Proc
	names := p.unique("proc")
	for _, n := range errd.all("proc") {
		name := n.values["name"]
		if name.ok && (strings.TrimSpace(name.text) == "" || strings.ContainsAny(name.text, "\r\n\t")) {
			p.valueProblem(idName, name, "the name of a process cannot be empty or have line breaks or tabs")
			continue
		}
		if !names.add(name) {
			continue
		}
		if proc, ok := p.proc(n, errd.values["polltimer"].span); ok {
			out = append(out, proc)
		}
	}
	return out
}

func (p *parser) proc(n *node, poll time.Duration) (Proc, bool) {
	v := n.values
	c := Proc{Name: v["name"].text, Service: v["service"].text == "yes", NameRegex: v["nameregex"].text, ArgRegex: v["argregex"].text,
		AtLeast: int(v["atleast"].number), AtMost: int(v["atmax"].number), Poll: poll, Pos: p.position(n.at)}
	if n := v["start_after"].number; n > 1 {
		c.Grace = time.Duration(n-1) * poll
	}
	class := v["class"]
	switch class.text {
	case "both", "prim", "pre", "second", "sec":
	default:
		if class.ok {
			p.valueProblem(idNotYet, class, fmt.Sprintf("class %q, of your own, is not supported yet in this version", short(class.text))).Hint =
				"the classes that are supported are both, prim and pre"
		}
		return c, false
	}
	action := v["action"]
	switch core.Verb(action.text) {
	case core.VerbRestart, core.VerbStopStart, core.VerbStop, core.VerbNone, core.VerbWait:
	default:
		if action.ok {
			problem := p.valueProblem(idNotYet, action, fmt.Sprintf("action %q, a program of your own, is not supported yet in this version", short(action.text)))
			problem.Hint = "the actions that are supported are restart, stopstart, stop and noaction"
			if near := diag.Nearest(action.text, []string{"restart", "stopstart", "stop", "noaction"}); near != "" {
				problem.Hint = fmt.Sprintf("did you mean %q? %s", near, problem.Hint)
			}
		}
		return c, false
	}
	if least, most := v["atleast"], v["atmax"]; least.ok && most.ok && c.AtMost >= 0 && c.AtMost < c.AtLeast {
		p.report(diag.Error, idCheck, most.at, fmt.Sprintf("at most %d but at least %d processes is impossible", c.AtMost, c.AtLeast)).Hint =
			`with atmax="0", write atleast="-1"`
		return c, false
	}
	var ok bool
	c.When, c.Action, ok = p.reaction(class, action, core.VerbStopStart)
	return c, ok
}

// reaction settles when a check runs and what its failure does. In a farm, prim
// and sec mean the same as both: a node that is UP runs all of start_both,
// start_prim and start_sec.
func (p *parser) reaction(when, action value, def core.Verb) (core.When, core.Verb, bool) {
	w := core.When(when.text)
	switch when.text {
	case "prim", "sec":
		w = core.WhenBoth
	case "second":
		p.valueProblem(idMode, when, `"second" belongs to mode mirror, this module is of mode farm`).Hint = `use "both"`
		return w, "", false
	}
	if action.set && !action.ok || when.set && !when.ok {
		return w, "", false
	}
	if !action.set {
		if w == core.WhenPre {
			def = core.VerbWait
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
