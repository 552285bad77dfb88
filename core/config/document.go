package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// document is an element of a checked description as plain text: macros
// expanded, defaults filled in, each value in one spelling. It is what Compare
// looks at.
type document struct {
	values   map[string]string
	children []*document
	name     string
}

// document makes plain text of an element and all in it that was looked into.
func (n *node) document(e *Element) *document {
	if n == nil {
		return blankDocument(e)
	}
	d := &document{name: n.name, values: map[string]string{}}
	for i := range e.Attributes {
		a := &e.Attributes[i]
		d.values[a.Name] = n.values[a.Name].plain(a)
	}
	for _, c := range n.children {
		if ce := e.child(c.name); ce != nil && c.values != nil {
			d.children = append(d.children, c.document(ce))
		}
	}
	return d
}

// blankDocument is an element of which nothing is written.
func blankDocument(e *Element) *document {
	d := &document{name: e.Name, values: map[string]string{}}
	for i := range e.Attributes {
		a := &e.Attributes[i]
		v := value{text: a.Default}
		if a.Default != "" {
			_, _, err := v.convert(a)
			v.ok = err == nil
		}
		d.values[a.Name] = v.plain(a)
	}
	return d
}

// plain is the one spelling of a value.
func (v value) plain(a *Attribute) string {
	if !v.ok || v.star {
		return v.text
	}
	switch a.Kind {
	case KindNumber, KindPort, KindNetmask:
		return strconv.FormatInt(v.number, 10)
	case KindDuration:
		return shortSpan(v.span)
	case KindAddress, KindResolved:
		return v.addr.String()
	case KindAddresses:
		return strings.Trim(fmt.Sprint(v.addrs), "[]")
	case KindMAC:
		return net.HardwareAddr(v.mac[:]).String()
	default:
		return v.text
	}
}

// shortSpan is a duration as people write it: 24h rather than 24h0m0s.
func shortSpan(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// all are the children of that name.
func (d *document) all(name string) []*document {
	var out []*document
	for _, c := range d.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

// keys tells the elements of one name apart: by what the schema says, and by their
// order where that leaves two the same.
func keys(e *Element, list []*document) []string {
	seen := map[string]int{}
	out := make([]string, 0, len(list))
	for _, d := range list {
		var parts []string
		for _, k := range e.Key {
			if v := d.values[k]; v != "" {
				parts = append(parts, v)
			}
		}
		key := strings.Join(parts, " ")
		seen[key]++
		if n := seen[key]; n > 1 || len(e.Key) == 0 {
			key = strings.TrimSpace(fmt.Sprintf("%s %d", key, n))
		}
		out = append(out, key)
	}
	return out
}
