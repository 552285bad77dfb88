package hook

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/orchestrator-ha/orchestrator/core"
)

// DefaultCheckTimeout is how long a check that names no time may take.
const DefaultCheckTimeout = 10 * time.Second

// Check is one run of a check in Lua: a file that returns a function. The function is
// called with a CheckContext and returns true or "up", false or "down", nil or
// "unknown", and why.
type Check struct {
	Module   string            // name of the module
	Resource string            // that the check publishes: custom.queue
	Dir      string            // the module's directory
	File     string            // path of the Lua file
	Args     []string          //
	Vars     map[string]string // the <var> elements of the module
	Program  string            // path of this program
	Env      []string          // environment of programs that it runs, KEY=VALUE
	Timeout  time.Duration     // 0 is DefaultCheckTimeout
}

// Check runs a check in a fresh Lua state, in the sandbox of hooks. An error raised in
// the function is down, as the end of a program with a code other than 0 would be; a
// file that cannot be loaded, or an answer that is none, is unknown.
func (h *Host) Check(ctx context.Context, k Check) (core.Value, string) {
	limit := k.Timeout
	if limit <= 0 {
		limit = DefaultCheckTimeout
	}
	name := filepath.Base(k.File)
	if inside, err := filepath.Rel(k.Dir, k.File); err == nil {
		name = filepath.ToSlash(inside)
	}
	c := h.newCall(ctx, Run{
		Module: k.Module, Dir: k.Dir, Vars: k.Vars, Program: k.Program, Env: k.Env, Args: core.HookCall{Name: k.Resource, Timeout: limit},
	}, k.File, name)
	c.check = &k
	v := verdict{value: core.ResUnknown}
	err := c.runLua(func(l *lua.LState) error { return c.judge(l, &v) })
	called := v.called
	res := c.finish(err)
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return core.ResUnknown, "the check was cancelled"
	case res.OK:
		return v.value, v.reason
	case called || res.TimedOut:
		return core.ResDown, res.Reason
	}
	return core.ResUnknown, res.Reason
}

// verdict is what a check answered.
type verdict struct {
	called bool // the function was reached
	value  core.Value
	reason string
}

// judge calls the function that the file has returned.
func (c *call) judge(l *lua.LState, v *verdict) error {
	f, ok := l.Get(-2).(*lua.LFunction)
	if !ok {
		return &luaError{text: fmt.Sprintf("%s returns no function but %s: it is to end with: return function(check) … end", c.name, l.Get(-2).Type())}
	}
	v.called = true
	l.Push(f)
	l.Push(l.G.Global.RawGetString("ctx"))
	if err := l.PCall(1, 2, nil); err != nil {
		return toLuaError(err)
	}
	v.value, ok = meaning(l.Get(-2))
	if !ok {
		v.called = false
		return &luaError{text: fmt.Sprintf("%s answers %q: a check answers true or \"up\", false or \"down\", nil or \"unknown\"", c.name, lua.LVAsString(l.ToStringMeta(l.Get(-2))))}
	}
	if why := l.Get(-1); why != lua.LNil {
		v.reason = lua.LVAsString(l.ToStringMeta(why))
	}
	if v.reason == "" && v.value != core.ResUp {
		v.reason = fmt.Sprintf("%s says %s and not why", c.name, v.value)
	}
	return nil
}

// meaning is the first value that a check returns.
func meaning(v lua.LValue) (core.Value, bool) {
	switch v {
	case lua.LTrue, lua.LString("up"):
		return core.ResUp, true
	case lua.LFalse, lua.LString("down"):
		return core.ResDown, true
	case lua.LNil, lua.LString("unknown"):
		return core.ResUnknown, true
	}
	return core.ResUnknown, false
}

// checkTable is ctx in a check, and what its function is called with.
func (c *call) checkTable(l *lua.LState) *lua.LTable {
	t, vars, args := l.NewTable(), l.NewTable(), l.NewTable()
	for k, v := range c.check.Vars {
		vars.RawSetString(k, lua.LString(v))
	}
	for _, a := range c.check.Args {
		args.Append(lua.LString(a))
	}
	for k, v := range map[string]string{"module": c.check.Module, "resource": c.check.Resource, "program": c.check.Program, "dir": c.check.Dir} {
		t.RawSetString(k, lua.LString(v))
	}
	t.RawSetString("vars", vars)
	t.RawSetString("args", args)
	return t
}
