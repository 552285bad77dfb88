package config

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"strings"
)

// XSD is a language as an XML schema (W3C XML Schema 1.0), for editors. It
// takes every document that Parse takes. It does not know all that Parse
// knows: what belongs to which mode, and what must fit together.
func XSD(root *Element) string {
	x := &xsd{}
	x.line(`<?xml version="1.0" encoding="UTF-8"?>`)
	x.open(`xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"`)
	for _, t := range simpleTypes() {
		x.open(`xs:simpleType name="%s"`, t.name)
		x.restriction("xs:"+t.base, `<xs:pattern value="%s"/>`, escaped(t.pattern))
		x.close("xs:simpleType")
	}
	x.element(root, 1, 1)
	x.close("xs:schema")
	return x.String()
}

// simpleType is the type of a kind of value. Patterns are loose: Parse says
// better what is wrong.
type simpleType struct{ name, base, pattern string }

func simpleTypes() []simpleType {
	return []simpleType{
		{"macro", "string", `.*%[A-Za-z_][A-Za-z0-9_.\-]*%.*`}, // any value may be made of macros
		{"empty", "string", ""},
		{"star", "string", `\*`},
		{string(KindName), "string", `[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}`},
		{"hex", "token", `0x[0-9A-Fa-f]+`},
		{string(KindDuration), "token", `[0-9]+|([0-9]+(d|h|m|s|ms|us))+`},
		{string(KindAddress), "string", `[0-9A-Fa-f.:]+`},
		{string(KindAddresses), "token", `[0-9A-Fa-f.:]+( [0-9A-Fa-f.:]+)*`},
		{string(KindHost), "string", `[A-Za-z0-9.\-]+|[0-9A-Fa-f.:]+|\[[0-9A-Fa-f.:]+\]`},
		{string(KindResolved), "string", `[A-Za-z0-9.\-]+|[0-9A-Fa-f.:]+`},
		{string(KindNetmask), "token", `/?[0-9]+|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+`},
		{string(KindMAC), "string", `[0-9A-Fa-f.:\-]+`},
		{string(KindFolder), "string", `/.+|[A-Za-z]:[/\\].+`},
		{string(KindPath), "string", `[^/\\].*`},
	}
}

type xsd struct {
	strings.Builder
	depth int
}

func (x *xsd) line(format string, args ...any) {
	x.WriteString(strings.Repeat("  ", x.depth))
	fmt.Fprintf(x, format+"\n", args...)
}

func (x *xsd) open(format string, args ...any) {
	x.line("<"+format+">", args...)
	x.depth++
}

func (x *xsd) close(name string) {
	x.depth--
	x.line("</%s>", name)
}

func (x *xsd) restriction(base, format string, args ...any) {
	x.open(`xs:restriction base="%s"`, base)
	x.line(format, args...)
	x.close("xs:restriction")
}

func (x *xsd) doc(text string) {
	x.line("<xs:annotation><xs:documentation>%s</xs:documentation></xs:annotation>", escaped(text))
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}

// element writes an element that stands at least and at most that often; most 0
// means any number.
func (x *xsd) element(e *Element, least, most int) {
	occurs := ""
	if x.depth > 1 {
		occurs = fmt.Sprintf(` minOccurs="%d" maxOccurs="%s"`, least, upTo(most))
	}
	x.open(`xs:element name="%s"%s`, e.Name, occurs)
	x.doc(e.remark())
	mixed := ""
	if e.Text {
		mixed = ` mixed="true"`
	}
	x.open("xs:complexType%s", mixed)
	x.content(e)
	for i := range e.Attributes {
		x.attribute(&e.Attributes[i])
	}
	x.close("xs:complexType")
	x.close("xs:element")
}

func upTo(most int) string {
	if most == 0 {
		return "unbounded"
	}
	return fmt.Sprint(most)
}

// content writes what stands in an element: its children in any order. How
// often each stands cannot always be said with that.
func (x *xsd) content(e *Element) {
	switch single := e.theOne(); {
	case len(e.Children) == 0:
	case e.allOnce():
		x.open("xs:all")
		for i := range e.Children {
			x.element(&e.Children[i], least(&e.Children[i]), 1)
		}
		x.close("xs:all")
	case len(e.Children) == 1:
		x.open("xs:sequence")
		x.element(&e.Children[0], least(&e.Children[0]), 0)
		x.close("xs:sequence")
	case single != nil: // others, the one, others
		x.open("xs:sequence")
		x.others(e, single)
		x.element(single, 1, 1)
		x.others(e, single)
		x.close("xs:sequence")
	default:
		x.others(e, nil)
	}
}

func (x *xsd) others(e, but *Element) {
	x.open(`xs:choice minOccurs="0" maxOccurs="unbounded"`)
	for i := range e.Children {
		if &e.Children[i] != but {
			x.element(&e.Children[i], 1, 1)
		}
	}
	x.close("xs:choice")
}

func least(e *Element) int {
	if e.Required {
		return 1
	}
	return 0
}

func (e *Element) allOnce() bool {
	for _, c := range e.Children {
		if !c.Once {
			return false
		}
	}
	return true
}

// theOne is the child that must stand exactly once where all others may stand at
// will; nil if it is not like that.
func (e *Element) theOne() *Element {
	var one *Element
	for i := range e.Children {
		switch c := &e.Children[i]; {
		case c.Required && c.Once && one == nil:
			one = c
		case c.Required || c.Once:
			return nil
		}
	}
	return one
}

func (x *xsd) attribute(a *Attribute) {
	use := ""
	switch {
	case a.Required:
		use = ` use="required"`
	case a.Default != "":
		use = fmt.Sprintf(` default="%s"`, escaped(a.Default))
	}
	x.open(`xs:attribute name="%s"%s`, a.Name, use)
	x.doc(a.remark())
	x.open("xs:simpleType")
	x.values(a)
	x.close("xs:simpleType")
	x.close("xs:attribute")
}

// values writes what an attribute can be: its kind, a macro, and what else it
// allows.
func (x *xsd) values(a *Attribute) {
	members := []string{"macro"}
	if a.Star {
		members = append(members, "star")
	}
	if a.Empty {
		members = append(members, "empty")
	}
	switch a.Kind {
	case KindText, KindRegex, KindTimes:
		x.line(`<xs:restriction base="xs:string"/>`)
		return
	case KindChoice, KindPort:
	case KindNumber:
		members = append(members, "hex")
	default:
		members = append(members, string(a.Kind))
	}
	x.open(`xs:union memberTypes="%s"`, strings.Join(members, " "))
	switch a.Kind {
	case KindChoice:
		x.open("xs:simpleType")
		x.open(`xs:restriction base="xs:string"`)
		for _, v := range a.Values {
			x.line(`<xs:enumeration value="%s"/>`, escaped(v))
		}
		x.close("xs:restriction")
		x.close("xs:simpleType")
	case KindNumber, KindPort:
		low, high := a.Min, a.Max
		if a.Kind == KindPort {
			low, high = 1, 65535
		}
		x.open("xs:simpleType")
		x.open(`xs:restriction base="xs:integer"`)
		x.line(`<xs:minInclusive value="%d"/>`, low)
		if high != 0 {
			x.line(`<xs:maxInclusive value="%d"/>`, high)
		}
		x.close("xs:restriction")
		x.close("xs:simpleType")
	}
	x.close("xs:union")
}

// remark is what there is to say of an element: its meaning, and what
// becomes of it in this version.
func (e *Element) remark() string {
	text := e.Doc
	if len(e.Modes) > 0 {
		text += " Mode " + modeNames(e.Modes) + "."
	}
	if e.New {
		text += " Not in SafeKit."
	}
	if e.Status == Ignored {
		text += " No effect: " + e.Why + "."
	}
	return text
}

// remark is what there is to say of an attribute.
func (a *Attribute) remark() string {
	text := a.Doc
	if a.Unit != "" {
		text += fmt.Sprintf(" A bare number is in %s.", a.Unit)
		if grain := cmp.Or(a.Grain, a.Unit); grain != a.Unit {
			text += fmt.Sprintf(" Down to 1%s.", grain)
		}
	}
	if len(a.Modes) > 0 {
		text += " Mode " + modeNames(a.Modes) + "."
	}
	if a.Live {
		text += " (D)"
	}
	if a.New {
		text += " Not in SafeKit."
	}
	if a.Status == Ignored {
		text += " No effect: " + a.Why + "."
	}
	return text
}
