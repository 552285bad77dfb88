// Package dns is the checker that asks a name server.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// New makes the checker.
func New() sdk.Checker {
	return sdk.Probe[settings]{
		Name: "dns", Summary: "asks a name server; up when it has an answer as expected",
		Properties: `{
			"server": {"type": "string", "minLength": 2, "description": "IP address of the name server"},
			"port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "53 if left out"},
			"name": {"type": "string", "minLength": 1, "maxLength": 254, "description": "the whole name; no domain is added"},
			"type": {"enum": ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"], "description": "A if left out"},
			"answer": {"type": "string", "format": "regex", "description": "regular expression (RE2) that one of the answers must match; if left out, any answer will do"}
		}`,
		Required: []string{"server", "name"},
		Defaults: settings{Port: 53, Type: "A"},
		Timeout:  5 * time.Second,
		Look:     look,
	}.Checker()
}

type settings struct {
	Server string `json:"server"`
	Port   uint16 `json:"port"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Answer string `json:"answer"`
}

// question is what the settings ask.
type question struct {
	server  netip.AddrPort
	ask     dnsmessage.Question
	pattern *regexp.Regexp // nil: any answer
	what    string         // in words
	id      uint16
	packet  []byte
}

func (s settings) question() (question, error) {
	q := question{what: fmt.Sprintf("ask %s for %s %s", s.Server, s.Type, s.Name)}
	addr, err := netip.ParseAddr(s.Server)
	if err != nil {
		return q, fmt.Errorf("%q is not an IP address", s.Server)
	}
	q.server = netip.AddrPortFrom(addr, s.Port)
	if s.Port != 53 {
		q.what = fmt.Sprintf("ask %s for %s %s", q.server, s.Type, s.Name)
	}
	name, err := dnsmessage.NewName(strings.TrimSuffix(s.Name, ".") + ".")
	if err != nil {
		return q, fmt.Errorf("%q cannot be a name", s.Name)
	}
	q.ask = dnsmessage.Question{Name: name, Type: types[s.Type], Class: dnsmessage.ClassINET}
	if s.Answer != "" {
		if q.pattern, err = regexp.Compile(s.Answer); err != nil {
			return q, err
		}
	}
	if err := q.pack(); err != nil {
		return q, fmt.Errorf("%q cannot be a name", s.Name)
	}
	return q, nil
}

// look asks once, over UDP, and again over TCP if the answer did not fit (RFC
// 1035, 4.2).
func look(ctx context.Context, s settings) sdk.Result {
	q, err := s.question()
	if err != nil {
		return sdk.Unknown("%s: %v", q.what, err)
	}
	deadline, _ := ctx.Deadline()
	answer, err := q.send(ctx, deadline)
	switch {
	case err == nil:
		return q.judge(answer)
	case errors.Is(ctx.Err(), context.Canceled):
		err = context.Canceled
	}
	return sdk.Unreached(q.what, err, sdk.Limit(ctx))
}

// rcodes in words: RFC 1035, 4.1.1.
var rcodes = map[dnsmessage.RCode]string{
	dnsmessage.RCodeFormatError: "it does not understand the question", dnsmessage.RCodeServerFailure: "it failed (SERVFAIL)",
	dnsmessage.RCodeNameError: "there is no such name (NXDOMAIN)", dnsmessage.RCodeNotImplemented: "it cannot answer such questions",
	dnsmessage.RCodeRefused: "it refuses to answer",
}

// judge compares the answer with what is expected.
func (q question) judge(m dnsmessage.Message) sdk.Result {
	if m.RCode != dnsmessage.RCodeSuccess {
		why := rcodes[m.RCode]
		if why == "" {
			why = "code " + strconv.Itoa(int(m.RCode))
		}
		return sdk.Down("%s: %s", q.what, why)
	}
	var found []string
	for _, r := range m.Answers {
		if r.Header.Type == q.ask.Type {
			found = append(found, text(r.Body))
		}
	}
	slices.Sort(found) // servers turn the order round, and a reason is to stay the same
	if len(found) == 0 {
		return sdk.Down("%s: the name has no such record", q.what)
	}
	if q.pattern != nil && !slices.ContainsFunc(found, q.pattern.MatchString) {
		return sdk.Down("%s: answered %s, none of which matches %q", q.what, strings.Join(found, ", "), q.pattern)
	}
	return sdk.Up(strings.Join(found, ", "))
}
