package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

type place struct {
	Path string `json:"path"`
	Most int    `json:"most"`
}

// disk is a checker as a stranger would write it.
func disk(look func(context.Context, place) sdk.Result) sdk.Probe[place] {
	return sdk.Probe[place]{
		Name: "disk", Summary: "up while a file system has room",
		Properties: `{"path": {"type": "string", "minLength": 1}, "most": {"type": "integer", "maximum": 100}}`,
		Required:   []string{"path"},
		Defaults:   place{Most: 90},
		Timeout:    time.Second,
		Look:       look,
	}
}

func TestProbeConformance(t *testing.T) {
	news := disk(func(_ context.Context, p place) sdk.Result { return sdk.Down("%s is %d %% full", p.Path, p.Most) })
	sdktest.Run(t, news.Checker(), sdktest.Options{
		Settings: []byte(`{"path":"/srv","timeout":"1s"}`),
		Invalid:  []json.RawMessage{[]byte(`{}`), []byte(`{"path":""}`), []byte(`{"path":"/","most":101}`), []byte(`{"path":"/","timeout":0}`), []byte(`{"paht":"/"}`)},
	})
	news.News = func(context.Context, place) (<-chan struct{}, error) { return nil, nil }
	sdktest.Run(t, news.Checker(), sdktest.Options{Settings: []byte(`{"path":"/srv"}`)})
}

// Defaults hold for what is left out, and the timeout is what the settings say
// unless the host gives less.
func TestProbeSettings(t *testing.T) {
	var got place
	var limit time.Duration
	c := disk(func(ctx context.Context, p place) sdk.Result {
		got, limit = p, sdk.Limit(ctx)
		return sdk.Up("")
	}).Checker()
	for _, s := range []struct {
		settings string
		host     time.Duration // 0: no deadline
		want     place
		limit    time.Duration
		reason   string
	}{
		{`{"path":"/srv"}`, 0, place{"/srv", 90}, time.Second, ""},
		{`{"path":"/srv","most":5,"timeout":"3s"}`, 0, place{"/srv", 5}, 3 * time.Second, ""},
		{`{"path":"/srv","timeout":2}`, 2 * time.Second, place{"/srv", 90}, 2 * time.Second, ""},
		{`{"path":"/srv","timeout":2}`, time.Second, place{"/srv", 90}, time.Second, ""},
		{`{"path":"/srv","most":"5"}`, 0, place{}, 0, "read settings: json: cannot unmarshal"},
		{`{"path":"/srv","timeout":"x"}`, 0, place{}, 0, `read settings: timeout: "x" is not a time span`},
		{`{"size":1}`, 0, place{}, 0, `read settings: json: unknown field "size"`},
		{`[]`, 0, place{}, 0, `read settings: json: cannot unmarshal array`},
	} {
		synctest.Test(t, func(t *testing.T) {
			got, limit = place{}, 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if s.host > 0 {
				ctx, cancel = context.WithTimeout(ctx, s.host)
				defer cancel()
			}
			r := c.Check(ctx, json.RawMessage(s.settings))
			if got != s.want || limit != s.limit || !strings.HasPrefix(r.Reason, s.reason) || (s.reason == "") != (r.Status == sdk.StatusUp) {
				t.Errorf("%s: got %+v with limit %v and %+v", s.settings, got, limit, r)
			}
		})
	}
}

// A probe with news looks at once, at each news, and at the interval.
func TestProbeNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, news := time.Now(), make(chan struct{})
		var at []time.Duration
		p := disk(func(context.Context, place) sdk.Result { return sdk.Up("") })
		p.News = func(context.Context, place) (<-chan struct{}, error) { return news, nil }
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		time.AfterFunc(3*time.Second, func() { news <- struct{}{} })
		err := p.Checker().(sdk.Watcher).Watch(ctx, []byte(`{"path":"/"}`), 10*time.Second, func(sdk.Result) { at = append(at, time.Since(start)) })
		if got := fmt.Sprint(at, err); got != "[0s 3s 10s 20s] <nil>" {
			t.Errorf("looked at %s", got)
		}
	})
}

func TestUnreached(t *testing.T) {
	for _, c := range []struct {
		err    error
		status sdk.Status
		reason string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, sdk.StatusDown, "ask a: no route to host"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, sdk.StatusUnknown, "ask a: too many open files"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, sdk.StatusDown, "ask a: no answer within 2s"},
		{&net.OpError{Op: "dial", Err: context.Canceled}, sdk.StatusUnknown, "ask a: the check was cancelled"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "a", Err: "no such host"}}, sdk.StatusUnknown, "look up a: no such host"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: odd")}, sdk.StatusDown, "ask a: tls: odd"},
		{fmt.Errorf("read the body: %w", context.DeadlineExceeded), sdk.StatusDown, "ask a: no answer within 2s"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), sdk.StatusDown, "ask a: the connection was closed before the answer was complete"},
		{errors.New("odd"), sdk.StatusDown, "ask a: odd"},
	} {
		if r := sdk.Unreached("ask a", c.err, 2*time.Second); r.Status != c.status || r.Reason != c.reason {
			t.Errorf("%v: got %s %q, want %s %q", c.err, r.Status, r.Reason, c.status, c.reason)
		}
	}
}
