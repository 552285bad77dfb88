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

// pluginChecker is for checkers that have no element of their own.
func pluginChecker() checkerKind {
	k := newChecker("plugin", "A checker that somebody else has written, orchestrator-checker-NAME beside orchestrator or in the folder plugins of its home directory. Resource NAME.IDENT.", anyTime, "both", core.VerbNone, Element{},
		Attribute{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Name of the checker; \"orchestrator plugin list\" shows those that there are."},
		interval("10s"),
		Attribute{Name: "timeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "5s", Min: 10, Status: Used, Doc: "How long one look may take."})
	k.New, k.separate, k.Key = true, true, []string{"name", "ident"}
	k.Children = []Element{{Name: "set", Status: Used, Key: []string{"name"}, Doc: "A setting of the checker.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name."},
			{Name: "value", Kind: KindText, Status: Used, Doc: "Its value, if that is a text."},
			{Name: "json", Kind: KindText, Empty: true, Status: Used, Doc: "Its value in JSON, if it is a number, true or false, or a list: 90."},
		}}}
	k.read = func(p *parser, m *Module, elements []*node) {
		idents := p.unique("resource")
		for _, n := range elements {
			if c, ok := p.pluginCheck(n, k, idents); ok {
				m.Checkers = append(m.Checkers, c)
			}
		}
	}
	return k
}

// pluginCheck reads <plugin>. Idents are unique for each checker.
func (p *parser) pluginCheck(n *node, k checkerKind, idents *unique) (Checker, bool) {
	name, ident := n.values["name"], n.values["ident"]
	c, ok := p.checker(n, k)
	if !name.ok || !ident.ok || !p.ofOthers(name) {
		return c, false
	}
	c.Class, c.Plugin = name.text, name.text
	c.paced(n)
	var good bool
	c.Settings, good = p.settings(n)
	return c, idents.add(ident.named(c.Resource())) && ok && good
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

// installed warns of checkers that are programs of their own and cannot be run here: what a
// module watches by them is unknown, which is seen only when it fails.
func (p *parser) installed(list *node) {
	if p.options.Checker == nil {
		return
	}
	told := map[string]bool{}
	for _, k := range checkerKinds() {
		for _, n := range list.all(k.Name) {
			name, given := n.values["name"] // of others; ours have the element's
			if !given {
				name = value{text: k.Name, at: n.at, ok: true}
			}
			if !k.separate || !name.ok || told[name.text] {
				continue
			}
			told[name.text] = true
			if err := p.options.Checker(name.text); err != nil {
				p.report(diag.Warning, idPlugin, name.at, fmt.Sprintf("checker %s cannot be run here: %v", name.text, err)).Hint =
					"until it can, on each server, its resource is unknown, and nothing is done when the application fails"
			}
		}
	}
}

// settings reads what a checker of others is told.
func (p *parser) settings(n *node) (map[string]any, bool) {
	out, good := map[string]any{}, true
	names := p.unique("setting")
	for _, s := range n.all("set") {
		v := s.values
		if !p.oneOf(s, "value", "json") || !names.add(v["name"]) {
			good = false
			continue
		}
		out[v["name"].text] = v["value"].text
		if raw := v["json"]; raw.set {
			if !json.Valid([]byte(raw.text)) {
				p.valueProblem(idValue, raw, fmt.Sprintf("%q is not JSON", short(raw.text))).Hint = `a text is written as value="…"`
				good = false
			}
			out[v["name"].text] = json.RawMessage(raw.text)
		}
	}
	return out, good
}
