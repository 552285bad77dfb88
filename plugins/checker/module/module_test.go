package module

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// node answers as one does whose modules are called by what they are.
func node(t *testing.T) int {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health/works":
			w.Header().Set(sinceHeader, "2026-01-02T15:04:05Z")
			_, _ = io.WriteString(w, "OK\n")
		case "/health/waits":
			http.Error(w, "waits is WAIT", http.StatusServiceUnavailable)
		case "/health/hangs":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port
}

func ask(port int, module, timeout string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"module":%q,"addr":"127.0.0.1","port":%d,"timeout":%q}`, module, port, timeout))
}

func TestConformance(t *testing.T) {
	sdktest.Run(t, New(), sdktest.Options{
		Settings: ask(node(t), "works", "2s"),
		Invalid: []json.RawMessage{
			[]byte(`{"module":"a"}`), []byte(`{"addr":"a"}`), []byte(`{"module":"","addr":"a"}`), []byte(`{"module":"a","addr":"a","port":0}`), []byte(`{"module":"a","addr":"a","secure":"on"}`),
		},
	})
}

func TestAnswers(t *testing.T) {
	port := node(t)
	for _, c := range []struct {
		module, timeout string
		status          sdk.Status
		reason          string
	}{
		{"works", "20s", sdk.StatusUp, ""},
		{"waits", "20s", sdk.StatusDown, "127.0.0.1 says: waits is WAIT"},
		{"hangs", "50ms", sdk.StatusDown, fmt.Sprintf("ask 127.0.0.1:%d for module hangs: no answer within 50ms", port)},
		{"../x", "20s", sdk.StatusUnknown, fmt.Sprintf("ask 127.0.0.1:%d for module ../x: status 404 Not Found, which is no answer of a node", port)},
	} {
		if r := New().Check(t.Context(), ask(port, c.module, c.timeout)); r.Status != c.status || r.Reason != c.reason {
			t.Errorf("%s: got %+v, want %s %q", c.module, r, c.status, c.reason)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	if r := New().Check(t.Context(), ask(closed, "works", "20s")); r.Status != sdk.StatusDown || !strings.HasSuffix(r.Reason, ": connection refused") {
		t.Errorf("no daemon: %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if r := New().Check(ctx, ask(port, "hangs", "60s")); r.Status != sdk.StatusUnknown || !strings.HasSuffix(r.Reason, ": the check was cancelled") {
		t.Errorf("cancelled: %+v", r)
	}
}

// One silence is no failure, and a restart is one though nobody saw it.
func TestMemory(t *testing.T) {
	up := func(since string) answer {
		return answer{Result: sdk.Result{Status: sdk.StatusUp}, since: since}
	}
	lost := answer{Result: sdk.Result{Status: sdk.StatusDown, Reason: "no answer"}, lost: true}
	waits := answer{Result: sdk.Result{Status: sdk.StatusDown, Reason: "WAIT"}}
	m := memory{module: "db"}
	for i, c := range []struct {
		answer answer
		want   string // empty: nothing is reported
	}{
		{up("1"), "up"}, {lost, ""}, {up("1"), "up"}, {lost, ""}, {lost, "down no answer"}, {lost, "down no answer"}, {up("1"), "up"},
		{up("2"), "down module db was started anew at 2"}, {up("2"), "up"}, {waits, "down WAIT"}, {up("3"), "down module db was started anew at 3"}, {up(""), "up"}, {up("3"), "up"},
	} {
		r, ok := m.next(c.answer)
		got := strings.TrimSpace(string(r.Status) + " " + r.Reason)
		if !ok {
			got = ""
		}
		if got != c.want {
			t.Errorf("answer %d: reported %q, want %q", i+1, got, c.want)
		}
	}
}
