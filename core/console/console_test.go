package console

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "api ", r.URL.Path) })
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Beside(api).ServeHTTP(w, r)
	return w
}

func TestBeside(t *testing.T) {
	for path, want := range map[string]string{"/v1/status": "api /v1/status", "/health/web": "api /health/web", "/metrics": "api /metrics"} {
		if w := get(t, path); w.Body.String() != want {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	for path, kind := range map[string]string{"/": "text/html", "/console/main.js": "javascript", "/console/console.css": "text/css", "/console/icon.svg": "image/svg+xml"} {
		w := get(t, path)
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), kind) || w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if again := get(t, path, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s is sent again: %d", path, again.Code)
		}
	}
	for _, path := range []string{"/console/nothing.js", "/console/console.go", "/console/..%2fconsole.go", "/console/"} {
		if w := get(t, path); w.Code != 404 && w.Body.String() != "api "+path {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// The policy would keep such things from working, and they would be missed only by who
// looks at the page.
func TestPageKeepsToThePolicy(t *testing.T) {
	var names []string
	files := map[string]string{}
	err := fs.WalkDir(page, "page", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(page, path)
		files[strings.TrimPrefix(path, "page/")] = string(raw)
		names = append(names, path)
		return err
	})
	if err != nil || len(names) < 5 {
		t.Fatalf("%v, %v", names, err)
	}
	for what, bad := range map[string]*regexp.Regexp{
		"a script in the page":         regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]`),
		"a style in the page":          regexp.MustCompile(`(?i)<style| style=`),
		"a handler in the page":        regexp.MustCompile(`(?i)<[^>]* on[a-z]+=`),
		"something from elsewhere":     regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}`),
		"text taken for HTML":          regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write`),
		"a text that becomes a script": regexp.MustCompile(`\beval\(|new Function`),
	} {
		for name, text := range files {
			text = strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, "")
			if at := bad.FindString(text); at != "" {
				t.Errorf("%s has %s: %s", name, what, at)
			}
		}
	}
	used := regexp.MustCompile(`/console/([a-z.]+)"`)
	for name, text := range files {
		for _, m := range used.FindAllStringSubmatch(text, -1) {
			if files[m[1]] == "" {
				t.Errorf("%s uses %s, which is not there", name, m[1])
			}
		}
	}
	ids := regexp.MustCompile(`\$\("([a-z-]+)"\)|show\("([a-z-]+)"`)
	for _, m := range ids.FindAllStringSubmatch(files["main.js"], -1) {
		if id := m[1] + m[2]; !strings.Contains(files["index.html"], `id="`+id+`"`) {
			t.Errorf("main.js looks for #%s, which the page has not", id)
		}
	}
}
