// Package module is the checker that asks a node whether a module works there.
package module

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// sinceHeader tells since when the module works; control's health page sets it.
const sinceHeader = "Module-Since"

// missesAllowed is how often in a row a node may be silent before that means down.
const missesAllowed = 1

// New makes the checker.
func New() sdk.Checker {
	return sdk.Probe[settings]{
		Name: "module", Summary: "up when another module takes connections on a node",
		Properties: `{
			"module": {"type": "string", "minLength": 1, "description": "name of the module"},
			"addr": {"type": "string", "minLength": 1, "description": "address of a node that has it, or one of its virtual addresses"},
			"port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "of the node's API; 9010 if left out"}
		}`,
		Required: []string{"module", "addr"},
		Defaults: settings{Port: 9010},
		Timeout:  5 * time.Second,
		Look:     func(ctx context.Context, s settings) sdk.Result { return s.ask(ctx).Result },
		Watch:    watch,
	}.Checker()
}

type settings struct {
	Module string `json:"module"`
	Addr   string `json:"addr"`
	Port   int    `json:"port"`
}

// watch asks at the interval. A module that was restarted between two answers was
// down, whether or not that was seen.
func watch(ctx context.Context, s settings, interval time.Duration, report func(sdk.Result)) error {
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
		return sdk.Down("module %s was started anew at %s", m.module, a.since), true
	}
	return a.Result, true
}

// ask asks the health page of the node's API, which needs no login. Whose
// certificate the node shows is not looked at: it may be of another cluster, whose
// authority nobody knows here.
func (s settings) ask(ctx context.Context) answer {
	start := time.Now()
	limit := sdk.Limit(ctx)
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	host := net.JoinHostPort(s.Addr, strconv.Itoa(s.Port))
	what := fmt.Sprintf("ask %s for module %s", host, s.Module)
	request, err := http.NewRequestWithContext(timed, http.MethodGet, "https://"+host+"/health/"+url.PathEscape(s.Module), nil)
	if err != nil {
		return answer{Result: sdk.Unknown("%s: %v", what, err)}
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
		var around *url.Error
		if errors.As(err, &around) {
			err = around.Err // without the URL, which is no news
		}
		return answer{Result: sdk.Unreached(what, err, limit), lost: !errors.Is(ctx.Err(), context.Canceled)}
	}
	text := strings.TrimSpace(string(body))
	switch response.StatusCode {
	case http.StatusOK:
		return answer{Result: sdk.Result{Status: sdk.StatusUp, Took: time.Since(start)}, since: response.Header.Get(sinceHeader)}
	case http.StatusServiceUnavailable:
		return answer{Result: sdk.Down("%s says: %s", s.Addr, text)}
	}
	return answer{Result: sdk.Unknown("%s: status %s, which is no answer of a node", what, response.Status)}
}
