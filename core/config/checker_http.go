package config

import (
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

func httpChecker() checkerKind {
	to := to("2s", "2s",
		Attribute{Name: "url", Kind: KindText, Required: true, Status: Used, Doc: "What is asked for: http://127.0.0.1:8080/health. A redirection is not followed, it is an answer like others."},
		Attribute{Name: "method", Kind: KindChoice, Values: []string{"GET", "HEAD", "OPTIONS", "POST"}, Default: "GET", Status: Used, Doc: "How it is asked for."},
		Attribute{Name: "status", Kind: KindText, Default: "200-399", Status: Used, Doc: "Status codes that are good, with spaces between: 200 204 300-399."},
		Attribute{Name: "body", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that the first 1 MiB of the answer's body must match, anywhere in it."},
		onOff("verify", "on", Attribute{Status: Used, Doc: "Whether the server's certificate must be good for the host of the URL, or for the header Host."}),
		Attribute{Name: "ca", Kind: KindPath, Empty: true, Status: Used, Doc: "File of the module with certificates (PEM) to trust instead of the machine's: conf/ca.pem."})
	to.Children = []Element{{Name: "header", Status: Used, Key: []string{"name"}, Doc: "A header of the request. Host is also the name that a certificate must be good for.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name."},
			{Name: "value", Kind: KindText, Required: true, Status: Used, Doc: "Its value."},
		}}}
	k := newChecker("http", "A web server answers as expected. Resource http.IDENT.", anyTime, "both", core.VerbRestart, to)
	k.New = true
	k.tell = func(p *parser, c *Checker, to *node) bool { return p.askHTTP(c, to, to.values["method"].text) }
	return k
}

// askHTTP tells how a web server is asked.
func (p *parser) askHTTP(c *Checker, to *node, method string) bool {
	v := to.values
	c.overNetwork(to)
	headers := map[string]string{}
	names := p.unique("header")
	for _, n := range to.all("header") {
		if names.add(n.values["name"]) {
			headers[n.values["name"].text] = n.values["value"].text
		}
	}
	c.Settings["url"], c.Settings["method"], c.Settings["headers"] = v["url"].text, method, headers
	c.Settings["status"], c.Settings["body"], c.Settings["verify"] = v["status"].text, v["body"].text, v["verify"].text == "on"
	good := p.webAddress(v["url"])
	if s := v["status"]; s.ok && !areStatusCodes(s.text) {
		p.valueProblem(idValue, s, fmt.Sprintf("%q is no list of status codes", short(s.text))).Hint = "write codes and ranges with spaces between, such as 200 300-399"
		good = false
	}
	return p.trusts(c, v["ca"]) && good
}

// trusts tells of the file with certificates, if there is to be one, and says whether
// it is a file of the module.
func (p *parser) trusts(c *Checker, ca value) bool {
	if !ca.set || !ca.ok {
		return true
	}
	file := strings.ReplaceAll(ca.text, `\`, "/")
	if info, err := fs.Stat(p.files, file); err != nil || info.IsDir() {
		p.valueProblem(idPath, ca, fmt.Sprintf("the module has no %s", short(ca.text))).Hint = "put the certificates into a file of the module, such as conf/ca.pem"
		return false
	}
	c.Settings["ca"] = File(file)
	return true
}

// statusCodes is what the codes that an HTTP check takes for good look like.
var statusCodes = regexp.MustCompile(`^[1-9][0-9]{2}(-[1-9][0-9]{2})?( +[1-9][0-9]{2}(-[1-9][0-9]{2})?)*$`)

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
