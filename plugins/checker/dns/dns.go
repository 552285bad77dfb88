// Package dns is the checker that asks a name server.
package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["server", "name"],
	"additionalProperties": false,
	"properties": {
		"server": {"type": "string", "minLength": 2, "description": "IP address of the name server"},
		"port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "53 if left out"},
		"name": {"type": "string", "minLength": 1, "maxLength": 254, "description": "the whole name; no domain is added"},
		"type": {"enum": ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"], "description": "A if left out"},
		"answer": {"type": "string", "format": "regex", "description": "regular expression (RE2) that one of the answers must match; if left out, any answer will do"},
		"timeout": {
			"description": "how long an answer may take, e.g. \"1s\" or a number of seconds",
			"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// New makes the checker.
func New() sdk.Checker { return checker{} }

type checker struct{}

func (checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "dns", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "asks a name server; up when it has an answer as expected",
		Schema:  json.RawMessage(schema),
	}
}

// settings as the schema has them. The timeout is 5 s unless given; the host's
// deadline for a check holds as well.
type settings struct {
	Server  string       `json:"server"`
	Port    uint16       `json:"port"`
	Name    string       `json:"name"`
	Type    string       `json:"type"`
	Answer  string       `json:"answer"`
	Timeout sdk.Duration `json:"timeout"`
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

// Check asks once, over UDP, and again over TCP if the answer did not fit (RFC
// 1035, 4.2).
func (checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	s := settings{Port: 53, Type: "A", Timeout: sdk.Duration(5 * time.Second)}
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return unknown(err.Error())
	}
	q, err := s.question()
	if err != nil {
		return unknown(q.what + ": " + err.Error())
	}
	start := time.Now()
	deadline := start.Add(time.Duration(s.Timeout))
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	answer, err := q.send(ctx, deadline)
	switch {
	case err == nil:
		r := q.judge(answer)
		r.Took = time.Since(start)
		return r
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown(q.what + ": the check was cancelled")
	}
	return explain(q.what, err, deadline.Sub(start))
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
		return down(q.what + ": " + why)
	}
	var found []string
	for _, r := range m.Answers {
		if r.Header.Type == q.ask.Type {
			found = append(found, text(r.Body))
		}
	}
	slices.Sort(found) // servers turn the order round, and a reason is to stay the same
	if len(found) == 0 {
		return down(q.what + ": the name has no such record")
	}
	if q.pattern != nil && !slices.ContainsFunc(found, q.pattern.MatchString) {
		return down(fmt.Sprintf("%s: answered %s, none of which matches %q", q.what, strings.Join(found, ", "), q.pattern))
	}
	return sdk.Result{Status: sdk.StatusUp, Detail: strings.Join(found, ", ")}
}

// local are errors of this node that say nothing about the server.
var local = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES,
}

// explain says in words why there was no answer, and whether that means down or
// only that nobody can tell.
func explain(what string, err error, limit time.Duration) sdk.Result {
	var timeout net.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return down(fmt.Sprintf("%s: no answer within %v", what, limit.Round(time.Millisecond)))
	case errors.As(err, &errno):
		for _, e := range local {
			if errors.Is(err, e) {
				return unknown(what + ": " + errno.Error())
			}
		}
		return down(what + ": " + errno.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return down(what + ": it closed the connection before the answer was complete")
	}
	return down(what + ": " + err.Error())
}

func unknown(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: reason}
}

func down(reason string) sdk.Result { return sdk.Result{Status: sdk.StatusDown, Reason: reason} }
