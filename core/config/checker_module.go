package config

import "github.com/orchestrator-ha/orchestrator/core"

func moduleChecker() checkerKind {
	to := target(
		Attribute{Name: "addr", Kind: KindHost, Default: "127.0.0.1", Status: Used, Doc: "Address of a node that has the module, or of the module itself."},
		Attribute{Name: "port", Kind: KindPort, Default: "9010", Status: Used, Doc: "Port of that node's API."},
		interval("10s"), patience("5s"),
		onOff("secure", "off", Attribute{Status: Ignored, Why: "nodes always speak TLS to each other", Doc: "Whether to use TLS."}))
	to.Required = false
	return checkerKind{
		Element: Element{Name: "module", Status: Used, Key: []string{"name", "ident"},
			Doc: "Another module takes connections on a node. This one waits until it does, and is restarted when it was; of a node that is silent the first time does not count. Resource module.IDENT.",
			Attributes: []Attribute{
				{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "The module."},
				{Name: "ident", Kind: KindName, Status: Used, Doc: "Name of the resource. Default: NAME_ADDR."},
			},
			Children: []Element{to}},
		read: func(p *parser, m *Module, elements []*node) {
			idents := p.unique("ident")
			for _, n := range elements {
				asked := n.one("to")
				if asked == nil {
					asked = p.blank(n, to)
				}
				if c, ok := p.otherModule(n, asked, idents); ok {
					m.Checkers = append(m.Checkers, c)
				}
			}
		},
	}
}

// otherModule reads <module>, of which a failure always means to wait.
func (p *parser) otherModule(n, to *node, idents *unique) (Checker, bool) {
	name, ident, v := n.values["name"], n.values["ident"], to.values
	if !ident.set {
		ident = name.named(name.text + "_" + v["addr"].text)
	}
	if !idents.add(ident) || !name.ok {
		return Checker{}, false
	}
	if name.text == p.name {
		p.valueProblem(idCheck, name, "a module cannot wait for itself").Hint = "name the module that this one needs"
		return Checker{}, false
	}
	c := Checker{Class: "module", Plugin: "module", Ident: ident.text, When: core.WhenPre, Action: core.VerbWait, Pos: p.position(n.at)}
	c.paced(to)
	c.Settings = map[string]any{"module": name.text, "addr": v["addr"].text, "port": v["port"].number, "timeout": c.Timeout.String()}
	return c, true
}
