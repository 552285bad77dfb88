package config

import (
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

func dnsChecker() checkerKind {
	k := newChecker("dns", "A name server answers as expected. Resource dns.IDENT.", anyTime, "both", core.VerbRestart, to("2s", "2s",
		Attribute{Name: "server", Kind: KindAddress, Default: "127.0.0.1", Status: Used, Doc: "The name server."},
		Attribute{Name: "port", Kind: KindPort, Default: "53", Status: Used, Doc: "Its port. UDP is used, and TCP for an answer that does not fit."},
		Attribute{Name: "name", Kind: KindText, Required: true, Status: Used, Doc: "The whole name that is asked for; no domain is added."},
		Attribute{Name: "type", Kind: KindChoice, Values: []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}, Default: "A", Status: Used, Doc: "Kind of record."},
		Attribute{Name: "answer", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that one of the records must match; without it any will do. A record is written as in a zone file, without the last dot of names: 10 mail.example.org."}))
	k.New = true
	k.tell = func(p *parser, c *Checker, to *node) bool {
		v := to.values
		c.overNetwork(to)
		c.Settings["server"], c.Settings["port"] = v["server"].addr.String(), v["port"].number
		for _, name := range []string{"name", "type", "answer"} {
			c.Settings[name] = v[name].text
		}
		return p.dnsName(v["name"])
	}
	return k
}

// dnsName says whether a value can be a name of DNS: RFC 1035, 2.3.4.
func (p *parser) dnsName(v value) bool {
	if !v.ok {
		return false
	}
	name := strings.TrimSuffix(v.text, ".")
	good := name != "" && len(name) <= 253
	for label := range strings.SplitSeq(name, ".") {
		good = good && label != "" && len(label) <= 63
	}
	if !good {
		p.valueProblem(idName, v, fmt.Sprintf("%q cannot be a name of DNS", short(v.text))).Hint = "its parts have 1 to 63 characters with dots between, 253 at most"
	}
	return good
}
