package config

import (
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// check compares an element with the schema and fills in its values.
func (p *parser) check(n *node, e *Element) {
	p.attributes(n, e)
	first := map[string]*node{}
	for _, c := range n.children {
		ce := e.child(c.name)
		if ce == nil {
			p.unknownElement(c, n, e)
			continue
		}
		if f, twice := first[c.name]; twice && ce.Once {
			p.errorf(idRepeated, c.at, "<%s> may stand only once in <%s>", c.name, n.name).Related = []diag.Related{p.related(f.at, "first here")}
		} else if !twice {
			first[c.name] = c
		}
		if p.allowed(c, ce) {
			p.check(c, ce)
		}
	}
	for _, ce := range e.Children {
		if ce.Required && first[ce.Name] == nil {
			p.errorf(idMissingElement, n.at, "<%s> needs a <%s> in it", n.name, ce.Name).Hint = firstSentence(ce.Doc)
		}
	}
}

func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, ". ")
	return strings.TrimSuffix(s, ".")
}

// allowed says whether an element can be looked into: of this mode, and known
// to this version.
func (p *parser) allowed(n *node, e *Element) bool {
	if e.Mode != "" && p.mode != "" && e.Mode != p.mode {
		p.errorf(idMode, n.at, "<%s> belongs to mode %s, this module is of mode %s", n.name, e.Mode, p.mode)
		return false
	}
	switch e.Status {
	case NotYet:
		if p.mode != "" && p.mode == e.Mode {
			return false // the mode itself has been refused
		}
		what := ""
		if e.Mode == core.Mirror {
			what = ": mode mirror is not there yet"
		}
		p.errorf(idNotYet, n.at, "<%s> is not supported yet in this version%s", n.name, what)
		return false
	case Ignored:
		p.report(diag.Note, idIgnored, n.at, fmt.Sprintf("<%s> has no effect: %s", n.name, e.Why))
	case Used:
	}
	return true
}

func (p *parser) unknownElement(n, parent *node, e *Element) {
	if parents := parentsOf(Schema(), n.name); len(parents) > 0 {
		p.errorf(idMisplaced, n.at, "<%s> cannot stand in <%s>", n.name, parent.name).Hint =
			fmt.Sprintf("it belongs in <%s>", strings.Join(parents, "> or <"))
		return
	}
	problem := p.errorf(idUnknownElement, n.at, "<%s> is unknown", short(n.name))
	var here []string
	for _, c := range e.Children {
		here = append(here, c.Name)
	}
	switch near := diag.Nearest(n.name, here); {
	case near != "":
		problem.Hint = fmt.Sprintf("did you mean <%s>?", near)
	case len(here) > 0:
		problem.Hint = fmt.Sprintf("<%s> can hold <%s>", parent.name, strings.Join(here, ">, <"))
	default:
		problem.Hint = fmt.Sprintf("<%s> holds no elements", parent.name)
	}
}

// parentsOf lists the elements that may hold one of that name.
func parentsOf(e *Element, name string) []string {
	var out []string
	if e.child(name) != nil {
		out = append(out, e.Name)
	}
	for i := range e.Children {
		out = append(out, parentsOf(&e.Children[i], name)...)
	}
	return out
}

// attributes checks the attributes of an element against the schema.
func (p *parser) attributes(n *node, e *Element) {
	n.values = map[string]value{}
	seen := map[string]attr{}
	for _, a := range n.attrs {
		if first, twice := seen[a.name]; twice {
			p.errorf(idRepeatedAttr, a.at, "attribute %q stands twice in <%s>", short(a.name), n.name).Related =
				[]diag.Related{p.related(first.at, "first here")}
			continue
		}
		seen[a.name] = a
		if def := e.attribute(a.name); def != nil {
			n.values[a.name] = p.value(n, a, def, e)
		} else if e.Name != "safe" || !strings.HasPrefix(a.name, "xmlns") && !strings.HasPrefix(a.name, "xsi:") {
			p.unknownAttribute(n, a, e)
		}
	}
	for i := range e.Attributes {
		p.absent(n, &e.Attributes[i], seen)
	}
}

// absent gives an attribute that is not written its default.
func (p *parser) absent(n *node, a *Attribute, seen map[string]attr) {
	if _, written := seen[a.Name]; written {
		return
	}
	if a.Required {
		p.errorf(idMissingAttribute, n.at, "<%s> needs the attribute %q", n.name, a.Name).Hint = firstSentence(a.Doc)
		return
	}
	v := value{text: a.Default, at: n.at}
	if a.Default != "" {
		_, _, err := v.convert(a)
		v.ok = err == nil
	}
	n.values[a.Name] = v
}

func (p *parser) unknownAttribute(n *node, a attr, e *Element) {
	problem := p.errorf(idUnknownAttribute, a.at, "attribute %q is unknown in <%s>", short(a.name), n.name)
	var names []string
	for _, known := range e.Attributes {
		names = append(names, known.Name)
	}
	switch near := diag.Nearest(a.name, names); {
	case near != "":
		problem.Hint = fmt.Sprintf("did you mean %q?", near)
	case len(names) > 0:
		problem.Hint = fmt.Sprintf("<%s> knows %s", n.name, strings.Join(names, ", "))
	default:
		problem.Hint = fmt.Sprintf("<%s> has no attributes", n.name)
	}
}

// value expands and converts one written value.
func (p *parser) value(n *node, a attr, def *Attribute, e *Element) value {
	v := value{text: a.value, at: a.val, set: true}
	if e.Name != "macro" {
		var ok bool
		if v.text, v.macros, ok = p.macros.expand(a.value, a.val); !ok {
			return v
		}
	}
	if v.text == "" && def.Empty {
		v.text, v.set = def.Default, false
		return v
	}
	if id, hint, err := v.convert(def); err != nil {
		problem := p.valueProblem(id, v, err.Error())
		if hint != "" {
			problem.Hint = strings.TrimSuffix(hint+"; "+problem.Hint, "; ")
		}
		return v
	}
	v.ok = p.supported(n, v, def)
	return v
}

// supported refuses what this version cannot do and tells what it leaves out.
func (p *parser) supported(n *node, v value, def *Attribute) bool {
	same := v.text == def.Default
	switch {
	case def.Status == NotYet && !same:
		p.valueProblem(idNotYet, v, fmt.Sprintf("attribute %q of <%s> is not supported yet in this version", def.Name, n.name))
		return false
	case def.Status == Ignored && !same:
		p.report(diag.Note, idIgnored, v.at, fmt.Sprintf("attribute %q of <%s> has no effect: %s", def.Name, n.name, def.Why))
	}
	for _, later := range def.NotYet {
		if v.text != later {
			continue
		}
		if def.Name == "mode" {
			p.valueProblem(idNotYet, v, fmt.Sprintf("mode %s is not supported yet in this version", v.text)).Hint = "mode farm is"
			return false
		}
		p.valueProblem(idNotYet, v, fmt.Sprintf("%s=%q is not supported yet in this version", def.Name, v.text))
		return false
	}
	return true
}
