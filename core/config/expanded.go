package config

import (
	"encoding/xml"
	"strings"
)

// ExpandedFile is where the document with all macros replaced lies in a module that is
// installed on a node. SafeKit has it under the same name.
const ExpandedFile = "conf/safeconf.xml"

// Expanded is the document of userconfig.xml as it holds: macros replaced, and the
// defaults of attributes that are not written, in the units of the document.
// Remarks are left out.
func (m *Module) Expanded() []byte { return []byte(m.expanded) }

// expanded writes the document of a module that has no errors.
func (p *parser) expanded(root *node) string {
	if p.problems.Refused() {
		return ""
	}
	var b strings.Builder
	b.WriteString(xml.Header)
	p.writeElement(&b, root, p.schema, "")
	return b.String()
}

func (p *parser) writeElement(b *strings.Builder, n *node, e *Element, indent string) {
	b.WriteString(indent + "<" + n.name)
	for _, a := range e.Attributes {
		v := n.values[a.Name]
		if held, ok := p.macros.values[n.values["name"].text]; ok && e.Name == "macro" && a.Name == "value" {
			v = value{text: held, set: true} // also from --set or the environment
		}
		if v.set || v.text != "" {
			b.WriteString(" " + a.Name + `="` + escaped(v.text) + `"`)
		}
	}
	var inner strings.Builder
	for _, t := range n.texts {
		text, _, _ := p.ruleText(t) // complete: nothing was refused
		inner.WriteString(escaped(text))
	}
	for _, c := range n.children {
		if ce := e.child(c.name); ce != nil && c.values != nil {
			inner.WriteString("\n")
			p.writeElement(&inner, c, ce, indent+"  ")
		}
	}
	switch {
	case inner.Len() == 0:
		b.WriteString("/>")
	case len(n.children) > 0:
		b.WriteString(">" + inner.String() + "\n" + indent + "</" + n.name + ">")
	default:
		b.WriteString(">" + inner.String() + "</" + n.name + ">")
	}
	if indent == "" {
		b.WriteString("\n")
	}
}
