package http

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
	"github.com/orchestrator-ha/orchestrator/sdk/sdktest"
)

// site answers by path: /status/CODE, /slow, /half, /echo with what was asked.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscan(r.PathValue("code"), &code)
		w.Header().Set("Location", "/status/500")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s\nmore", r.Method, r.Host, r.Header.Get("X-Probe"))
	})
	return mux
}

func check(t *testing.T, settings map[string]any) sdk.Result {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return New().Check(t.Context(), raw)
}

func TestConformance(t *testing.T) {
	s := httptest.NewServer(site())
	defer s.Close()
	sdktest.Run(t, New(), sdktest.Options{
		Settings: []byte(fmt.Sprintf(`{"url":%q,"timeout":"2s"}`, s.URL+"/echo")),
		Invalid: []json.RawMessage{
			[]byte(`{}`), []byte(`{"url":"ftp://a"}`), []byte(`{"url":"http://"}`), []byte(`{"url":"http://a","status":"ok"}`),
			[]byte(`{"url":"http://a","status":"99"}`), []byte(`{"url":"http://a","method":"get it"}`), []byte(`{"url":"http://a","verify":"no"}`),
			[]byte(`{"url":"http://a","headers":{"a":1}}`), []byte(`{"url":"http://a","bodi":"x"}`),
		},
	})
}

func TestAnswers(t *testing.T) {
	s := httptest.NewServer(site())
	defer s.Close()
	dead := httptest.NewServer(site())
	dead.Close()
	type set = map[string]any
	for _, c := range []struct {
		settings set
		status   sdk.Status
		says     string // URL of the server is taken out
	}{
		{set{"url": s.URL + "/status/204"}, sdk.StatusUp, "status 204 No Content, 0 bytes"},
		{set{"url": s.URL + "/status/302"}, sdk.StatusUp, "status 302 Found, 0 bytes"}, // not followed
		{set{"url": s.URL + "/status/302", "status": "200 204"}, sdk.StatusDown, "GET /status/302: status 302 Found, want 200 204"},
		{set{"url": s.URL + "/status/503"}, sdk.StatusDown, "GET /status/503: status 503 Service Unavailable, want 200-399"},
		{set{"url": s.URL + "/status/503", "status": "200 500-599"}, sdk.StatusUp, "status 503 Service Unavailable, 0 bytes"},
		{set{"url": s.URL + "/status/200", "status": "300-200"}, sdk.StatusUnknown, `GET /status/200: status "300-200": write codes and ranges, such as 200 300-399`},
		{set{"url": s.URL + "/echo", "method": "POST", "headers": set{"Host": "shop", "X-Probe": "7"}, "body": "^POST shop 7$|more"}, sdk.StatusUp, "status 200 OK, 16 bytes"},
		{set{"url": s.URL + "/echo", "headers": set{"Host": "shop"}, "body": "ready"}, sdk.StatusDown, `GET /echo: status 200 OK, but the body does not match "ready"; it begins "GET shop "`},
		{set{"url": s.URL + "/echo", "body": "("}, sdk.StatusUnknown, "GET /echo: error parsing regexp: missing closing ): `(`"},
		{set{"url": s.URL + "/half"}, sdk.StatusDown, "GET /half: the connection was closed before the answer was complete"},
		{set{"url": s.URL + "/slow", "timeout": "50ms"}, sdk.StatusDown, "GET /slow: no answer within 50ms"},
		{set{"url": dead.URL}, sdk.StatusDown, "GET : connection refused"},
		{set{"url": strings.Replace(s.URL, "http:", "https:", 1)}, sdk.StatusDown, "GET https:: http: server gave HTTP response to HTTPS client"},
	} {
		r := check(t, c.settings)
		says := strings.NewReplacer(s.URL, "", dead.URL, "", strings.TrimPrefix(s.URL, "http:"), "").Replace(r.Reason + r.Detail)
		if r.Status != c.status || !strings.HasPrefix(says, c.says) || c.says == "" {
			t.Errorf("%v: got %s %q, want %s %q", c.settings, r.Status, says, c.status, c.says)
		}
	}
}

func TestCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(site())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	type set = map[string]any
	for _, c := range []struct {
		settings set
		status   sdk.Status
		says     string
	}{
		{set{}, sdk.StatusDown, "certificate signed by unknown authority"},
		{set{"verify": false}, sdk.StatusUp, "200 OK"},
		{set{"ca": ca}, sdk.StatusUp, "200 OK"},
		{set{"ca": ca, "headers": set{"Host": "example.com"}}, sdk.StatusUp, "200 OK"},
		{set{"ca": ca, "headers": set{"Host": "other.org:8443"}}, sdk.StatusDown, "certificate is valid for example.com"},
		{set{"ca": empty}, sdk.StatusUnknown, "there is no certificate in "},
		{set{"ca": empty + "x"}, sdk.StatusUnknown, "no such file"},
	} {
		c.settings["url"] = s.URL + "/echo"
		if r := check(t, c.settings); r.Status != c.status || !strings.Contains(r.Reason+r.Detail, c.says) {
			t.Errorf("%v: got %+v, want %s %q", c.settings, r, c.status, c.says)
		}
	}
}

func TestCancelled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	r := New().Check(ctx, json.RawMessage(fmt.Sprintf(`{"url":"http://%s/","timeout":"60s"}`, l.Addr())))
	if r.Status != sdk.StatusUnknown || !strings.HasSuffix(r.Reason, "the check was cancelled") {
		t.Errorf("got %+v", r)
	}
}
