// Package module is the checker that asks a node whether a module works there.
package module

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["module", "addr"],
	"additionalProperties": false,
	"properties": {
		"module": {"type": "string", "minLength": 1, "description": "name of the module"},
		"addr": {"type": "string", "minLength": 1, "description": "address of a node that has it, or one of its virtual addresses"},
		"port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "of the node's API; 9010 if left out"},
		"timeout": {
			"description": "how long an answer may take, e.g. \"5s\" or a number of seconds",
			"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// sinceHeader tells since when the module works; control's health page sets it.
const sinceHeader = "Module-Since"

// missesAllowed is how often in a row a node may be silent before that means down.
const missesAllowed = 1

// New makes the checker.
func New() sdk.Watcher { return checker{} }

type checker struct{}

func (checker) Describe() sdk.Description {
	return sdk.Description{
		Name: "module", Kind: sdk.KindChecker, Version: "1.0.0",
		Summary: "up when another module takes connections on a node",
		Schema:  json.RawMessage(schema),
	}
}

// settings as the schema has them. The timeout is 5 s unless given; the host's
// deadline for a check holds as well.
type settings struct {
	Module  string       `json:"module"`
	Addr    string       `json:"addr"`
	Port    int          `json:"port"`
	Timeout sdk.Duration `json:"timeout"`
}

func read(raw json.RawMessage) (settings, error) {
	s := settings{Port: 9010, Timeout: sdk.Duration(5 * time.Second)}
	err := sdk.DecodeSettings(raw, &s)
	return s, err
}

// Check asks once.
func (checker) Check(ctx context.Context, raw json.RawMessage) sdk.Result {
	s, err := read(raw)
	if err != nil {
		return unknown(err.Error())
	}
	return s.ask(ctx).Result
}

// Watch asks at the interval. A module that was restarted between two answers was
// down, whether or not that was seen.
func (checker) Watch(ctx context.Context, raw json.RawMessage, interval time.Duration, report func(sdk.Result)) error {
	s, err := read(raw)
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	m := memory{module: s.Module}
	for {
		a := s.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if r, ok := m.next(a); ok {
			report(r)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// answer is what one question brought.
type answer struct {
	sdk.Result
	lost  bool   // nobody answered
	since string // of the module that works
}

// memory makes results of answers. It is pure.
type memory struct {
	module string
	since  string
	misses int // in a row
}

// next answers what is to be reported, if anything.
func (m *memory) next(a answer) (sdk.Result, bool) {
	if a.lost {
		m.misses++
		return a.Result, m.misses > missesAllowed
	}
	m.misses = 0
	if a.Status != sdk.StatusUp || a.since == "" {
		return a.Result, true
	}
	before := m.since
	m.since = a.since
	if before != "" && before != a.since {
		return sdk.Result{Status: sdk.StatusDown, Reason: "module " + m.module + " was started anew at " + a.since, Took: a.Took}, true
	}
	return a.Result, true
}

// ask asks the health page of the node's API, which needs no login. Whose
// certificate the node shows is not looked at: it may be of another cluster, whose
// authority nobody knows here.
func (s settings) ask(ctx context.Context) answer {
	start := time.Now()
	limit := time.Duration(s.Timeout)
	if d, ok := ctx.Deadline(); ok {
		limit = min(limit, d.Sub(start))
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	host := net.JoinHostPort(s.Addr, strconv.Itoa(s.Port))
	what := fmt.Sprintf("ask %s for module %s", host, s.Module)
	request, err := http.NewRequestWithContext(timed, http.MethodGet, "https://"+host+"/health/"+url.PathEscape(s.Module), nil)
	if err != nil {
		return answer{Result: unknown(what + ": " + err.Error())}
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // see above
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	var body []byte
	if err == nil {
		defer func() { _ = response.Body.Close() }() // it was read
		body, err = io.ReadAll(io.LimitReader(response.Body, 500))
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return answer{Result: unknown(what + ": the check was cancelled")}
		}
		return answer{Result: explain(what, err, limit), lost: true}
	}
	text := strings.TrimSpace(string(body))
	switch response.StatusCode {
	case http.StatusOK:
		return answer{Result: sdk.Result{Status: sdk.StatusUp, Took: time.Since(start)}, since: response.Header.Get(sinceHeader)}
	case http.StatusServiceUnavailable:
		return answer{Result: sdk.Result{Status: sdk.StatusDown, Reason: s.Addr + " says: " + text, Took: time.Since(start)}}
	}
	return answer{Result: unknown(fmt.Sprintf("%s: status %s, which is no answer of a node", what, response.Status))}
}

// local are errors of this node that say nothing about the other.
var local = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES,
}

func explain(what string, err error, limit time.Duration) sdk.Result {
	var timeout net.Error
	var errno syscall.Errno
	r := sdk.Result{Status: sdk.StatusDown, Reason: what + ": " + err.Error()}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		r.Reason = fmt.Sprintf("%s: no answer within %v", what, limit.Round(time.Millisecond))
	case errors.As(err, &errno):
		r.Reason = what + ": " + errno.Error()
	}
	for _, e := range local {
		if errors.Is(err, e) {
			r.Status = sdk.StatusUnknown
		}
	}
	return r
}

func unknown(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: reason}
}
