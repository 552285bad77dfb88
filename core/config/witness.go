package config

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// witnessPause is how often, and how patiently, the witnesses in arg are asked.
const witnessPause = time.Second

// witnesses reads who is asked when the peer is lost.
func (p *parser) witnesses(n *node) []Witness {
	idents := p.unique("witness")
	var out []Witness
	arg := n.values["arg"]
	for _, a := range arg.addrs {
		if v := arg.named(a.String()); idents.add(v) {
			out = append(out, Witness{Ident: v.text, Addr: a, Interval: witnessPause, Timeout: witnessPause})
		}
	}
	for _, child := range n.all("witness") {
		w, ident, ok := p.witness(child)
		if ok && idents.add(ident) {
			w.Ident = ident.text
			out = append(out, w)
		}
	}
	if !arg.set && len(n.all("witness")) == 0 {
		p.errorf(idMissingAttribute, n.at, `<splitbrain> needs the attribute "arg" or an element <witness>`).Hint =
			`name somebody else who is there when the network is, such as a router: arg="192.0.2.1"`
	}
	return out
}

// named is a value that stands for a name where this one is written.
func (v value) named(text string) value {
	v.text = text
	return v
}

// witness reads one element, and what names it.
func (p *parser) witness(n *node) (w Witness, ident value, ok bool) {
	if !p.oneOf(n, "addr", "url") {
		return w, ident, false
	}
	v := n.values
	w.Interval, w.Timeout = v["interval"].span, v["timeout"].span
	if v["url"].set {
		h, good := p.httpCheck(n)
		h.Method, w.HTTP = http.MethodGet, &h
		if u, err := url.Parse(h.URL); err == nil {
			ident = v["url"].named(strings.ReplaceAll(u.Host, ":", "_"))
		}
		ok = good && p.foreign(n, "addr", "port")
	} else {
		w.Addr, w.Port = v["addr"].addr, uint16(v["port"].number)
		ident = v["addr"].named(w.Addr.String())
		if w.Port != 0 {
			ident.text += fmt.Sprintf("_%d", w.Port)
		}
		ok = v["addr"].ok && p.foreign(n, "url", "status", "verify", "ca")
	}
	if v["ident"].set {
		ident = v["ident"]
	}
	if "splitbrain."+ident.text == WitnessReached {
		p.valueProblem(idCheck, ident, WitnessReached+" is what tells of all witnesses together").Hint = "give the witness another ident"
		ok = false
	}
	return w, ident, ok
}

// foreign says whether none of these attributes is written, which belong to a witness
// with another.
func (p *parser) foreign(n *node, with string, names ...string) bool {
	good := true
	for _, name := range names {
		if v := n.values[name]; v.set {
			p.valueProblem(idCheck, v, fmt.Sprintf("%s belongs to a witness with %s", name, with)).Hint = "leave it out"
			good = false
		}
	}
	return good
}
