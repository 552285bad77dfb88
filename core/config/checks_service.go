package config

import (
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"
)

// statusCodes is what the codes that an HTTP check takes for good look like.
var statusCodes = regexp.MustCompile(`^[1-9][0-9]{2}(-[1-9][0-9]{2})?( +[1-9][0-9]{2}(-[1-9][0-9]{2})?)*$`)

// httpCheck reads what an HTTP check asks.
func (p *parser) httpCheck(to *node) (HTTPCheck, bool) {
	v := to.values
	h := HTTPCheck{
		URL: v["url"].text, Method: v["method"].text, Status: v["status"].text, Body: v["body"].text,
		Verify: v["verify"].text == "on", CA: v["ca"].text, Headers: map[string]string{},
		Interval: v["interval"].span, Timeout: v["timeout"].span,
	}
	names := p.unique("header")
	for _, n := range to.all("header") {
		if names.add(n.values["name"]) {
			h.Headers[n.values["name"].text] = n.values["value"].text
		}
	}
	good := p.webAddress(v["url"])
	if s := v["status"]; s.ok && !areStatusCodes(s.text) {
		p.valueProblem(idValue, s, fmt.Sprintf("%q is no list of status codes", short(s.text))).Hint = "write codes and ranges with spaces between, such as 200 300-399"
		good = false
	}
	return h, p.inModule(v["ca"]) && good
}

// inModule says whether the file with certificates, if there is to be one, is a file
// of the module.
func (p *parser) inModule(ca value) bool {
	if !ca.set || !ca.ok {
		return true
	}
	if info, err := fs.Stat(p.files, strings.ReplaceAll(ca.text, `\`, "/")); err != nil || info.IsDir() {
		p.valueProblem(idPath, ca, fmt.Sprintf("the module has no %s", short(ca.text))).Hint = "put the certificates into a file of the module, such as conf/ca.pem"
		return false
	}
	return true
}

func areStatusCodes(text string) bool {
	for part := range strings.FieldsSeq(text) {
		if low, high, both := strings.Cut(part, "-"); both && high < low {
			return false
		}
	}
	return statusCodes.MatchString(text)
}

// webAddress says whether a value is a URL that can be asked for.
func (p *parser) webAddress(v value) bool {
	if !v.ok {
		return false
	}
	u, err := url.Parse(v.text)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		return true
	}
	p.valueProblem(idValue, v, fmt.Sprintf("%q is no URL of a web server", short(v.text))).Hint = "write http:// or https://, a host, and what is asked for, such as http://127.0.0.1:8080/health"
	return false
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
