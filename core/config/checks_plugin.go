package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// checkerName is what checkers of others are called.
var checkerName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)

// taken are classes of resources that are made elsewhere.
var taken = []string{"proc", "process", "state", "rule", "rfs", "heart", "heartbeat", "usersetting", "connections"}

// pluginChecks reads <plugin>. Idents are unique for each checker.
func (p *parser) pluginChecks(m *Module, list *node) {
	idents := p.unique("resource")
	for _, n := range list.all("plugin") {
		name, ident := n.values["name"], n.values["ident"]
		c, ok := p.checker(n, core.VerbNone)
		if !name.ok || !ident.ok || !p.ofOthers(name) {
			continue
		}
		settings, good := p.settings(n)
		if !idents.add(ident.named(name.text+"."+ident.text)) || !ok || !good {
			continue
		}
		v := n.values
		m.PluginChecks = append(m.PluginChecks, PluginCheck{c, name.text, settings, v["interval"].span, v["timeout"].span})
	}
}

// ofOthers says whether a name can be that of a checker which is not ours.
func (p *parser) ofOthers(name value) bool {
	own := checkElement()
	switch {
	case !checkerName.MatchString(name.text):
		p.valueProblem(idName, name, fmt.Sprintf("%q cannot be the name of a checker", short(name.text))).Hint = "it has small letters, digits, - and _, a letter first"
	case own.child(name.text) != nil:
		p.valueProblem(idCheck, name, fmt.Sprintf("%s has an element of its own", name.text)).Hint = fmt.Sprintf("write <%s …>", name.text)
	case slices.Contains(taken, name.text):
		p.valueProblem(idCheck, name, fmt.Sprintf("resources called %s.… tell of something else", name.text)).Hint = "give the checker another name"
	default:
		return true
	}
	return false
}

// runnablePlugins warns of checkers that are programs of their own and cannot be run
// here: what a module watches by them is unknown, which is seen only when it fails.
func (p *parser) runnablePlugins(list *node) {
	if p.options.Checker == nil {
		return
	}
	told := map[string]bool{}
	for _, n := range append(slices.Clone(list.all("sql")), list.all("plugin")...) {
		name, at := "sql", n.at
		if n.name == "plugin" {
			name, at = n.values["name"].text, n.values["name"].at
		}
		if told[name] || n.name == "plugin" && !n.values["name"].ok {
			continue
		}
		told[name] = true
		if err := p.options.Checker(name); err != nil {
			p.report(diag.Warning, idPlugin, at, fmt.Sprintf("checker %s cannot be run here: %v", name, err)).Hint =
				"until it can, on each server, its resource is unknown, and nothing is done when the application fails"
		}
	}
}

// settings reads what a checker of others is told.
func (p *parser) settings(n *node) (map[string]json.RawMessage, bool) {
	out, good := map[string]json.RawMessage{}, true
	names := p.unique("setting")
	for _, s := range n.all("set") {
		v := s.values
		if !p.oneOf(s, "value", "json") || !names.add(v["name"]) {
			good = false
			continue
		}
		raw, _ := json.Marshal(v["value"].text) // a text always can be
		if v["json"].set {
			if raw = json.RawMessage(v["json"].text); !json.Valid(raw) {
				p.valueProblem(idValue, v["json"], fmt.Sprintf("%q is not JSON", short(v["json"].text))).Hint = `a text is written as value="…"`
				good = false
			}
		}
		out[v["name"].text] = raw
	}
	return out, good
}
