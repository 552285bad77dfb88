//go:build browser

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/console"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

func adminToken() string { return "the admin token" }

// TestConsoleInBrowser uses the console as people do, in Debian's chromium. `make
// browser` runs it; it takes what CI has no time to install.
func TestConsoleInBrowser(t *testing.T) {
	n := &fakeNode{asked: filepath.Join(t.TempDir(), "asked"), sessions: control.NewSessions(adminToken)}
	who := n.sessions.Or(control.Bearer(adminToken))
	api := control.Handler(control.Backend{Cluster: n, Modules: n, Views: n, Nodes: n, Console: n, Sessions: n.sessions}, who, slog.New(slog.DiscardHandler))
	server := httptest.NewTLSServer(console.Beside(api))
	t.Cleanup(server.Close)
	b := openBrowser(t)
	asked := func() string {
		raw, _ := os.ReadFile(n.asked)
		return string(raw)
	}

	// Without a link there is a form, and a wrong token is told.
	b.open(server.URL)
	b.await("#login h2", "Log in")
	b.write("#token", "wrong")
	b.click("#login-form button")
	b.await("#trouble", "orchestrator console")

	// A link logs in, once, and leaves the address bar.
	token, _ := n.sessions.Invite("anna", control.Operator)
	b.open("about:blank")
	b.open(server.URL + "/#" + token)
	b.await("#module-list h3", "web_farm")
	b.await("#user", "anna from 127.0.0.1")
	b.await("#title", "Cluster prod")
	if at := b.script("return location.href"); strings.Contains(at, token) {
		t.Errorf("the link stays in the address bar: %s", at)
	}
	b.await("tr[data-key=n1] .state", "UP Ready")
	b.await("tr[data-key=n3] .state", "does not answer")
	b.await("#server-list", "silent for 312 ms")
	b.await("#log-box", "tcp.web is down: refused")
	b.picture("console.png")

	// Keyboard alone: the first stop is the way past the header.
	b.script("document.body.focus()")
	b.key("body", "\ue004")
	if got := b.script("return document.activeElement.textContent"); got != "Skip to the modules" {
		t.Errorf("Tab goes to %q first", got)
	}

	// A click asks first; Escape does nothing; a yes does it and tells how it went.
	stop := `button[aria-label="Stop web_farm on n1"]`
	b.click(stop)
	b.await("#ask-text", "those that are still open end with the application")
	b.await("#ask-text", "No other server serves web_farm")
	b.key("#ask-no", "\ue00c")
	b.gone("#ask[open]")
	if got := b.script("return document.activeElement.getAttribute('aria-label')"); got != "Stop web_farm on n1" {
		t.Errorf("after the dialog the focus is on %q", got)
	}
	if strings.Contains(asked(), "stop web_farm") {
		t.Fatalf("Escape stopped the module:\n%s", asked())
	}
	b.click(stop)
	b.click("#ask-yes")
	b.await("#news", "n1: done, UP Ready")
	if !strings.Contains(asked(), "stop web_farm [n1] 2m0s\n") {
		t.Errorf("asked:\n%s", asked())
	}
	b.click(`button[aria-label="Undrain web_farm on n2"]`)
	b.await("#news", "Undrain web_farm on n2")
	b.gone("#ask[open]")

	// What is opened stays open while the page follows.
	b.click("#module-list summary")
	looks := b.script("return performance.getEntriesByName(location.origin + '/v1/status').length")
	b.until("another look", func() bool {
		return b.script("return performance.getEntriesByName(location.origin + '/v1/status').length") != looks
	})
	b.click(`button[aria-label="History of tcp.web on n1"]`)
	b.await("#ask-text", "connection refused")
	b.click("#ask-no")
	b.click(`button[aria-label="Why is web_farm on n1 as it is?"]`)
	b.await("#ask-text", "because: root asked for it")
	b.click("#ask-no")

	// The log can be chosen from.
	b.write(`input[name=grep]`, "daemon")
	b.gone("#log-box tr[data-key='3']")
	b.await("#log-box", "The daemon has started.")

	// Who may only look finds no buttons to move anything.
	b.click("#logout")
	b.await("#login h2", "Log in")
	token, _ = n.sessions.Invite("max", control.Monitor)
	b.open("about:blank")
	b.open(server.URL + "/#" + token)
	b.await("#module-list h3", "web_farm")
	if found := b.script("return document.querySelectorAll('[data-verb]').length"); found != "0" {
		t.Errorf("a monitor finds %s buttons", found)
	}

	// An administrator edits a configuration, is told what that would do, and applies it.
	if found := b.script("return document.querySelectorAll('[data-configure]').length"); found != "0" {
		t.Errorf("a monitor finds %s configurations to edit", found)
	}
	b.click("#logout")
	b.await("#login h2", "Log in")
	token, _ = n.sessions.Invite("root", control.Admin)
	b.open("about:blank")
	b.open(server.URL + "/#" + token)
	b.await("#module-list h3", "web_farm")
	b.click(`button[aria-label="Configuration of web_farm"]`)
	b.await("#edit-title", "Configuration of web_farm")
	b.await("#edit-versions", "2.2")
	if got := b.script("return document.getElementById('edit-file').value + ' ' + document.getElementById('edit-text').value"); got != "conf/userconfig.xml <safe><!-- as it is --></safe>" {
		t.Errorf("what is edited: %s", got)
	}
	b.script("document.getElementById('edit-text').value = '<safe><!-- edited --></safe>'; document.querySelector('#edit-set input[name=PORT]').value = '81'")
	b.click("#edit-check")
	b.await("#edit-told", "Nothing stops: web_farm goes on on n1, n2.")
	b.click("#edit-apply")
	b.await("#edit-told", "web_farm applied")
	for _, want := range []string{"write conf/userconfig.xml of web_farm: <safe><!-- edited --></safe>\n", "diff web_farm map[PORT:81] version=\"\" archive=false\n", "apply web_farm map[PORT:81]\n"} {
		if !strings.Contains(asked(), want) {
			t.Errorf("%q was not asked:\n%s", want, asked())
		}
	}
	b.click(`button[aria-label="Compare with version 2.2"]`)
	b.await("#edit-told", "the service is interrupted")
	b.picture("console-configuration.png")
	b.click("#edit-close")
	b.gone("#edit[open]")

	// A module that comes with the product is installed.
	b.click("#install-open")
	b.script("const s = document.getElementById('install-from'); s.value = 'nginx_farm'; s.dispatchEvent(new Event('change'))")
	b.await("#install-set", "the address")
	b.write("#install-set input[name=VIRTUAL_IP]", "192.0.2.77")
	b.click("#install-yes")
	b.await("#install-told", "orchestrator start nginx_farm")
	if want := "install nginx_farm builtin=\"nginx_farm\" map[VIRTUAL_IP:192.0.2.77]\n"; !strings.Contains(asked(), want) {
		t.Errorf("%q was not asked:\n%s", want, asked())
	}
	b.click("#install-close")
	b.gone("#install[open]")

	// A server that is gone is told, with the way to the others.
	server.CloseClientConnections()
	server.Listener.Close()
	b.await("#trouble", "has not answered since")
	b.await("#trouble a", "n2")

	for _, line := range b.complaints() {
		if !strings.Contains(line, "401") && !strings.Contains(line, "ERR_CONNECTION") && !strings.Contains(line, "ERR_EMPTY") {
			t.Errorf("the browser complains: %s", line)
		}
	}
}

// driven is a browser, through the WebDriver protocol (W3C).
type driven struct {
	t       *testing.T
	session string // URL
}

func openBrowser(t *testing.T) *driven {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	driver := exec.CommandContext(ctx, "chromedriver", "--port="+port)
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = driver.Wait() })
	b := &driven{t: t, session: "http://127.0.0.1:" + port}
	b.until("chromedriver", func() bool {
		resp, err := http.Get(b.session + "/status")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == 200
	})
	var made struct{ SessionID string }
	b.call("POST", "/session", `{"capabilities": {"alwaysMatch": {"acceptInsecureCerts": true, "goog:loggingPrefs": {"browser": "ALL"},
		"goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1200"]}}}}`, &made)
	b.session += "/session/" + made.SessionID
	t.Cleanup(func() { b.call("DELETE", "", "", nil) })
	return b
}

// try calls the driver; its refusals are errors.
func (b *driven) try(method, path, body string, into any) error {
	req, err := http.NewRequest(method, b.session+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return fmt.Errorf("%s %s: %w %s", method, path, err, bytes.TrimSpace(raw))
	}
	if into == nil {
		return nil
	}
	answer := struct{ Value any }{into}
	return json.Unmarshal(raw, &answer)
}

func (b *driven) call(method, path, body string, into any) {
	b.t.Helper()
	if err := b.try(method, path, body, into); err != nil {
		b.t.Fatal(err)
	}
}

func text(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

// element is the path of one that is there.
func (b *driven) element(selector string) (string, error) {
	var found map[string]string
	err := b.try("POST", "/element", `{"using": "css selector", "value": `+text(selector)+`}`, &found)
	for _, id := range found {
		return "/element/" + id, err
	}
	return "", err
}

// until waits for a condition.
func (b *driven) until(what string, done func() bool) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !done(); <-tick.C {
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain for %s; the page says:\n%s", what, b.script("return document.body?.innerText"))
		}
	}
}

func (b *driven) open(url string) {
	b.t.Helper()
	b.call("POST", "/url", `{"url": `+text(url)+`}`, nil)
}

// await waits for an element whose text contains one.
func (b *driven) await(selector, part string) {
	b.t.Helper()
	b.until(selector+" with "+part, func() bool {
		return strings.Contains(b.script("return document.querySelector("+text(selector)+")?.innerText ?? ''"), part)
	})
}

func (b *driven) gone(selector string) {
	b.t.Helper()
	b.until(selector+" to go", func() bool { return b.script("return document.querySelector("+text(selector)+") == null") == "true" })
}

func (b *driven) click(selector string) {
	b.t.Helper()
	var last error
	b.until("a click on "+selector, func() bool {
		at, err := b.element(selector)
		if err == nil {
			err = b.try("POST", at+"/click", "{}", nil)
		}
		last = err
		return err == nil
	})
	if last != nil {
		b.t.Fatal(last)
	}
}

func (b *driven) key(selector, keys string) {
	b.t.Helper()
	at, err := b.element(selector)
	if err != nil {
		b.t.Fatal(err)
	}
	b.call("POST", at+"/value", `{"text": `+text(keys)+`}`, nil)
}

func (b *driven) write(selector, what string) { b.t.Helper(); b.key(selector, what) }

// script runs in the page and answers the result as text.
func (b *driven) script(source string) string {
	b.t.Helper()
	var v any
	b.call("POST", "/execute/sync", `{"script": `+text(source)+`, "args": []}`, &v)
	if s, ok := v.(string); ok {
		return s
	}
	return text(v)
}

// picture keeps a screenshot where $PICTURES says.
func (b *driven) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("PICTURES")
	if dir == "" {
		return
	}
	var encoded string
	b.call("GET", "/screenshot", "", &encoded)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), raw, 0o600)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// complaints are what the browser wrote into its console.
func (b *driven) complaints() []string {
	b.t.Helper()
	var entries []struct{ Level, Message string }
	b.call("POST", "/se/log", `{"type": "browser"}`, &entries)
	var list []string
	for _, e := range entries {
		list = append(list, e.Level+": "+e.Message)
	}
	return list
}
