package control_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// What one server has signed another one of the cluster takes, and nobody else.
func TestLoginOnAllServers(t *testing.T) {
	n1, server1 := serve(t)
	n2, server2 := serve(t)
	foreign, server3 := serve(t)
	foreign.secret = "of another cluster"
	b, u := browser(t, server1), func(s *httptest.Server) *url.URL { u, _ := url.Parse(s.URL); return u }
	invitation, _ := n1.sessions.Invite("anna", control.Operator)
	send(t, b, "POST", server1.URL+"/v1/login", `{"token": "`+invitation+`"}`)
	if code, text := send(t, b, "GET", server2.URL+"/v1/login", ""); code != 200 || !strings.Contains(text, `"anna from 127.0.0.1","role":"control"`) {
		t.Errorf("the session on the other server: %d %s", code, text)
	}
	if code, _ := send(t, b, "GET", server3.URL+"/v1/status", ""); code != 401 {
		t.Errorf("the session in another cluster: %d", code)
	}

	// A browser keeps cookies from other hosts, so there is something to take along.
	var pass control.AccessToken
	if code, text := send(t, b, "POST", server1.URL+"/v1/login/elsewhere", ""); code != 200 || json.Unmarshal([]byte(text), &pass) != nil {
		t.Fatalf("a token for other servers: %d %s", code, text)
	}
	login := `{"token": "` + pass.Token + `"}`
	for i, want := range []int{200, 401} {
		if code, text := send(t, browser(t, server2), "POST", server2.URL+"/v1/login", login); code != want || want == 200 && !strings.Contains(text, `"role":"control"`) {
			t.Errorf("use %d of it: %d %s", i, code, text)
		}
	}
	for kind, headers := range map[string][]string{
		"as a token": {"Authorization", "Bearer " + pass.Token}, "as a session": {"Cookie", "__Host-orchestrator=" + pass.Token},
	} {
		if code, _ := send(t, browser(t, server2), "GET", server2.URL+"/v1/status", "", headers...); code != 401 {
			t.Errorf("%s: %d", kind, code)
		}
	}
	if code, _ := send(t, browser(t, server1), "POST", server1.URL+"/v1/login/elsewhere", "", "Authorization", "Bearer "+adminToken); code != 401 {
		t.Errorf("without a session: %d", code)
	}
	session := b.Jar.Cookies(u(server1))[0].Value
	for i := range session {
		changed := []byte(session)
		changed[i] ^= 1
		if code, _ := send(t, browser(t, server1), "GET", server1.URL+"/v1/status", "", "Cookie", "__Host-orchestrator="+string(changed)); code == 200 {
			t.Fatalf("a session with byte %d changed is taken: %s", i, changed)
		}
	}

	// A logout ends all that came of the login, wherever it is done; another login goes on.
	n1.others = []*node{n2}
	n2.others = []*node{n1}
	there := browser(t, server2)
	if code, text := send(t, b, "POST", server1.URL+"/v1/login/elsewhere", ""); code != 200 || json.Unmarshal([]byte(text), &pass) != nil {
		t.Fatalf("another token for other servers: %d %s", code, text)
	}
	send(t, there, "POST", server2.URL+"/v1/login", `{"token": "`+pass.Token+`"}`)
	if code, text := send(t, there, "POST", server2.URL+"/v1/login/elsewhere", ""); code != 200 || json.Unmarshal([]byte(text), &pass) != nil {
		t.Fatalf("a token from there: %d %s", code, text)
	}
	invitation, _ = n1.sessions.Invite("bert", control.Monitor)
	bert := browser(t, server1)
	send(t, bert, "POST", server1.URL+"/v1/login", `{"token": "`+invitation+`"}`)
	if code, text := send(t, there, "DELETE", server2.URL+"/v1/login", ""); code != 200 {
		t.Fatalf("log out: %d %s", code, text)
	}
	for name, one := range map[string]struct {
		c      *http.Client
		server *httptest.Server
		want   int
	}{"where it was done": {there, server2, 401}, "where it began": {b, server1, 401}, "another login": {bert, server1, 200}} {
		if code, _ := send(t, one.c, "GET", one.server.URL+"/v1/status", ""); code != one.want {
			t.Errorf("%s: %d, want %d", name, code, one.want)
		}
	}
	if code, _ := send(t, browser(t, server1), "POST", server1.URL+"/v1/login", `{"token": "`+pass.Token+`"}`); code != 401 {
		t.Errorf("a token for other servers after the logout: %d", code)
	}
}

// A program's token does what its role allows, on all servers, until its end.
func TestTokens(t *testing.T) {
	n, server := serve(t)
	second, other := serve(t)
	c, admin := server.Client(), []string{"Authorization", "Bearer " + adminToken}
	code, text := send(t, c, "POST", server.URL+"/v1/token", `{"user": "prometheus", "role": "monitor", "ttl": "1h"}`, admin...)
	var got control.AccessToken
	if code != 200 || json.Unmarshal([]byte(text), &got) != nil || time.Until(got.Expires) > time.Hour {
		t.Fatalf("give out a token: %d %s", code, text)
	}
	bearer := []string{"Authorization", "Bearer " + got.Token}
	for _, s := range []*httptest.Server{server, other} {
		if code, text := send(t, c, "GET", s.URL+"/metrics", "", bearer...); code != 200 || text != "some_metric 1\n" {
			t.Errorf("metrics: %d %s", code, text)
		}
		if code, text := send(t, c, "POST", s.URL+"/v1/modules/web/stop", "", bearer...); code != 403 || !strings.Contains(text, "you have the role monitor") {
			t.Errorf("stop: %d %s", code, text)
		}
	}
	if code, _ := send(t, c, "POST", server.URL+"/v1/token", `{"ttl": "1h"}`, bearer...); code != 403 {
		t.Errorf("a token that gives out tokens: %d", code)
	}
	// In a browser it opens no more than it is for, and for no longer.
	b := browser(t, server)
	if code, text := send(t, b, "POST", server.URL+"/v1/login", `{"token": "`+got.Token+`"}`); code != 200 || !strings.Contains(text, `"role":"monitor"`) {
		t.Fatalf("login with a token: %d %s", code, text)
	}
	var s control.Session
	if _, text := send(t, b, "GET", server.URL+"/v1/login", ""); json.Unmarshal([]byte(text), &s) != nil || s.Expires.After(got.Expires.Add(time.Second)) {
		t.Errorf("the session: %s", text)
	}
	late, err := n.sessions.Token("late", control.Admin, -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	over := late.Token
	if code, _ := send(t, c, "GET", server.URL+"/v1/status", "", "Authorization", "Bearer "+over); code != 401 {
		t.Errorf("a token that has ended: %d", code)
	}
	// One that is withdrawn ends on all servers, with what it opened in a browser; others go on.
	n.others = []*node{second}
	if code, text := send(t, c, "GET", server.URL+"/v1/tokens", "", bearer...); code != 403 {
		t.Errorf("a list of tokens for %s: %d %s", got.User, code, text)
	}
	if code, text := send(t, c, "GET", server.URL+"/v1/tokens", "", admin...); code != 200 || !strings.Contains(text, `"user":"prometheus"`) {
		t.Errorf("a list of tokens: %d %s", code, text)
	}
	more, err := n.sessions.Token("more", control.Monitor, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if id, _, ok := n.sessions.Identify(got.Token); !ok || id != got.ID {
		t.Errorf("the token is %q, %t", id, ok)
	}
	if code, text := send(t, c, "DELETE", server.URL+"/v1/tokens/"+got.ID, "", bearer...); code != 403 {
		t.Errorf("a token that withdraws tokens: %d %s", code, text)
	}
	if code, text := send(t, c, "DELETE", server.URL+"/v1/tokens/"+got.ID, "", admin...); code != 200 {
		t.Errorf("withdraw: %d %s", code, text)
	}
	for _, s := range []*httptest.Server{server, other} {
		if code, _ := send(t, c, "GET", s.URL+"/metrics", "", bearer...); code != 401 {
			t.Errorf("a token that was withdrawn: %d", code)
		}
		if code, _ := send(t, c, "GET", s.URL+"/metrics", "", "Authorization", "Bearer "+more.Token); code != 200 {
			t.Errorf("another token: %d", code)
		}
	}
	if code, _ := send(t, b, "GET", server.URL+"/v1/status", ""); code != 401 {
		t.Errorf("the session that it opened: %d", code)
	}
	n.secret = ""
	if _, err := n.sessions.Token("nobody", control.Admin, time.Hour); err == nil {
		t.Error("a node without a secret signs")
	}
	if code, _ := send(t, c, "GET", server.URL+"/v1/status", "", bearer...); code != 401 {
		t.Errorf("without a secret: %d", code)
	}
}
