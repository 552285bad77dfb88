//go:build unix

package hook

import (
	"runtime"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/orchestrator-ha/orchestrator/core"
)

// What a hook holds is bounded, wherever it holds it.
func TestMemoryIsBounded(t *testing.T) {
	for _, src := range []string{
		"local t = {} while true do t[#t + 1] = ('x'):rep(1e6) end",
		"local t = {} for i = 1, 1e12 do t[i] = {} end",
		"local t = {} for i = 1, 1e12 do t['name' .. i] = i; t['name' .. i] = nil end",
		"local s = 'x' while true do s = s .. s end",
		"local list = {} while true do list = { next = list } end",
		"coroutine.wrap(function() local t = {} while true do t[#t + 1] = ('x'):rep(1e6) end end)()",
		"local t = {} while true do t[#t + 1] = coroutine.create(print) end",
		"local t = {} while true do local s = #t .. ('x'):rep(1e6); t[#t + 1] = function() return s end end",
		"local t = {} while true do t[#t + 1] = setmetatable({}, { __index = { text = #t .. ('x'):rep(1e5) } }) end",
	} {
		b := luaBench(t, src)
		b.host.maxMemory = 32 << 20
		t.Run(src, func(t *testing.T) { b.fails(t, "it used more than 32 MiB of memory") })
	}
}

// What is not its own is not held against a hook: the heap of this program grows by
// several times as much as a hook may hold, of which most is garbage.
func TestMemoryOfOthers(t *testing.T) {
	b := luaBench(t, "local mine = ('x'):rep(1e6)\nwhile resource.get('ready') ~= 'up' do mine = mine:upper() end")
	b.host.maxMemory = 16 << 20
	begun := time.Now()
	var ballast [][]byte
	b.host.opts.Resources = resourcesFunc(func() string {
		if len(ballast) < 48 {
			ballast = append(ballast, make([]byte, 1<<20))
		}
		garbage := make([]byte, 4<<20)
		garbage[len(garbage)-1] = 1
		if time.Since(begun) < 10*memoryTick {
			return "wait"
		}
		return "up"
	})
	b.ok(t)
	runtime.KeepAlive(ballast)
}

// Where what a hook holds cannot be seen, it is stopped when the whole program holds much
// more than before.
func TestMemoryThatCannotBeSeen(t *testing.T) {
	b := luaBench(t, "local t = {} while true do t[#t + 1] = (#t .. ('x'):rep(1e6)):sub(1, 1) end")
	b.host.maxMemory = 16 << 20
	b.fails(t, "while it ran, this program came to use", "MiB of memory more")
}

// What a state holds is found wherever it is, and counted once.
func TestHeldBy(t *testing.T) {
	for src, want := range map[string]int64{
		"text = mib(1) all = {} for i = 1, 100 do all[i] = text end count()":                                       1,
		"a = { mib(1) } b = { a = a, mib(2) } a.b = b a.a = a count()":                                             2,
		"local function f(n, text) if n == 0 then count() else f(n - 1, mib(n)) end end f(9)":                      9,
		"coroutine.wrap(function() local text = mib(1) count() end)()":                                             1,
		"local text = mib(1) coroutine.wrap(function() local more = mib(2) count() end)()":                         2,
		"co = coroutine.create(function() local text = mib(1) coroutine.yield() end) coroutine.resume(co) count()": 1,
		"local text = mib(1) function read() return text end text = nil count()":                                   0,
		"do local text = mib(1) function read() return text end end count()":                                       1,
		"setmetatable(_G, { __index = { mib(1) } }) count()":                                                       1,
	} {
		l := newState()
		openLibraries(l)
		held := int64(-1)
		l.SetGlobal("count", l.NewFunction(func(l *lua.LState) int { held = heldBy(l, 1<<40); return 0 }))
		l.SetGlobal("mib", l.NewFunction(func(l *lua.LState) int {
			l.Push(lua.LString(strings.Repeat(string(rune('a'+l.CheckInt(1))), 1<<20)))
			return 1
		}))
		if err := l.DoString(src); err != nil {
			t.Fatal(err)
		}
		if got := held >> 20; held < 0 || got != want {
			t.Errorf("%s: %d bytes", src, held)
		}
		l.Close()
	}
}

type resourcesFunc func() string

func (f resourcesFunc) Get(string, string) (core.Resource, bool) {
	return core.Resource{Value: core.Value(f())}, true
}

func (f resourcesFunc) Set(string, string, core.Value, string) error { return nil }
