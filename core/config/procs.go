package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

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
	if least, most := v["atleast"], v["atmax"]; least.ok && most.ok && c.AtMost >= 0 && c.AtMost < c.AtLeast {
		p.report(diag.Error, idCheck, most.at, fmt.Sprintf("at most %d but at least %d processes is impossible", c.AtMost, c.AtLeast)).Hint =
			`with atmax="0", write atleast="-1"`
		return c, false
	}
	c.Services = p.restarted(v)
	own := !slices.Contains([]string{"both", "prim", "pre", "second", "sec"}, v["class"].text)
	if own {
		c.Class = v["class"].text
	}
	if p.handler(v["action"]) {
		return p.handled(c, v["action"], own)
	}
	when := v["class"]
	if own {
		when = value{text: "both", ok: v["class"].ok}
	}
	var ok bool
	c.When, c.Action, ok = p.reaction(when, v["action"], core.VerbStopStart)
	return c, ok && v["class"].ok
}

// handler says that the action is none of the usual ones.
func (p *parser) handler(action value) bool {
	verbs := []core.Verb{core.VerbRestart, core.VerbStopStart, core.VerbStop, core.VerbNone, core.VerbWait}
	return action.ok && !slices.Contains(verbs, core.Verb(action.text))
}

// handled is a process whose failure calls a program.
func (p *parser) handled(c Proc, action value, own bool) (Proc, bool) {
	possible := []string{"restart", "stopstart", "stop", "noaction"}
	if near := diag.Nearest(action.text, possible); near != "" {
		p.valueProblem(idValue, action, fmt.Sprintf("%q is not a value of action", short(action.text))).Hint =
			fmt.Sprintf("did you mean %q? possible values are %s, and the name of a program in bin/", near, strings.Join(possible, ", "))
		return c, false
	}
	c.Handler, c.When, c.Action = handlerName(action.text), core.WhenBoth, core.VerbNone
	if !own {
		p.valueProblem(idCheck, action, "a program of your own needs a class of your own").Hint = `write class="NAME", and switch it on and off in hooks`
		return c, false
	}
	if !validHook(c.Handler) {
		p.valueProblem(idCheck, action, fmt.Sprintf("%q cannot be called", short(action.text))).Hint = "such a program lies in bin/ itself, and its name is of letters, digits, _, - and ."
		return c, false
	}
	return c, p.program(action)
}

// handlerName is a program in bin/ as hooks are called: without its ending.
func handlerName(file string) string {
	for _, end := range []string{".lua", ".sh", ".exe", ".cmd", ".bat", ".ps1", ".vbs"} {
		if name, ok := strings.CutSuffix(file, end); ok {
			return name
		}
	}
	return file
}

var hookName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// validHook says that a name can be that of a hook.
func validHook(name string) bool { return hookName.MatchString(name) }

// restarted are the services that a restart is about.
func (p *parser) restarted(v map[string]value) []string {
	services := v["restart_services"]
	if !services.set {
		return nil
	}
	if v["service"].text != "yes" || v["action"].text != "restart" {
		p.valueProblem(idCheck, services, "restart_services is for services that are restarted").Hint = `write service="yes" and action="restart"`
		return nil
	}
	var out []string
	for _, name := range strings.Split(services.text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}
