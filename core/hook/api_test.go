//go:build unix

package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// fake satisfies all that a Host works with and notes what is asked of it.
type fake struct {
	calls []string
	err   error
	block bool // start does not return, and ignores its context
	down  bool // nothing runs
	none  bool // there is no systemd
	stale int  // so many starts fail
}

func (f *fake) note(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Start(_ context.Context, plugin, instance string, settings json.RawMessage) error {
	if f.block {
		select {}
	}
	err := f.note("start %s %s %s", plugin, instance, settings)
	if f.stale--; f.stale >= 0 {
		return errors.New("it runs with other settings")
	}
	return err
}

func (f *fake) Stop(_ context.Context, plugin, instance string, settings json.RawMessage, force bool) error {
	return f.note("stop %s %s %s %v", plugin, instance, settings, force)
}

func (f *fake) Status(_ context.Context, plugin, instance string, settings json.RawMessage) (bool, string, error) {
	return !f.down, "pid 7", f.note("status %s %s %s", plugin, instance, settings)
}

func (f *fake) Available(plugin string) (bool, string) {
	return plugin != "w3svc" && !(f.none && plugin == "systemd"), "only on Windows"
}

func (f *fake) Get(module, name string) (core.Resource, bool) {
	return core.Resource{Value: core.ResDown, Reason: module + " refused"}, name == "tcp.web"
}

func (f *fake) Set(module, name string, value core.Value, reason string) error {
	return f.note("set %s %s %s %q", module, name, value, reason)
}

func (f *fake) Command(module string, verb core.Verb, reason string) error {
	return f.note("command %s %s %q", module, verb, reason)
}

func fakeBench(t *testing.T, f *fake, home, src string) *bench {
	return newBench(t, Options{Applications: f, Resources: f, Modules: f, Home: home}, map[string]string{"bin/start_both.lua": src})
}

func (f *fake) want(t *testing.T, calls ...string) {
	t.Helper()
	if !slices.Equal(f.calls, calls) {
		t.Errorf("asked for\n%s\nwant\n%s", strings.Join(f.calls, "\n"), strings.Join(calls, "\n"))
	}
}

func TestApplication(t *testing.T) {
	f, home := &fake{}, t.TempDir()
	b := fakeBench(t, f, home, `
		local web = application("process", "web")
		web:start { command = { "httpd", "-p", 80 }, env = { A = "1" }, groups = list {}, extra = {}, ratio = 0.5, timeout = "9s" }
		local s = web:status()
		assert(s.up and s.reason == "pid 7")
		local ok, err = pcall(function() local name = "running" return s[name] end)
		assert(not ok and err:find("bin/start_both.lua:.*ApplicationStatus has no field running; it has up, reason"), err)
		for name in pairs(s) do assert(name == "up" or name == "reason") end
		web:stop { timeout = 5 }
		application("process", "web"):stop { force = true, command = { "x" } }
		application("systemd"):stop()
		local ok, why = application("w3svc"):available()
		assert(ok == false and why == "only on Windows")
		assert(web:available() == true)
		print(tostring(web))
		service("nginx"):start()
		service("nginx"):stop()
		service("nginx"):stop { user = true }`)
	contains(t, b.ok(t), "application web/web\n")
	set := `{"command":["httpd","-p",80],"env":{"A":"1"},"extra":{},"groups":[],"ratio":0.5}`
	f.want(t, "start process web/web "+set, "status process web/web "+set, "stop process web/web "+set+" false",
		`stop process web/web {"command":["x"]} true`, "stop systemd web/systemd  false",
		`start systemd web/nginx {"unit":"nginx"}`, `stop systemd web/nginx {"unit":"nginx"} false`,
		`stop systemd web/nginx {"unit":"nginx","user":true} false`)

	// A new host on the same directory is a daemon started again.
	again := &fake{}
	fakeBench(t, again, home, `application("process", "web"):stop()`).ok(t)
	again.want(t, "stop process web/web "+set+" false")
	info, err := os.Stat(filepath.Join(home, "run", "applications", "web%2Fweb.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("settings: %v %v", info, err)
	}
}

func TestApplicationErrors(t *testing.T) {
	for src, want := range map[string]string{
		"application('process'):strat()":                          "there is no Application:strat",
		"application('process').start()":                          "start is a method: write app:start(), with a colon",
		"\napplication('process'):start()":                        "bin/start_both.lua:2: start web/process: broken",
		"application('process'):stop()":                           "stop web/process: broken",
		"application('process'):status()":                         "status web/process: broken",
		"application('process'):start{ command = print }":         "command: a function cannot be a setting",
		"application('process'):start{ a = { b = { 1, x = 2 } }}": "a.b: a table with both a list and the field x",
		"application('process'):start{ a = 0/0 }":                 "is no number that can be a setting",
		"local t = {} t.t = t application('x'):start(t)":          "or one contains itself",
		"application('process'):start{ 'httpd' }":                 "takes named settings only",
		"application('process'):stop{ force = 1 }":                "force: expected true or false",
		"application()": "bad argument #1",
	} {
		b := fakeBench(t, &fake{err: errors.New("broken")}, "", src)
		t.Run(src, func(t *testing.T) { b.fails(t, want) })
	}
}

func TestApplicationThatHangs(t *testing.T) {
	b := fakeBench(t, &fake{block: true}, "", `local ok, err = pcall(function() application("process"):start{ timeout = 0.05 } end)
		assert(not ok) print(err)`)
	contains(t, b.ok(t), "start of web/process did not end within 50ms")
	b = fakeBench(t, &fake{block: true}, "", `application("process"):start()`)
	b.run.Args.Timeout = 50e6
	b.fails(t, "bin/start_both.lua did not end within 50ms")
}

func TestResourceAndModule(t *testing.T) {
	f := &fake{}
	fakeBench(t, f, "", `
		local v, why = resource.get("tcp.web")
		assert(v == "down" and why == "web refused")
		assert(resource.get("tcp.no") == nil)
		resource.set("custom.x", "up", "seen")
		module.stop("no licence") module.restart() module.stopstart("x")`).ok(t)
	f.want(t, `set web custom.x up "seen"`, `command web stop "hook start_both: no licence"`,
		`command web restart "hook start_both"`, `command web stopstart "hook start_both: x"`)
	fakeBench(t, f, "", `resource.set("custom.x", "maybe")`).fails(t, `"maybe" is no value`)
	fakeBench(t, &fake{err: errors.New("not allowed")}, "", `resource.set("tcp.x", "up")`).fails(t, "resource.set tcp.x: not allowed")
	fakeBench(t, &fake{err: errors.New("not allowed")}, "", `module.stop()`).fails(t, "module.stop: not allowed")
}

func TestServicesPrelude(t *testing.T) {
	f := &fake{}
	b := fakeBench(t, f, "", `local s = require("services") s.start() s.stop { force = true }`)
	b.run.Vars = map[string]string{"SERVICES": "db, web"}
	b.ok(t)
	f.want(t, `start systemd web/db {"unit":"db"}`, `start systemd web/web {"unit":"web"}`,
		`stop systemd web/web {"unit":"web"} true`, `stop systemd web/db {"unit":"db"} true`)
	b = fakeBench(t, &fake{err: errors.New("busy")}, "", `require("services").stop { names = "a b" }`)
	b.fails(t, "stop web/b: busy; ", "stop web/a: busy")
}

// What a daemon that was killed has left goes on; what cannot be used is stopped first.
func TestLeftPrelude(t *testing.T) {
	const src = `local app = application("process", "app")
		require("left").start(app, function() app:start { port = 80 } end)`
	start, stop, status := `start process web/app {"port":80}`, `stop process web/app {"port":80} true`, `status process web/app `
	f := &fake{}
	contains(t, fakeBench(t, f, "", src).ok(t), "application web/app was left running and goes on")
	f.want(t, status, start)
	f = &fake{stale: 1}
	contains(t, fakeBench(t, f, "", src).ok(t), "cannot be used: ", "it runs with other settings")
	f.want(t, status, start, stop, start)
	f = &fake{down: true}
	fakeBench(t, f, "", src).ok(t)
	f.want(t, status, `stop process web/app  true`, start)
	f = &fake{down: true, stale: 2}
	fakeBench(t, f, "", src).fails(t, "it runs with other settings")
	f = &fake{}
	fakeBench(t, f, "", strings.Replace(src, "end)", `end, function() print("mine") end)`, 1)).ok(t)
	f.want(t, status, start)
}

// A server program is a unit of systemd where there is one, else a plain program; either goes on
// if a daemon that was killed has left it running.
func TestServerPrelude(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	src := `local app = require("server").of { name = "app", unit = "app.service", port = ` + port + `,
		settings = function() return { command = { "app" } } end }
		if ctx.vars.STOP then app.stop(ctx.vars.STOP == "force") else app.start() end`
	unit := `{"unit":"app.service"}`
	plain := `{"command":["app"],"ready_tcp":"127.0.0.1:` + port + `"}`
	for name, c := range map[string]struct {
		f    fake
		stop string
		want []string
	}{
		"unit":             {fake{down: true}, "", []string{"status systemd web/app ", "stop systemd web/app " + unit + " true", "start systemd web/app " + unit}},
		"unit, left":       {fake{}, "", []string{"status systemd web/app ", "start systemd web/app " + unit}},
		"unit, stopped":    {fake{}, "yes", []string{"stop systemd web/app " + unit + " false"}},
		"program":          {fake{down: true, none: true}, "", []string{"status process web/app ", "stop process web/app  true", "start process web/app " + plain}},
		"program, left":    {fake{none: true}, "", []string{"status process web/app ", "start process web/app " + plain}},
		"program, stopped": {fake{none: true}, "force", []string{"stop process web/app  true"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakeBench(t, &c.f, "", src)
			if c.stop != "" {
				b.run.Vars = map[string]string{"STOP": c.stop}
			}
			b.ok(t)
			c.f.want(t, c.want...)
		})
	}
}

// Data that belong to somebody else here, since the numbers of users differ, are not touched.
func TestOwnerPrelude(t *testing.T) {
	luaBench(t, `require("owner").check(ctx.dir, "root")`).ok(t)
	luaBench(t, `require("owner").check(ctx.dir, "nobody")`).fails(t, "belongs to user 0, but nobody is user ", " here: give nobody the same number on both servers")
	luaBench(t, `require("owner").check(ctx.dir .. "/none", "root")`).fails(t, "stat")
}

func TestFile(t *testing.T) {
	abs := filepath.Join(t.TempDir(), "abs.txt")
	b := luaBench(t, fmt.Sprintf(`
		assert(not file.exists("conf.txt") and file.exists("bin") and not file.exists("no/dir"))
		file.write("conf.txt", "one") file.write("conf.txt", "two\0three")
		assert(file.read("conf.txt") == "two\0three")
		file.remove("conf.txt") file.remove("conf.txt")
		assert(not file.exists("conf.txt"))
		file.write(%q, "x")
		local ok, err = pcall(file.write, "bin", "x")
		assert(not ok and err:find("is no ordinary file"), err)
		local ok, err = pcall(file.write, "no/dir", "x")
		assert(not ok and err:find("no such file"), err)`, abs))
	if err := os.WriteFile(abs, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	b.ok(t)
	text, err := os.ReadFile(abs)
	info, _ := os.Stat(abs)
	if err != nil || string(text) != "x" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q %v %v", text, info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.run.Dir, "*.new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHTTP(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-hang
		}
		w.Header().Set("X-Seen", r.Method+" "+r.Host+" "+r.Header.Get("X-Mark"))
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
		}
		fmt.Fprint(w, "hello")
	}))
	defer s.Close()
	defer close(hang)
	b := luaBench(t, `local url = ctx.vars.URL
		local r = http { url = url .. "/", expect = { 200, 204 }, headers = { ["X-Mark"] = "m", Host = "example.test" } }
		assert(r.status == 200 and r.body == "hello")
		assert(r.headers["x-seen"] == "GET example.test m", r.headers["x-seen"])
		assert(http { url = url .. "/", body = "data" }.headers["x-seen"]:find("POST"))
		assert(http { url = url .. "/gone" }.status == 410)
		local ok, err = pcall(http, { url = url .. "/gone", expect = 200 })
		assert(not ok and err:find("status 410, expected 200"), err)
		local ok, err = pcall(http, { url = url .. "/hang", timeout = 0.05 })
		assert(not ok and err:find("did not end within 50ms"), err)`)
	b.run.Vars = map[string]string{"URL": s.URL}
	b.ok(t)
}

func TestTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	b := luaBench(t, `assert(tcp.check(ctx.vars.OPEN) == true)
		local ok, why = tcp.check(ctx.vars.CLOSED, { timeout = "60s" })
		assert(ok == false and why:find("refused"), why)
		tcp.wait(ctx.vars.OPEN, { timeout = "60s" })
		for _, limit in ipairs{ 0.1, 1, 10 } do -- on a busy machine the last attempt may find no time
			local ok, err = pcall(tcp.wait, ctx.vars.CLOSED, { timeout = limit, every = 0.01 })
			assert(not ok and err:find("did not end within " .. (limit < 1 and "100ms" or limit .. "s"), 1, true), err)
			if err:find("last attempt: .*refused") then return end
		end
		fail("it is never refused")`)
	b.run.Vars = map[string]string{"OPEN": ln.Addr().String(), "CLOSED": closed.Addr().String()}
	b.ok(t)
}
