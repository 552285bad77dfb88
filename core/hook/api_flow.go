package hook

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func flowFunctions() []Function {
	return []Function{
		{
			Name: "retry", Since: "0.1", call: (*call).retry,
			Doc:     "Calls a function again until it neither raises an error nor returns false, and returns what it returned. Raises the last error when all attempts have failed.",
			Params:  []Param{{"attempts", "Retry", "", false}},
			Returns: []Param{{"...", "any", "what the function returned", false}},
			Example: "retry { times = 5, every = \"2s\", function()\n  http { url = \"http://127.0.0.1/\", expect = 200 }\nend }",
		},
		{
			Name: "sleep", Since: "0.1", call: (*call).sleep,
			Doc:    "Waits. To wait for something, tcp.wait and retry are better.",
			Params: []Param{{"time", typeDuration, "", false}},
		},
		{
			Name: "fail", Since: "0.1", call: (*call).fail,
			Doc:     "Ends the hook as failed, at once and for good: pcall does not catch it.",
			Params:  []Param{{"message", "string", "why, for the log and for `orchestrator why`", false}},
			Example: "if not file.exists(\"/srv/data\") then fail(\"/srv/data is not mounted\") end",
		},
		{
			Name: "require", Since: "0.1", call: (*call).require,
			Doc:     "Loads a Lua file once and returns what it returned: bin/NAME.lua or lua/NAME.lua of the module, else one that comes with the product (see below). Files outside the module cannot be loaded.",
			Params:  []Param{{"name", "string", "without .lua", false}},
			Returns: []Param{{"value", "any", "", false}},
		},
		{
			Name: "list", Since: "0.1", call: (*call).list,
			Doc:     "Marks a table as a list. Needed for an empty list in settings only: an empty table is taken for one with names.",
			Params:  []Param{{"values", "table", "", true}},
			Returns: []Param{{"values", "table", "the same table", false}},
			Example: "application(\"process\"):start { command = { \"mywebd\" }, groups = list {} }",
		},
		{
			Name: "print", Since: "0.1", call: (*call).print,
			Doc:    "Writes its arguments to the hook's output, as in standard Lua.",
			Params: []Param{{"...", "any", "", true}},
		},
		{
			Name: "os.getenv", Since: "0.1", call: (*call).getenv,
			Doc:     "Returns a variable of the environment that programs of this hook get; nil if it is not set.",
			Params:  []Param{{"name", "string", "", false}},
			Returns: []Param{{"value", "string|nil", "", false}},
		},
	}
}

func (c *call) retry(l *lua.LState) int {
	o := c.options(l, 1, "retry", "Retry")
	times, every := o.integer("times", 3), o.duration("every", time.Second)
	fn, ok := o.table.RawGetInt(1).(*lua.LFunction)
	if !ok || times < 1 {
		o.raise("needs a function and at least one attempt: retry{ times = 3, every = \"1s\", function() … end }")
	}
	top := l.GetTop()
	for attempt := 1; ; attempt++ {
		l.Push(fn)
		err := l.PCall(0, lua.MultRet, nil)
		returned := l.GetTop() - top
		if err == nil && (returned == 0 || l.Get(top+1) != lua.LFalse) {
			return returned
		}
		why := "the function returned false"
		if err != nil {
			why = toLuaError(err).text
		} else if returned > 1 {
			why += ": " + l.Get(top+2).String()
		}
		l.SetTop(top)
		if c.ctx.Err() != nil {
			l.RaiseError("%s", why)
		}
		if attempt == times {
			o.raise("gave up after %d attempts: %s", times, why)
		}
		c.out.line("INFO  retry: attempt " + lua.LNumber(attempt).String() + " failed: " + why)
		if err := pause(c.ctx, every); err != nil {
			o.raise("was cut off: %s", err)
		}
	}
}

func (c *call) sleep(l *lua.LState) int {
	d, err := duration(l.Get(1))
	if err != nil {
		l.RaiseError("sleep: %s", err.Error())
	}
	if err := pause(c.ctx, d); err != nil {
		l.RaiseError("sleep: %s", err.Error())
	}
	return 0
}

func (c *call) fail(l *lua.LState) int {
	c.cancel(&failed{callerPlace(l) + l.CheckString(1)})
	l.RaiseError("%s", l.CheckString(1))
	return 0
}

// callerPlace is "FILE:LINE: " of the nearest Lua function on the stack.
func callerPlace(l *lua.LState) string {
	for level := 1; ; level++ {
		if _, ok := l.GetStack(level); !ok {
			return ""
		}
		if place := placePattern.FindString(l.Where(level)); place != "" {
			return place + ": "
		}
	}
}

func (c *call) list(l *lua.LState) int {
	t := l.OptTable(1, nil)
	if t == nil {
		t = l.NewTable()
	}
	meta := l.NewTable()
	meta.RawSetString(listMark, lua.LTrue)
	t.Metatable = meta
	l.Push(t)
	return 1
}

func (c *call) print(l *lua.LState) int {
	var words []string
	for i := 1; i <= l.GetTop(); i++ {
		words = append(words, lua.LVAsString(l.ToStringMeta(l.Get(i))))
	}
	for row := range strings.SplitSeq(strings.Join(words, "\t"), "\n") {
		c.out.line(row)
	}
	return 0
}

func (c *call) getenv(l *lua.LState) int {
	name := l.CheckString(1)
	for _, kv := range c.environ() {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			l.Push(lua.LString(v))
			return 1
		}
	}
	l.Push(lua.LNil)
	return 1
}

func logFunctions() []Function {
	level := func(name, mark string, level slog.Level) Function {
		return Function{
			Name: "log." + name, Since: "0.1",
			Doc:    "Writes a line to the hook's output and, at level " + name + ", to the module's log. With more than one argument, the first is a pattern as for string.format.",
			Params: []Param{{"message", "any", "", false}, {"...", "any", "values for the pattern", true}},
			call:   func(c *call, l *lua.LState) int { return c.logLine(l, mark, level) },
		}
	}
	return []Function{
		level("info", "INFO ", slog.LevelInfo),
		level("warn", "WARN ", slog.LevelWarn),
		level("error", "ERROR", slog.LevelError),
	}
}

func (c *call) logLine(l *lua.LState, mark string, level slog.Level) int {
	text := lua.LVAsString(l.ToStringMeta(l.CheckAny(1)))
	if n := l.GetTop(); n > 1 {
		str := l.G.Global.RawGetString("string").(*lua.LTable)
		l.Push(str.RawGetString("format"))
		l.Push(lua.LString(text))
		for i := 2; i <= n; i++ {
			v := l.Get(i)
			if _, isNumber := v.(lua.LNumber); !isNumber {
				v = l.ToStringMeta(v)
			}
			l.Push(v)
		}
		l.Call(n, 1)
		text = lua.LVAsString(l.Get(-1))
	}
	if errors.Is(context.Cause(c.ctx), errRunOver) {
		return 0
	}
	c.log.Log(context.WithoutCancel(c.ctx), level, text)
	for row := range strings.SplitSeq(text, "\n") {
		c.out.line(mark + " " + row)
	}
	return 0
}
