package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// check compares an element with the schema and fills in its values.
func (p *parser) check(n *node, e *Element) {
	p.attributes(n, e)
	for _, t := range n.texts {
		if !e.Text {
			p.strayText(t)
		}
	}
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
		if !p.allowed(c, ce) {
			continue
		}
		p.check(c, ce)
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

// allowed says whether an element can be looked into: if it is of this mode.
func (p *parser) allowed(n *node, e *Element) bool {
	if len(e.Modes) > 0 && p.mode != "" && !slices.Contains(e.Modes, p.mode) {
		p.errorf(idMode, n.at, "<%s> belongs to mode %s, this module is of mode %s", n.name, modeNames(e.Modes), p.mode)
		return false
	}
	if e.Status == Ignored {
		p.report(diag.Note, idIgnored, n.at, fmt.Sprintf("<%s> has no effect: %s", n.name, e.Why))
	}
	return true
}

func modeNames(modes []core.Mode) string {
	var names []string
	for _, m := range modes {
		names = append(names, string(m))
	}
	return strings.Join(names, " or ")
}

func (p *parser) unknownElement(n, parent *node, e *Element) {
	if parents := p.parents[n.name]; len(parents) > 0 {
		p.errorf(idMisplaced, n.at, "<%s> cannot stand in <%s>", n.name, parent.name).Hint =
			fmt.Sprintf("it belongs in <%s>", strings.Join(parents, "> or <"))
		return
	}
	problem := p.errorf(idUnknownElement, n.at, "<%s> is unknown", short(n.name))
	if len(p.problems) > 10*maxProblems {
		return // hardly one of those that are shown
	}
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

// parentsOf lists, for each element below e, those that may hold one of its name.
func parentsOf(e *Element) map[string][]string {
	out := map[string][]string{}
	var walk func(e *Element)
	walk = func(e *Element) {
		for i := range e.Children {
			c := &e.Children[i]
			if !slices.Contains(out[c.Name], e.Name) {
				out[c.Name] = append(out[c.Name], e.Name)
			}
			walk(c)
		}
	}
	walk(e)
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
		hint := firstSentence(a.Doc)
		if len(a.Values) > 0 {
			hint = "it is one of " + strings.Join(a.Values, ", ")
		}
		p.errorf(idMissingAttribute, n.at, "<%s> needs the attribute %q", n.name, a.Name).Hint = hint
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
	if p.macros != nil && e.Name != "macro" {
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
	v.ok = def.Kind != KindResolved || p.resolve(&v)
	p.supported(n, v, def)
	return v
}

// supported refuses what this version cannot do and tells what it leaves out.
func (p *parser) supported(n *node, v value, def *Attribute) {
	name := fmt.Sprintf("attribute %q of <%s>", def.Name, n.name)
	switch same := v.isDefault(def); {
	case !same && len(def.Modes) > 0 && p.mode != "" && !slices.Contains(def.Modes, p.mode):
		p.report(diag.Note, idIgnored, v.at, fmt.Sprintf("%s has no effect: it is for mode %s", name, modeNames(def.Modes)))
		return
	case !same && def.Status == Ignored:
		p.report(diag.Note, idIgnored, v.at, fmt.Sprintf("%s has no effect: %s", name, def.Why))
	}
}
