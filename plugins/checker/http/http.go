// Package http is the checker that asks a web server.
package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["url"],
	"additionalProperties": false,
	"properties": {
		"url": {"type": "string", "pattern": "^https?://."},
		"method": {"type": "string", "pattern": "^[A-Z]+$", "description": "GET if left out"},
		"headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Host is also the name in the server's certificate"},
		"status": {"type": "string", "pattern": "` + statusPattern + `", "description": "200 204 300-399; 200-399 if left out"},
		"body": {"type": "string", "format": "regex", "description": "regular expression (RE2) that the first 1 MiB of the body must match"},
		"verify": {"type": "boolean", "description": "whether the server's certificate must be good; true if left out"},
		"ca": {"type": "string", "minLength": 1, "description": "file with certificates (PEM) to trust instead of the system's"},
		"timeout": {
			"description": "how long the whole answer may take, e.g. \"5s\" or a number of seconds",
			"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// maxBody is how much of a body is read.
const maxBody = 1 << 20

// New makes the checker.
func New() sdk.Checker { return checker{} }

type checker struct{}

func (checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "http", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "sends an HTTP request; up when status and body are as expected",
		Schema:  json.RawMessage(schema),
	}
}

// settings as the schema has them. The timeout is 5 s unless given; the host's
// deadline for a check holds as well.
type settings struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Status  string            `json:"status"`
	Body    string            `json:"body"`
	Verify  bool              `json:"verify"`
	CA      string            `json:"ca"`
	Timeout sdk.Duration      `json:"timeout"`
}

// Check sends one request over a connection of its own. Redirections are not
// followed: they are an answer like others.
func (checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	s := settings{Method: http.MethodGet, Status: "200-399", Verify: true, Timeout: sdk.Duration(5 * time.Second)}
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return unknown(err.Error())
	}
	start := time.Now()
	limit := time.Duration(s.Timeout)
	if d, ok := ctx.Deadline(); ok {
		limit = min(limit, d.Sub(start))
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := s.ask(timed)
	switch {
	case err == nil:
		r.Took = time.Since(start)
		return r
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown(s.what() + ": the check was cancelled")
	}
	return explain(s.what(), err, limit)
}

func (s settings) what() string { return s.Method + " " + s.URL }

// settingsError is a mistake in the settings that their schema cannot see.
type settingsError struct{ error }

func (s settings) ask(ctx context.Context) (sdk.Result, error) {
	wanted, err := parseStatus(s.Status)
	if err != nil {
		return sdk.Result{}, settingsError{err}
	}
	pattern, err := regexp.Compile(s.Body)
	if err != nil {
		return sdk.Result{}, settingsError{err}
	}
	request, err := http.NewRequestWithContext(ctx, s.Method, s.URL, nil)
	if err != nil {
		return sdk.Result{}, settingsError{err}
	}
	request.Header.Set("User-Agent", "orchestrator")
	for name, value := range s.Headers {
		request.Header.Set(name, value)
	}
	request.Host = request.Header.Get("Host")
	client, err := s.client(request.Host)
	if err != nil {
		return sdk.Result{}, settingsError{err}
	}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return sdk.Result{}, err
	}
	defer func() { _ = answer.Body.Close() }() // all of it that matters was read
	return s.judge(answer, wanted, pattern)
}

// judge compares the answer with what is expected.
func (s settings) judge(answer *http.Response, wanted ranges, pattern *regexp.Regexp) (sdk.Result, error) {
	if !wanted.hold(answer.StatusCode) {
		return down(fmt.Sprintf("%s: status %s, want %s", s.what(), answer.Status, s.Status)), nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return sdk.Result{}, fmt.Errorf("read the body: %w", err)
	}
	if s.Body != "" && !pattern.Match(body) {
		return down(fmt.Sprintf("%s: status %s, but the body does not match %q; it begins %q", s.what(), answer.Status, s.Body, beginning(body))), nil
	}
	return sdk.Result{Status: sdk.StatusUp, Detail: fmt.Sprintf("status %s, %d bytes", answer.Status, len(body))}, nil
}

// beginning is the first line of a body, shortened.
func beginning(body []byte) string {
	const most = 60
	for i, b := range body {
		if b == '\n' || b == '\r' || i == most {
			return string(body[:i])
		}
	}
	return string(body)
}

// client makes one for one request: a check that reuses a connection does not
// learn that no new one is accepted.
func (s settings) client(host string) (*http.Client, error) {
	conf := &tls.Config{InsecureSkipVerify: !s.Verify} //nolint:gosec // as the module asks
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	conf.ServerName = host
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("there is no certificate in %s", s.CA)
		}
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// local are errors of this node that say nothing about the server.
var local = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES,
}

// explain says in words why there was no answer, and whether that means down or
// only that nobody can tell.
func explain(what string, err error, limit time.Duration) sdk.Result {
	var mistake settingsError
	var name *net.DNSError
	var timeout net.Error
	var errno syscall.Errno
	var op *net.OpError
	switch {
	case errors.As(err, &mistake):
		return unknown(what + ": " + mistake.Error())
	case errors.As(err, &name):
		return unknown(fmt.Sprintf("look up %s: %s", name.Name, name.Err))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return down(fmt.Sprintf("%s: no answer within %v", what, limit.Round(time.Millisecond)))
	case errors.As(err, &errno):
		for _, e := range local {
			if errors.Is(err, e) {
				return unknown(what + ": " + errno.Error())
			}
		}
		return down(what + ": " + errno.Error())
	case errors.As(err, &op):
		return down(what + ": " + op.Err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return down(what + ": the server closed the connection before the answer was complete")
	}
	return down(what + ": " + inner(err).Error())
}

// inner is an error without what net/http puts around it.
func inner(err error) error {
	var around interface{ Unwrap() error }
	if errors.As(err, &around) {
		if e := around.Unwrap(); e != nil {
			return e
		}
	}
	return err
}

func unknown(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: reason}
}

func down(reason string) sdk.Result { return sdk.Result{Status: sdk.StatusDown, Reason: reason} }
