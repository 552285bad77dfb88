//go:build unix

package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrorsCarryPlaceAndTrace(t *testing.T) {
	b := luaBench(t, "local function inner()\n  error('no disk')\nend\nlocal function outer()\n  inner()\nend\nouter()\n")
	r := b.fails(t)
	if r.Reason != "bin/start_both.lua:2: no disk" {
		t.Errorf("reason %q", r.Reason)
	}
	contains(t, r.Trace, "bin/start_both.lua:2:", "bin/start_both.lua:5:", "bin/start_both.lua:7:")
	contains(t, b.out.text(), "ERROR bin/start_both.lua:2: no disk")
}

func TestErrorsOfTheAPICarryTheCallersLine(t *testing.T) {
	for src, want := range map[string]string{
		"\nsleep('soon')":                   `bin/start_both.lua:2: sleep: "soon" is no length of time`,
		"\n\nexec{ 'ls', timout = 3 }":      `bin/start_both.lua:3: exec has no option "timout"; did you mean timeout?`,
		"exec 'ls -l'":                      `bin/start_both.lua:1: exec takes a list: exec{ "ls", "-l" }`,
		"exec{}":                            "has no program to run",
		"exec{ 'ls', {} }":                  "argument 2 must be text",
		"exec{ 'ls', env = { 'A=1' } }":     "env: names and values must be text",
		"exec{ 'ls', timeout = -1 }":        "timeout: -1 is no length of time",
		"error({ message = 'in a table' })": "in a table",
		"log.inform('x')":                   "there is no log.inform",
		"slep(1)":                           "there is no slep; did you mean sleep?",
		"local x = ctx.forced":              "there is no ctx.forced; did you mean ctx.force?",
		"return false":                      "bin/start_both.lua: it returned false",
		"return false, 'not today'":         "bin/start_both.lua: not today",
		"application('process')":            "applications cannot be controlled here",
		"resource.get('tcp.web')":           "resources cannot be read here",
		"module.stop()":                     "the module cannot be controlled here",
		"retry{ times = 2 }":                "needs a function",
		"tcp.check('localhost')":            `"localhost" is no address`,
		"http{ url = 'localhost' }":         `"localhost" is no URL`,
		"http{ url = 'http://127.0.0.1:1', expect = 'all' }": "expect: expected a whole number",
		"file.read('no')": "file.read no: no such file",
	} {
		b := luaBench(t, src)
		t.Run(src, func(t *testing.T) { b.fails(t, want) })
	}
}

func TestFailCannotBeCaught(t *testing.T) {
	for _, src := range []string{
		"pcall(fail, 'disk is gone')\nprint('went on')",
		"return pcall(fail, 'disk is gone')",
		"pcall(function() fail('disk is gone') end)\nprint('went on')",
		"coroutine.wrap(function() fail('disk is gone') end)()",
		"retry{ times = 5, every = 0, function() fail('disk is gone') end }",
	} {
		b := luaBench(t, src)
		b.fails(t, "bin/start_both.lua:1: disk is gone")
		if strings.Contains(b.out.text(), "went on") {
			t.Errorf("%s went on", src)
		}
	}
}

func TestSandbox(t *testing.T) {
	for name := range closed {
		src := "local x = " + name
		if table, key, ok := strings.Cut(name, "."); ok && table == "os" {
			src = fmt.Sprintf("local t = os\nlocal x = t[%q]", key)
		}
		luaBench(t, src).fails(t, "is not available in hooks; use ")
	}
	for src, want := range map[string]string{
		"getmetatable(_G).__index = nil":        "attempt to index a non-table object(boolean)",
		"setmetatable(os, {})":                  "protected metatable",
		"string.rep('x', 1e9)":                  "more than 16 MiB",
		"string.rep(string.rep('x', 1e6), 1e6)": "more than 16 MiB",
		"local t = {} for i = 1, 99 do t[i] = ('x'):rep(1e6) end\ntable.concat(t)": "more than 16 MiB",
		"require('../secret')":          "is no name of a file",
		"require('/etc/passwd')":        "is no name of a file",
		"require('')":                   "is no name of a file",
		"require('link')":               "path escapes",
		"file.read('bin/link.lua')":     "path escapes",
		"file.read('../../etc/passwd')": "path escapes",
		"file.write('../x', '')":        "stays inside the module's directory",
		"file.read('/dev/zero')":        "is no ordinary file",
		"local t = {} for i = 1, 1e6 do t[i] = i end\nprint(unpack(t))":             "registry overflow",
		"local function f() coroutine.wrap(f)() end\nf()":                           "more than 100 coroutines wait for each other",
		"local function f() assert(coroutine.resume(coroutine.create(f))) end\nf()": "more than 100 coroutines wait for each other",
		"local function f() return 1 + f() end\nf()":                                "stack overflow",
	} {
		b := luaBench(t, src)
		t.Run(src, func(t *testing.T) { symlink(t, b.run.Dir); b.fails(t, want) })
	}
	luaBench(t, "assert(rawget(_G, 'io') == nil and rawget(os, 'execute') == nil)\nassert(os.time() > 0 and os.date('%Y'))").ok(t)
}

func TestEnvironmentOfTheDaemonIsNotChanged(t *testing.T) {
	b := luaBench(t, `assert(os.getenv("PORT") == "8080"); assert(os.getenv("SAFEMODULE") == "web"); assert(os.getenv("NO_SUCH") == nil)`)
	b.ok(t)
}

func TestRequire(t *testing.T) {
	b := newBench(t, Options{}, map[string]string{
		"bin/start_both.lua": `local a, b = require("helper"), require("helper")
			assert(a == b and a.n == 1)
			assert(require("deep.er") == "lua folder")
			assert(require("services").names("a, b  c")[3] == "c")`,
		"bin/helper.lua":  "count = (rawget(_G, 'count') or 0) + 1\nreturn { n = count }",
		"lua/deep/er.lua": "return 'lua folder'",
	})
	b.ok(t)
	b = newBench(t, Options{}, map[string]string{"bin/start_both.lua": "require('a')", "bin/a.lua": "require('b')", "bin/b.lua": "require('a')"})
	b.fails(t, "bin/b.lua:1: require: a.lua is needed by a file that it needs itself")
	b = newBench(t, Options{}, map[string]string{"bin/start_both.lua": "require('a')", "bin/a.lua": "\nx = = 1"})
	b.fails(t, "bin/start_both.lua:1: bin/a.lua:2:5:")
	b = newBench(t, Options{}, map[string]string{"bin/start_both.lua": "require('a')", "bin/a.lua": "\n\nerror('inside')"})
	b.fails(t, "bin/a.lua:3: inside")
	luaBench(t, "require('nothing')").fails(t, "there is no bin/nothing.lua or lua/nothing.lua")
}

func TestSyntaxErrorAtRun(t *testing.T) {
	luaBench(t, "local x = 1\nif x then\n  y = = 2\nend").fails(t, "bin/start_both.lua:3:7:", "syntax error")
}

func TestLog(t *testing.T) {
	var journal bytes.Buffer
	b := newBench(t, Options{Log: slog.New(slog.NewTextHandler(&journal, nil))}, map[string]string{
		"bin/start_both.lua": `log.info("100% ready"); log.warn("%s has %d of %s", "node", 3, nil); log.error(true)`,
	})
	contains(t, b.ok(t), "INFO  100% ready\n", "WARN  node has 3 of nil\n", "ERROR true\n")
	contains(t, journal.String(), "level=WARN", "module=web", "hook=start_both", "level=ERROR")
}

func TestDeadline(t *testing.T) {
	for _, src := range []string{
		"while true do end",
		"while true do pcall(function() while true do end end) end",
		"coroutine.wrap(function() while true do end end)()",
		"sleep('1h')",
		"retry{ times = 1000000000, every = 0, function() return false end }",
		"retry{ times = 10, every = '1h', function() return false end }",
		"\nexec{ 'sleep', '1000' }",
		"\nexec{ 'sleep', '1000', timeout = '1h' }",
		"pcall(sleep, 100) pcall(sleep, 100) pcall(sleep, 100)",
		"setmetatable({}, { __index = function(t, k) return t[k + 1] end })[1]() while true do end",
		"tcp.wait('127.0.0.1:1')",
	} {
		b := luaBench(t, src)
		b.run.Args.Timeout = 100 * time.Millisecond
		t.Run(src, func(t *testing.T) {
			if strings.HasPrefix(src, "setmetatable") {
				b.fails(t) // a stack overflow; what matters is that it ends
				return
			}
			r := b.fails(t, "bin/start_both.lua did not end within 100ms")
			if !r.TimedOut || r.Took > 20*time.Second {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestDeadlineNamesThePlace(t *testing.T) {
	for limit := 50 * time.Millisecond; ; limit *= 4 { // a busy machine may need more to come so far
		b := luaBench(t, "\n\nsleep(1000)")
		b.run.Args.Timeout = limit
		r := b.fails(t, "did not end within "+limit.String())
		if strings.Contains(r.Reason, "(it was at bin/start_both.lua:3)") {
			return
		}
		if limit > time.Minute {
			t.Fatal(r.Reason)
		}
	}
}

// One long operation inside the Lua machine does not look at the deadline:
// the run comes back all the same.
func TestHangInsideTheMachine(t *testing.T) {
	b := luaBench(t, `string.find(("a"):rep(25), ("a?"):rep(25) .. ("a"):rep(25))`)
	b.run.Args.Timeout = 50 * time.Millisecond
	r := b.fails(t, "did not end within 50ms")
	if !r.TimedOut || r.Took > 20*time.Second {
		t.Errorf("%+v", r)
	}
	b.host.abandoned.Wait() // it does end, some seconds later
}

func TestCancel(t *testing.T) {
	b := luaBench(t, "sleep(1000)")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the daemon stops"))
	r := b.host.Run(ctx, b.run)
	if r.OK || r.TimedOut || !strings.Contains(r.Reason, "the daemon stops") {
		t.Errorf("%+v", r)
	}
}

func TestSleepAndRetry(t *testing.T) {
	b := luaBench(t, `
		sleep("10s") sleep(1.5)
		local n = 0
		local a, b = retry{ times = 5, every = "2s", function() n = n + 1; if n < 3 then error("not yet") end; return n, "x" end }
		assert(a == 3 and b == "x")
		local ok, err = pcall(retry, { times = 2, every = 1, function() return false, "closed" end })
		assert(not ok)
		print(err)`)
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		out := b.ok(t)
		if got := time.Since(begun).Round(time.Millisecond); got != 16500*time.Millisecond {
			t.Errorf("took %s", got)
		}
		contains(t, out, "retry: attempt 2 failed: bin/start_both.lua:4: not yet", "retry gave up after 2 attempts: the function returned false: closed")
	})
}

func TestDefaultTimeout(t *testing.T) {
	b := luaBench(t, "sleep('10h')")
	b.run.Args.Timeout = 0
	synctest.Test(t, func(t *testing.T) { b.fails(t, "within 5m0s") })
}

// BenchmarkRun is what a hook costs besides its own work.
func BenchmarkRun(b *testing.B) {
	bb := luaBench(b, "log.info('started %s', ctx.module)\nif ctx.force then return end\n")
	for b.Loop() {
		bb.out.buf.Reset()
		bb.ok(b)
	}
}
