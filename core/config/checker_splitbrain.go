package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// splitbrainChecker has the witnesses as SafeKit names them, in arg, and in elements of
// their own those that can be asked in other ways.
func splitbrainChecker() checkerKind {
	k := newChecker("splitbrain", "Witnesses: a node that has lost its peer goes on, or becomes primary, only if it reaches one of them; else it waits. They are asked all the time, and once more when the peer is lost. Resources splitbrain.WITNESS, and splitbrain.uptodate, which is down while the peer is not heard and no witness is reached.",
		beforeAll, "pre", core.VerbWait, Element{},
		Attribute{Name: "exec", Kind: KindChoice, Values: []string{"ping"}, Default: "ping", Status: Used, Doc: "How the witnesses in arg are asked."},
		Attribute{Name: "arg", Kind: KindAddresses, Status: Used, Doc: "Addresses of witnesses, such as a router. Needed unless there is a <witness>."})
	k.Modes, k.Once = only(core.Mirror), true
	k.Children = []Element{witnessElement()}
	k.read = func(p *parser, m *Module, elements []*node) {
		for _, n := range elements {
			if c, ok := p.checker(n, k); ok && n.values["ident"].ok {
				m.SplitBrain = &SplitBrain{c.Action, p.witnesses(n)}
			}
		}
	}
	return k
}

func witnessElement() Element {
	return Element{Name: "witness", New: true, Status: Used, Key: []string{"ident", "addr", "port", "url"},
		Doc: "A witness: an address that answers to ping, or with port one that takes TCP connections there; or the URL of a web server that answers.",
		Attributes: []Attribute{
			{Name: "ident", Kind: KindName, Status: Used, Doc: "Name of the resource. Default: the address, ADDRESS_PORT, or the host of the URL."},
			{Name: "addr", Kind: KindAddress, Status: Used, Doc: "Its address."},
			{Name: "port", Kind: KindPort, Status: Used, Doc: "Its TCP port, instead of ping."},
			{Name: "url", Kind: KindText, Empty: true, Status: Used, Doc: "What is asked for, instead of addr: https://witness.example.org/."},
			{Name: "status", Kind: KindText, Default: "100-599", Status: Used, Doc: "With url: status codes that are good, with spaces between."},
			onOff("verify", "on", Attribute{Status: Used, Doc: "With url: whether the server's certificate must be good."}),
			{Name: "ca", Kind: KindPath, Empty: true, Status: Used, Doc: "With url: file of the module with certificates (PEM) to trust instead of the machine's."},
			interval("1s"), patience("1s"),
		}}
}

// witnesses reads who is asked when the peer is lost.
func (p *parser) witnesses(n *node) []Checker {
	idents := p.unique("witness")
	var out []Checker
	add := func(c Checker, ident value) {
		if idents.add(ident) {
			c.Ident = ident.text
			out = append(out, c)
		}
	}
	arg := n.values["arg"]
	usual := p.blank(n, witnessElement())
	for _, a := range arg.addrs {
		add(pinged(usual, a), arg.named(a.String()))
	}
	for _, child := range n.all("witness") {
		if c, ident, ok := p.witness(child); ok {
			add(c, ident)
		}
	}
	if !arg.set && len(n.all("witness")) == 0 {
		p.errorf(idMissingAttribute, n.at, `<splitbrain> needs the attribute "arg" or an element <witness>`).Hint =
			`name somebody else who is there when the network is, such as a router: arg="192.0.2.1"`
	}
	return out
}

// asked is a witness before it is said how it is asked. What its silence means, the state
// machine knows.
func asked(plugin string) Checker {
	return Checker{Class: "splitbrain", Plugin: plugin, Settings: map[string]any{}, When: core.WhenPre, Action: core.VerbNone}
}

// pinged is a witness at an address.
func pinged(n *node, a netip.Addr) Checker {
	c := asked("ping")
	c.overNetwork(n)
	c.Settings["addr"] = a.String()
	return c
}

// witness reads one element, and what names it: an address to ping, a port of it to
// connect to, or a URL.
func (p *parser) witness(n *node) (c Checker, ident value, ok bool) {
	if !p.oneOf(n, "addr", "url") {
		return c, ident, false
	}
	v := n.values
	if v["url"].set {
		c = asked("http")
		good := p.askHTTP(&c, n, http.MethodGet)
		if u, err := url.Parse(v["url"].text); err == nil {
			ident = v["url"].named(strings.ReplaceAll(u.Host, ":", "_"))
		}
		ok = good && p.foreign(n, "addr", "port")
	} else {
		c = pinged(n, v["addr"].addr)
		ident = v["addr"].named(v["addr"].addr.String())
		if port := v["port"].number; port != 0 {
			c.Plugin, c.Settings["port"] = "tcp", port
			ident.text += fmt.Sprintf("_%d", port)
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
	return c, ident, ok
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
