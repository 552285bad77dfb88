package config

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// span is a range of bytes of the document.
type span struct{ from, to int }

// node is an element as it was written.
type node struct {
	name     string
	at       span // of the name in its opening tag
	attrs    []attr
	children []*node
	texts    []content
	values   map[string]value // filled by the check against the schema
}

// content is what stands between the tags of an element, or one CDATA section.
type content struct {
	text string
	at   span // without the marks of a section
}

// attr is an attribute as it was written.
type attr struct {
	name  string
	value string // entities decoded, macros not
	at    span   // of the name
	val   span   // of the value, between the quotes
}

// maxDepth is far above the depth of the language.
const maxDepth = 50

// tree reads the document into nodes. A document that is no XML gives one
// problem and no tree: what follows a syntax error cannot be trusted.
func (p *parser) tree() *node {
	d := xml.NewDecoder(strings.NewReader(p.text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // decoded before
	b := &builder{parser: p}
	for {
		from := int(d.InputOffset())
		token, err := d.RawToken()
		at := span{from, int(d.InputOffset())}
		if err == io.EOF {
			return b.end()
		}
		if err != nil {
			p.syntax(at, err)
			return nil
		}
		if !b.take(token, at) {
			return nil
		}
	}
}

// syntax reports an error of the XML reader, which stands at the end of at.
func (p *parser) syntax(at span, err error) {
	message := err.Error()
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		message = syntax.Msg
	}
	end := min(at.to, len(p.text))
	problem := p.errorf(idSyntax, span{max(end-1, at.from), end}, "this is not well-formed XML: %s", message)
	if p.src.Position(at.from, at.from).Line != p.src.Position(end, end).Line && at.from < end {
		problem.Related = append(problem.Related, p.related(span{at.from, at.from + 1}, "it began here"))
	}
	if strings.Contains(message, "entity") {
		problem.Hint = "write & as &amp; and < as &lt;"
	}
}

// builder puts tokens together; it does the matching of tags itself to tell
// where the unclosed one was opened.
type builder struct {
	*parser
	root *node
	open []*node
}

func (b *builder) take(token xml.Token, at span) bool {
	switch t := token.(type) {
	case xml.StartElement:
		return b.start(t, at)
	case xml.EndElement:
		return b.close(joined(t.Name), at)
	case xml.CharData:
		b.chars(string(t), at)
	}
	return true
}

func (b *builder) start(t xml.StartElement, at span) bool {
	n := &node{name: joined(t.Name), at: span{at.from + 1, at.from + 1 + len(joined(t.Name))}}
	n.attrs = attributes(b.text[at.from:at.to], at.from, t.Attr)
	switch {
	case len(b.open) > 0:
		parent := b.open[len(b.open)-1]
		parent.children = append(parent.children, n)
	case b.root != nil:
		b.errorf(idSyntax, n.at, "<%s> stands after the end of <%s>: a document has one outermost element", short(n.name), short(b.root.name))
		return false
	default:
		b.root = n
	}
	if b.open = append(b.open, n); len(b.open) > maxDepth {
		b.errorf(idSyntax, n.at, "elements are nested deeper than %d", maxDepth)
		return false
	}
	return true
}

func (b *builder) close(name string, at span) bool {
	if len(b.open) == 0 {
		b.errorf(idSyntax, at, "</%s> closes nothing", short(name))
		return false
	}
	n := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	if n.name != name {
		problem := b.errorf(idSyntax, at, "</%s> stands where <%s> must be closed first", short(name), short(n.name))
		problem.Related = append(problem.Related, b.related(n.at, fmt.Sprintf("<%s> was opened here", short(n.name))))
		return false
	}
	return true
}

// chars keeps text that is not white space; whether it may stand there is for
// the schema to say.
func (b *builder) chars(chars string, at span) {
	raw := b.text[at.from:at.to]
	if inner, ok := strings.CutPrefix(raw, "<![CDATA["); ok {
		raw = strings.TrimSuffix(inner, "]]>")
		at.from += len("<![CDATA[")
		at.to = at.from + len(raw)
	}
	if strings.TrimSpace(chars) == "" {
		return
	}
	if len(b.open) == 0 {
		b.strayText(content{chars, at})
		return
	}
	n := b.open[len(b.open)-1]
	n.texts = append(n.texts, content{chars, at})
}

// strayText refuses text where elements hold elements only.
func (p *parser) strayText(t content) {
	trimmed := strings.TrimSpace(t.text)
	from := t.at.from + max(strings.Index(p.text[t.at.from:t.at.to], trimmed), 0)
	line, _, _ := strings.Cut(trimmed, "\n")
	p.errorf(idText, span{from, from + len(line)}, "text is not allowed here").Hint =
		"values are written as attributes: name=\"value\"; remarks as <!-- remark -->"
}

func (b *builder) end() *node {
	if len(b.open) > 0 {
		n := b.open[len(b.open)-1]
		b.errorf(idSyntax, n.at, "<%s> is never closed", short(n.name)).Hint = fmt.Sprintf("add </%s>, or end the tag with />", short(n.name))
		return nil
	}
	if b.root == nil {
		b.errorf(idSyntax, span{0, 0}, "the document is empty").Hint = fmt.Sprintf("it must begin with <%s>", b.schema.Name)
	}
	return b.root
}

// joined is a name as written: the reader splits it at a colon.
func joined(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// attributes finds the places of the attributes in a tag that the XML reader
// has accepted.
func attributes(tag string, offset int, parsed []xml.Attr) []attr {
	at := strings.IndexFunc(tag, func(r rune) bool { return strings.ContainsRune(" \t\r\n/>", r) })
	out := make([]attr, 0, len(parsed))
	for _, a := range parsed {
		name := joined(a.Name)
		from := at + strings.Index(tag[at:], name)
		quote := from + len(name) + strings.IndexAny(tag[from+len(name):], `"'`)
		end := quote + 1 + strings.IndexByte(tag[quote+1:], tag[quote])
		out = append(out, attr{name: name, value: a.Value,
			at: span{offset + from, offset + from + len(name)}, val: span{offset + quote + 1, offset + end}})
		at = end + 1
	}
	return out
}

// short keeps a user's word within a message.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "…"
	}
	return s
}
