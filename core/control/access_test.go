package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// node answers little, and notes who asked for what.
type node struct {
	control.Cluster
	control.Modules
	control.Views
	sessions *control.Sessions
	others   []*node          // that are told what ended
	secret   string           // the admin token
	other    *httptest.Server // n2
	asked    []string
}

func (n *node) note(format string, args ...any) {
	n.asked = append(n.asked, fmt.Sprintf(format, args...))
}

func (n *node) Status(context.Context, string) (control.Status, error) {
	return control.Status{Node: "n1", Modules: []control.ModuleStatus{}}, nil
}

func (n *node) Serving(name string) (bool, string) { return name == "web", name + " is STOP NotReady" }

func (n *node) List(context.Context) ([]control.ModuleInfo, error) {
	return []control.ModuleInfo{{Name: "web", Set: map[string]string{"DB_PASSWORD": "hunter2", "PORT": "80"}}}, nil
}

func (n *node) History(context.Context, string) ([]control.Version, error) {
	return []control.Version{{Set: map[string]string{"ADMIN_TOKEN": "hunter2", "PORT": "80"}}}, nil
}

func (n *node) Package(context.Context, string) ([]byte, error) { return []byte("archive"), nil }

func (n *node) Do(_ context.Context, by, name string, verb core.Verb, _ control.VerbRequest) (control.Outcome, error) {
	n.note("%s %s by %s", verb, name, by)
	return control.Outcome{}, nil
}

func (n *node) Uninstall(_ context.Context, by, name string) (control.Outcome, error) {
	n.note("uninstall %s by %s", name, by)
	return control.Outcome{}, nil
}

func (n *node) Invite(_ context.Context, by string, r control.InviteRequest) (control.Invitation, error) {
	n.note("invite by %s", by)
	i := control.Invitation{User: r.User, Role: r.Role}
	i.Token, i.Expires = n.sessions.Invite(r.User, r.Role)
	return i, nil
}

func (n *node) Access(_ context.Context, by string, r control.AccessRequest) (t control.AccessToken, err error) {
	n.note("token for %s by %s", r.User, by)
	return n.sessions.Token(r.User, r.Role, time.Duration(r.TTL))
}

func (n *node) Tokens(context.Context) ([]control.TokenInfo, error) {
	return []control.TokenInfo{{ID: "one", User: "prometheus"}}, nil
}

func (n *node) Withdraw(_ context.Context, by, which string) (control.Outcome, error) {
	n.note("withdraw by %s", by)
	n.end(which, time.Now().Add(time.Hour))
	return control.Outcome{Text: "withdrawn"}, nil
}

func (n *node) LoggedOut(_ context.Context, c control.Caller, login string, until time.Time) error {
	n.note("logout of %s", c.Name)
	n.end(login, until)
	return nil
}

// end tells the whole cluster.
func (n *node) end(id string, until time.Time) {
	for _, one := range append(n.others, n) {
		one.sessions.End(map[string]time.Time{id: until})
	}
}

func (n *node) Entered(c control.Caller) { n.note("login of %s as %s", c.Name, c.Role) }

func (n *node) Refused(from string, times int) { n.note("%d refused, from %s", times, from) }

func (n *node) Reach(name string) (*url.URL, http.RoundTripper, error) {
	switch name {
	case "n1":
		return nil, nil, nil
	case "n2":
		u, err := url.Parse(n.other.URL)
		return u, n.other.Client().Transport, err
	}
	return nil, nil, &control.Refusal{Kind: control.ErrNotFound, Text: "there is no node " + name}
}

func (n *node) ServeHTTP(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "some_metric 1") }

const adminToken = "the admin token"

// serve starts the API as it is served to the network.
func serve(t *testing.T) (*node, *httptest.Server) {
	t.Helper()
	n := &node{secret: adminToken}
	secret := func() string { return n.secret }
	n.sessions = control.NewSessions(secret)
	who := n.sessions.Or(control.Bearer(secret))
	server := httptest.NewTLSServer(control.Handler(control.Backend{Cluster: n, Modules: n, Views: n, Metrics: n, Nodes: n, Console: n, Sessions: n.sessions}, who, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	n.other = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "n2 was asked for %s with %d headers of a login", r.URL, len(r.Header["Cookie"])+len(r.Header["Authorization"]))
	}))
	t.Cleanup(n.other.Close)
	return n, server
}

// browser is a client with a cookie jar.
func browser(t *testing.T, server *httptest.Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: server.Client().Transport, Jar: jar}
}

// send answers the status and the body.
func send(t *testing.T, c *http.Client, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestRoles(t *testing.T) {
	n, server := serve(t)
	for _, c := range []struct {
		role                  control.Role
		read, move, uninstall int
	}{
		{control.Monitor, 200, 403, 403}, {control.Operator, 200, 200, 403}, {control.Admin, 200, 200, 200},
	} {
		t.Run(c.role.String(), func(t *testing.T) {
			b := browser(t, server)
			if code, _ := send(t, b, "GET", server.URL+"/v1/status", ""); code != 401 {
				t.Errorf("status without a login: %d", code)
			}
			token, _ := n.sessions.Invite("anna", c.role)
			if code, text := send(t, b, "POST", server.URL+"/v1/login", `{"token": "`+token+`"}`); code != 200 || !strings.Contains(text, `"role":"`+c.role.String()+`"`) {
				t.Fatalf("login: %d %s", code, text)
			}
			for _, q := range []struct {
				method, path string
				want         int
			}{
				{"GET", "/v1/status", c.read}, {"GET", "/v1/login", 200}, {"GET", "/v1/modules", 200}, {"GET", "/v1/modules/web/versions", 200}, {"POST", "/v1/modules/web/stop", c.move},
				{"GET", "/v1/modules/web/package", c.uninstall}, {"DELETE", "/v1/modules/web", c.uninstall}, {"POST", "/v1/console", c.uninstall},
			} {
				code, text := send(t, b, q.method, server.URL+q.path, "")
				if code != q.want {
					t.Errorf("%s %s: %d, want %d: %s", q.method, q.path, code, q.want, text)
				}
				if strings.Contains(text, "hunter2") && c.role < control.Admin || strings.Contains(q.path, "versions") && !strings.Contains(text, `"PORT":"80"`) {
					t.Errorf("%s %s: %s", q.method, q.path, text)
				}
				if code == 403 && !strings.Contains(text, "you have the role "+c.role.String()) {
					t.Errorf("%s %s: the refusal does not say why: %s", q.method, q.path, text)
				}
			}
		})
	}
	if got := strings.Join(n.asked, "\n"); !strings.Contains(got, "stop web by anna from 127.0.0.1") {
		t.Errorf("nobody learns who it was:\n%s", got)
	}
}

// An invitation is good once, a session until its end, and what opens them is nowhere
// to be read.
func TestLogin(t *testing.T) {
	n, server := serve(t)
	first, second := browser(t, server), browser(t, server)
	token, _ := n.sessions.Invite("anna", control.Admin)
	login := `{"token": "` + token + `"}`
	if code, _ := send(t, first, "POST", server.URL+"/v1/login", login); code != 200 {
		t.Fatalf("login: %d", code)
	}
	if code, text := send(t, second, "POST", server.URL+"/v1/login", login); code != 401 || !strings.Contains(text, "orchestrator console") {
		t.Errorf("the second login with one link: %d %s", code, text)
	}
	if code, _ := send(t, second, "POST", server.URL+"/v1/login", `{"token": ""}`, "Authorization", "Bearer "+adminToken); code != 401 {
		t.Errorf("login without a token: %d", code)
	}
	if code, _ := send(t, first, "POST", server.URL+"/v1/login", `{"token": "wrong"}`); code != 401 {
		t.Errorf("login with a wrong token, but a session: %d", code)
	}
	if code, _ := send(t, second, "POST", server.URL+"/v1/login", `{"token": "`+adminToken+`"}`); code != 200 {
		t.Errorf("login with the admin token: %d", code)
	}
	u, _ := url.Parse(server.URL)
	ended := first.Jar.Cookies(u)[0]
	if ended.Value == token {
		t.Error("the session is opened by what was in the link")
	}
	if code, _ := send(t, first, "DELETE", server.URL+"/v1/login", ""); code != 200 {
		t.Errorf("logout: %d", code)
	}
	if code, _ := send(t, first, "GET", server.URL+"/v1/status", ""); code != 401 {
		t.Errorf("after the logout: %d", code)
	}
	first.Jar.SetCookies(u, []*http.Cookie{ended})
	if code, _ := send(t, first, "GET", server.URL+"/v1/status", ""); code != 401 {
		t.Errorf("with a cookie from before the logout: %d", code)
	}
	n.sessions.Clear() // a restart
	if code, _ := send(t, second, "GET", server.URL+"/v1/status", ""); code != 200 {
		t.Errorf("after a restart: %d", code)
	}
	n.secret = "another"
	if code, _ := send(t, second, "GET", server.URL+"/v1/status", ""); code != 401 {
		t.Errorf("with another admin token: %d", code)
	}
}

// The cookie is out of reach for scripts, other sites and connections without TLS.
func TestCookie(t *testing.T) {
	n, server := serve(t)
	token, _ := n.sessions.Invite("anna", control.Monitor)
	resp, err := server.Client().Post(server.URL+"/v1/login", "application/json", strings.NewReader(`{"token": "`+token+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers: %v", resp.Header)
	}
	c := resp.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || !c[0].Secure || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != "/" || c[0].Domain != "" || !strings.HasPrefix(c[0].Name, "__Host-") {
		t.Errorf("cookie: %v", resp.Header["Set-Cookie"])
	}
}

// hurried notes until when the body of a request has to come.
type hurried struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (h *hurried) SetReadDeadline(t time.Time) error { h.until = t; return nil }

// Who has no login yet cannot hold a connection open by sending nothing.
func TestStrangersAreHurried(t *testing.T) {
	n := &node{sessions: control.NewSessions(func() string { return adminToken })}
	h := control.Handler(control.Backend{Cluster: n, Modules: n, Views: n, Nodes: n, Console: n, Sessions: n.sessions}, n.sessions.Or(control.Bearer(func() string { return adminToken })), slog.New(slog.DiscardHandler))
	for _, path := range []string{"/v1/login", "/v1/admit"} {
		w := &hurried{ResponseRecorder: httptest.NewRecorder()}
		body := readerFunc(func([]byte) (int, error) {
			if left := time.Until(w.until); left <= 0 || left > time.Minute {
				t.Errorf("%s reads with %v left", path, left)
			}
			return 0, os.ErrDeadlineExceeded
		})
		h.ServeHTTP(w, httptest.NewRequest("POST", path, body))
		if w.Code == http.StatusOK || w.until.IsZero() {
			t.Errorf("%s: %d, until %v", path, w.Code, w.until)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := func() string { return adminToken }
		n := &node{sessions: control.NewSessions(secret)}
		h := control.Handler(control.Backend{Cluster: n, Modules: n, Views: n, Nodes: n, Console: n, Sessions: n.sessions}, n.sessions.Or(control.Bearer(secret)), slog.New(slog.DiscardHandler))
		login := func(token string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/login", strings.NewReader(`{"token": "`+token+`"}`)))
			return w
		}
		late, _ := n.sessions.Invite("anna", control.Admin)
		time.Sleep(control.InvitationLife)
		if w := login(late); w.Code != 401 {
			t.Errorf("login after the end of the link: %d", w.Code)
		}
		for range 3 {
			login("guessed")
		}
		time.Sleep(time.Minute)
		login("guessed")
		if got := strings.Join(n.asked, "; "); got != "1 refused, from 192.0.2.1; 4 refused, from 192.0.2.1" {
			t.Errorf("refused logins are told as %q", got)
		}
		good, _ := n.sessions.Invite("anna", control.Admin)
		w := login(good)
		if w.Code != 200 {
			t.Fatalf("login: %d %s", w.Code, w.Body)
		}
		status := func() int {
			r := httptest.NewRequest("GET", "/v1/status", nil)
			r.AddCookie(w.Result().Cookies()[0])
			got := httptest.NewRecorder()
			h.ServeHTTP(got, r)
			return got.Code
		}
		time.Sleep(control.SessionLife - time.Second)
		if code := status(); code != 200 {
			t.Errorf("before the end: %d", code)
		}
		time.Sleep(time.Second)
		if code := status(); code != 401 {
			t.Errorf("after the end: %d", code)
		}
	})
}

// A page of another site may have a browser send what it likes: nothing happens.
func TestForeignPages(t *testing.T) {
	n, server := serve(t)
	b := browser(t, server)
	token, _ := n.sessions.Invite("anna", control.Admin)
	send(t, b, "POST", server.URL+"/v1/login", `{"token": "`+token+`"}`)
	for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
		if code, text := send(t, b, "POST", server.URL+"/v1/modules/web/stop", "", headers...); code != 403 || !json.Valid([]byte(text)) {
			t.Errorf("%v: %d %s", headers, code, text)
		}
	}
	if code, _ := send(t, b, "POST", server.URL+"/v1/modules/web/stop", "", "Origin", server.URL, "Sec-Fetch-Site", "same-origin"); code != 200 {
		t.Errorf("the console's own page: %d", code)
	}
	if stops := strings.Count(strings.Join(n.asked, "\n"), "stop web"); stops != 1 {
		t.Errorf("%d stops were carried out", stops)
	}
}

// What other nodes tell is read through this one; the login stays here.
func TestElsewhere(t *testing.T) {
	n, server := serve(t)
	b := browser(t, server)
	if code, _ := send(t, b, "GET", server.URL+"/v1/nodes/n2/log", ""); code != 401 {
		t.Errorf("without a login: %d", code)
	}
	if code, text := send(t, b, "GET", server.URL+"/metrics", ""); code != 401 || strings.Contains(text, "some_metric") {
		t.Errorf("metrics without a login: %d", code)
	}
	token, _ := n.sessions.Invite("anna", control.Monitor)
	send(t, b, "POST", server.URL+"/v1/login", `{"token": "`+token+`"}`)
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/v1/nodes/n2/log?module=web&type=a&type=b", 200, "n2 was asked for /v1/log?module=web&type=a&type=b with 0 headers of a login"},
		{"GET", "/v1/nodes/n2/modules/a%2Fb/history", 200, "/v1/modules/a"},
		{"GET", "/v1/nodes/n1/status", 200, `"node":"n1"`},
		{"GET", "/metrics", 200, "some_metric 1"},
		{"GET", "/v1/nodes/n1/modules/web/package", 403, "you have the role monitor"},
		{"GET", "/v1/nodes/n9/status", 404, "there is no node n9"},
		{"GET", "/v1/nodes/n1/nodes/n2/status", 404, "for itself only"},
		{"POST", "/v1/nodes/n2/modules/web/stop", 405, ""},
	} {
		code, text := send(t, b, c.method, server.URL+c.path, "", "Authorization", "Bearer no")
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.path, code, text, c.code, c.want)
		}
	}
	n.other.Close()
	if code, text := send(t, b, "GET", server.URL+"/v1/nodes/n2/log", ""); code != 502 || !strings.Contains(text, "n2") {
		t.Errorf("a node that is gone: %d %s", code, text)
	}
}

// A load balancer needs no login.
func TestHealth(t *testing.T) {
	_, server := serve(t)
	for path, want := range map[string]int{
		"/health/web": 200, "/health/db": 503, "/var/modules/web/ready.txt": 200, "/var/modules/db/ready.txt": 404,
	} {
		if code, text := send(t, server.Client(), "GET", server.URL+path, ""); code != want || code != 200 && !strings.Contains(text, "db is STOP") {
			t.Errorf("%s: %d %s, want %d", path, code, text, want)
		}
	}
}
