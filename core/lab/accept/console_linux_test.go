package accept_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// console logs in from the client's browser, which knows the cluster's authority, and
// looks at and moves the module as its role allows.
func (s *stage) console(t *testing.T) {
	t.Helper()
	link := ask[struct{ URL, Token string }](t, s, "n1", "console", "--user", "anna", "--role", "control")
	base, _, _ := strings.Cut(link.URL, "/#")
	home, jar := s.Status().Nodes[0].Home, filepath.Join(s.root, "cookies")
	curl := func(member, code, path string, args ...string) string {
		t.Helper()
		all := append([]string{"-sS", "-i", "--cacert", filepath.Join(home, "cluster", "authority.crt"), base + path}, args...)
		r := s.call(t, member, "curl", all...)
		if got := strings.Fields(r.out + " - -")[1]; r.code != 0 || got != code {
			t.Fatalf("%s answers %s, not %s: %s", path, got, code, r.text())
		}
		return r.out
	}
	browser := func(code, path string, args ...string) string {
		t.Helper()
		return curl(lab.Client, code, path, append([]string{"-b", jar, "-c", jar}, args...)...)
	}
	if page := browser("200", "/"); !strings.Contains(page, "/console/main.js") || !strings.Contains(strings.ToLower(page), "content-security-policy: default-src 'none'") {
		t.Errorf("the page is:\n%s", page)
	}
	browser("401", "/v1/status")
	login := []string{"--json", `{"token": "` + link.Token + `"}`}
	browser("200", "/v1/login", login...)
	curl(lab.Client, "401", "/v1/login", login...) // another browser, with the same link
	if text := browser("200", "/v1/nodes/n2/log?type=message&limit=1000"); !strings.Contains(text, "start_both WAIT UP start") {
		t.Errorf("the log of n2 is:\n%s", text)
	}
	if text := browser("200", "/v1/nodes/n2/modules/"+s.module+"/history?resource=custom.app"); !strings.Contains(text, `"value":"up"`) {
		t.Errorf("the history of custom.app on n2 is:\n%s", text)
	}
	if text := browser("200", "/v1/modules/"+s.module+"/drain", "--json", `{"nodes": ["n2"], "wait": "10s"}`); !strings.Contains(text, `"ok":true`) {
		t.Errorf("drain: %s", text)
	}
	browser("200", "/v1/modules/"+s.module+"/undrain", "--json", `{"nodes": ["n2"], "wait": "10s"}`)
	// Another server takes the login, here by the name of the first.
	if text := browser("200", "/v1/login", "--insecure", "--connect-to", "::"+lab.NodeAddress(2).String()+":"); !strings.Contains(text, "anna from ") {
		t.Errorf("n2 does not know anna: %s", text)
	}
	browser("403", "/v1/modules/"+s.module, "-X", "DELETE")
	browser("403", "/v1/modules/"+s.module+"/stop", "--json", "{}", "-H", "Origin: https://elsewhere.example")
	said := s.do(t, "n1", "log", "--type", "command")
	if want := ": drain " + s.module + " on n2: done: n2 is UP Ready."; !strings.Contains(said, want) {
		t.Errorf("the log of commands does not say %q:\n%s", want, said)
	}
	if !strings.Contains(said, "anna from ") || !strings.Contains(said, "logs in to the console, with the role control") {
		t.Errorf("the log of commands does not tell of anna:\n%s", said)
	}

	// A server may look at another one, and no more.
	pem := filepath.Join(s.Status().Nodes[1].Home, "cluster", "node.pem")
	curl("n2", "200", "/v1/status", "--cert", pem)
	curl("n2", "403", "/v1/modules/"+s.module+"/stop", "--cert", pem, "--json", "{}")

	// A logout, and the end of a token, hold on all servers.
	kept, err := os.ReadFile(jar)
	if err == nil {
		err = os.WriteFile(jar+".kept", kept, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	token := ask[struct{ ID, Token string }](t, s, "n1", "token", "--user", "prometheus")
	bearer := []string{"-H", "Authorization: Bearer " + token.Token}
	onTwo := func(args ...string) string {
		r := s.call(t, lab.Client, "curl", append([]string{"-sS", "-o", "/dev/null", "-w", "%{http_code}", "--insecure", "--connect-to", "::" + lab.NodeAddress(2).String() + ":", base + "/v1/status"}, args...)...)
		return r.text()
	}
	for what, args := range map[string][]string{"the login": {"-b", jar + ".kept"}, "the token": bearer} {
		if code := onTwo(args...); code != "200" {
			t.Errorf("n2 does not take %s: %s", what, code)
		}
	}
	browser("200", "/v1/login", "-X", "DELETE")
	browser("401", "/v1/status")
	if out := s.do(t, "n2", "token", "list"); !strings.Contains(out, token.ID) || !strings.Contains(out, "prometheus") {
		t.Errorf("n2 does not know of the token:\n%s", out)
	}
	s.do(t, "n2", "token", "withdraw", token.ID)
	curl(lab.Client, "401", "/v1/status", "-b", jar+".kept")
	eventually(t, "n1 knows of the end of the token", func() string {
		if r := s.call(t, lab.Client, "curl", append([]string{"-sS", "-o", "/dev/null", "-w", "%{http_code}", "--insecure", base + "/metrics"}, bearer...)...); r.out != "401" {
			return r.text()
		}
		return ""
	})
	eventually(t, "n2 knows of the end of the login and of the token", func() string {
		if one, two := onTwo("-b", jar+".kept"), onTwo(bearer...); one != "401" || two != "401" {
			return one + " " + two
		}
		return ""
	})
}
