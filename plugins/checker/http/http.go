// Package http is the checker that asks a web server.
package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// maxBody is how much of a body is read.
const maxBody = 1 << 20

// New makes the checker.
func New() sdk.Checker {
	return sdk.Probe[settings]{
		Name: "http", Summary: "sends an HTTP request; up when status and body are as expected",
		Properties: `{
			"url": {"type": "string", "pattern": "^https?://."},
			"method": {"type": "string", "pattern": "^[A-Z]+$", "description": "GET if left out"},
			"headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Host is also the name in the server's certificate"},
			"status": {"type": "string", "pattern": "` + statusPattern + `", "description": "200 204 300-399; 200-399 if left out"},
			"body": {"type": "string", "format": "regex", "description": "regular expression (RE2) that the first 1 MiB of the body must match"},
			"verify": {"type": "boolean", "description": "whether the server's certificate must be good; true if left out"},
			"ca": {"type": "string", "minLength": 1, "description": "file with certificates (PEM) to trust instead of the system's"}
		}`,
		Required: []string{"url"},
		Defaults: settings{Method: http.MethodGet, Status: "200-399", Verify: true},
		Timeout:  5 * time.Second,
		Look:     look,
	}.Checker()
}

type settings struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Status  string            `json:"status"`
	Body    string            `json:"body"`
	Verify  bool              `json:"verify"`
	CA      string            `json:"ca"`
}

// look sends one request over a connection of its own. Redirections are not
// followed: they are an answer like others.
func look(ctx context.Context, s settings) sdk.Result {
	r, err := s.ask(ctx)
	if err != nil {
		return explain(s.what(), err, sdk.Limit(ctx))
	}
	return r
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
		return sdk.Down("%s: status %s, want %s", s.what(), answer.Status, s.Status), nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return sdk.Result{}, fmt.Errorf("read the body: %w", err)
	}
	if s.Body != "" && !pattern.Match(body) {
		return sdk.Down("%s: status %s, but the body does not match %q; it begins %q", s.what(), answer.Status, s.Body, beginning(body)), nil
	}
	return sdk.Up(fmt.Sprintf("status %s, %d bytes", answer.Status, len(body))), nil
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
		pool, err := sdk.Authorities(s.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// explain says in words why there was no answer, and whether that means down or
// only that nobody can tell.
func explain(what string, err error, limit time.Duration) sdk.Result {
	var mistake settingsError
	if errors.As(err, &mistake) {
		return sdk.Unknown("%s: %v", what, mistake)
	}
	var around *url.Error
	if errors.As(err, &around) {
		err = around.Err // without the URL, which what has
	}
	return sdk.Unreached(what, err, limit)
}
