package hook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// luaCheck writes a check into a module.
func luaCheck(t *testing.T, text string) Check {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "bin", "checks", "queue.lua")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Check{Module: "shop", Resource: "custom.queue", Dir: dir, File: file, Args: []string{"orders", "100"}, Vars: map[string]string{"LIMIT": "7"}, Timeout: 20 * time.Second}
}

func TestCheckAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer server.Close()
	for text, want := range map[string]string{
		`return function() return true end`:                                                  "up",
		`return function() return "up", "3 wait" end`:                                        "up 3 wait",
		`return function() return false, "full" end`:                                         "down full",
		`return function() return "down" end`:                                                "down bin/checks/queue.lua says down and not why",
		`return function() return nil, "no answer yet" end`:                                  "unknown no answer yet",
		`return function() end`:                                                              "unknown bin/checks/queue.lua says unknown and not why",
		`return function() return "unknown", 5 end`:                                          "unknown 5",
		`return function(c) return false, c.resource .. c.args[2] end`:                       "down custom.queue100",
		`return function() return false, ctx.vars.LIMIT .. #ctx.args end`:                    "down 72",
		`return function() fail("it is broken") end`:                                         "down bin/checks/queue.lua:1: it is broken",
		"return function()\n local x = nil\n return x.y end":                                 "down bin/checks/queue.lua:3: attempt to index a non-table object(nil) with key 'y'",
		`return function() return exec{ "false", quiet = true }.ok, "no" end`:                "down no",
		`return function() http{ url = "` + server.URL + `", expect = 200 } return true end`: "down bin/checks/queue.lua:1: http " + server.URL + ": status 418, expected 200",
		`return function() return 1 end`:                                                     `unknown bin/checks/queue.lua answers "1": a check answers true or "up", false or "down", nil or "unknown"`,
		`return true`:                                                                        "unknown bin/checks/queue.lua returns no function but boolean: it is to end with: return function(check) … end",
		`return function( end`:                                                               "unknown bin/checks/queue.lua:1:18: ",
		`error("at once")`:                                                                   "unknown bin/checks/queue.lua:1: at once",
		`return function() return ctx.force end`:                                             "down bin/checks/queue.lua:1: there is no ctx.force; did you mean ctx.resource?",
		`return function() resource.get("tcp.web") return true end`:                          "down bin/checks/queue.lua:1: ",
	} {
		value, reason := New(Options{}).Check(t.Context(), luaCheck(t, text))
		got := strings.TrimSpace(string(value) + " " + reason)
		if got != want && !(strings.HasSuffix(want, " ") && strings.HasPrefix(got, want)) {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
	k := luaCheck(t, "")
	k.File += "x"
	if value, reason := New(Options{}).Check(t.Context(), k); value != core.ResUnknown || !strings.Contains(reason, "no such file") {
		t.Errorf("no file: %s %s", value, reason)
	}
}

// What a check may use is no mistake of its file; the rest still is.
func TestCheckSyntaxOfChecks(t *testing.T) {
	if p := CheckSyntax("bin/queue.lua", []byte("return function(check) return ctx.resource == check.resource and #ctx.args == 2 and ctx.vars.A end")); len(p) != 0 {
		t.Errorf("%v", p)
	}
	if p := CheckSyntax("bin/queue.lua", []byte("return function() return ctx.resuorce end")); len(p) != 1 || !strings.Contains(p[0].Hint+p[0].Message, "ctx.resource") {
		t.Errorf("%v", p)
	}
}

// A check that does not end is down when its time is over, also inside of what it runs.
func TestCheckTimeLimit(t *testing.T) {
	for _, text := range []string{
		`return function() while true do end end`,
		`return function() exec{ "sleep", "600" } return true end`,
		`return function() pcall(function() while true do end end) return true end`,
	} {
		k := luaCheck(t, text)
		k.Timeout = 50 * time.Millisecond
		value, reason := New(Options{}).Check(t.Context(), k)
		if value != core.ResDown || !strings.HasPrefix(reason, "bin/checks/queue.lua did not end within 50ms") {
			t.Errorf("%s: %s %s", text, value, reason)
		}
	}
	k := luaCheck(t, `return function() while true do end end`)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if value, reason := New(Options{}).Check(ctx, k); value != core.ResUnknown || reason != "the check was cancelled" {
		t.Errorf("cancelled: %s %s", value, reason)
	}
}
