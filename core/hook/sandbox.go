package hook

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxText is the largest text that one call of the string or table library
// may make.
const maxText = 16 << 20

// closed are the names of standard Lua that hooks do not have, and what to
// use instead.
var closed = map[string]string{
	"os.execute":   `exec{ "program", "argument" }`,
	"os.exit":      "return, or fail(\"why\")",
	"os.remove":    "file.remove(path)",
	"os.rename":    "file.read and file.write",
	"os.tmpname":   "a path of your own with file.write",
	"os.setenv":    "exec{ …, env = { NAME = \"value\" } }",
	"os.setlocale": "nothing: the locale is always C",
	"io":           "file.read, file.write and print",
	"io.popen":     `exec{ "program", "argument" }.stdout`,
	"io.open":      "file.read and file.write",
	"io.lines":     "file.read(path):gmatch(\"[^\\n]+\")",
	"io.read":      "file.read(path)",
	"io.write":     "print or log.info",
	"io.stderr":    "log.error",
	"dofile":       "require(\"name\"), which loads bin/name.lua or lua/name.lua of the module",
	"loadfile":     "require(\"name\"), which loads bin/name.lua or lua/name.lua of the module",
	"load":         "a function",
	"loadstring":   "a function",
	"package":      "require(\"name\"), which loads bin/name.lua or lua/name.lua of the module",
	"debug":        "log.info; errors carry file and line",
	"newproxy":     "a table",
	"_printregs":   "print",
	"channel":      "nothing: hooks run alone",
}

// libraries are the parts of standard Lua that hooks have.
var libraries = []struct {
	name string
	open lua.LGFunction
}{
	{lua.BaseLibName, lua.OpenBase},
	{lua.TabLibName, lua.OpenTable},
	{lua.StringLibName, lua.OpenString},
	{lua.MathLibName, lua.OpenMath},
	{lua.OsLibName, lua.OpenOs},
	{lua.CoroutineLibName, lua.OpenCoroutine},
}

// openLibraries opens standard Lua and takes the doors to the system out.
func openLibraries(l *lua.LState) {
	for _, lib := range libraries {
		l.Push(l.NewFunction(lib.open))
		l.Push(lua.LString(lib.name))
		l.Call(1, 0)
	}
	for name := range closed {
		table, key, inTable := strings.Cut(name, ".")
		if !inTable {
			l.G.Global.RawSetString(name, lua.LNil)
		} else if t, ok := l.G.Global.RawGetString(table).(*lua.LTable); ok {
			t.RawSetString(key, lua.LNil)
		}
	}
	l.G.Global.RawSetString("_GOPHER_LUA_VERSION", lua.LNil)
	l.G.Global.RawSetString("require", lua.LNil)
	l.G.Global.RawSetString("module", lua.LNil)
	// A collection of the whole daemon's memory is not a hook's to ask for.
	l.SetGlobal("collectgarbage", l.NewFunction(func(l *lua.LState) int {
		l.Push(lua.LNumber(0))
		return 1
	}))
	boundText(l)
}

// boundText bounds the library functions that can make a huge text of small
// ones at one stroke.
func boundText(l *lua.LState) {
	str := l.G.Global.RawGetString("string").(*lua.LTable)
	rep := str.RawGetString("rep")
	str.RawSetString("rep", l.NewFunction(func(l *lua.LState) int {
		s, n := l.CheckString(1), l.CheckNumber(2)
		if float64(n)*float64(len(s)) > maxText {
			l.RaiseError("string.rep: the result would have more than %d MiB", maxText>>20)
		}
		return forward(l, rep)
	}))
	tab := l.G.Global.RawGetString("table").(*lua.LTable)
	concat := tab.RawGetString("concat")
	tab.RawSetString("concat", l.NewFunction(func(l *lua.LState) int {
		t, sep := l.CheckTable(1), l.OptString(2, "")
		size := len(sep) * t.Len()
		for i := 1; i <= t.Len() && size <= maxText; i++ {
			if s, ok := t.RawGetInt(i).(lua.LString); ok {
				size += len(s)
			}
		}
		if size > maxText {
			l.RaiseError("table.concat: the result would have more than %d MiB", maxText>>20)
		}
		return forward(l, concat)
	}))
}

// forward calls fn with the arguments that the running function got.
func forward(l *lua.LState, fn lua.LValue) int {
	n := l.GetTop()
	l.Insert(fn, 1)
	l.Call(n, lua.MultRet)
	return l.GetTop()
}

// install gives a state everything that a hook has.
func (c *call) install(l *lua.LState) {
	openLibraries(l)
	for _, f := range c.host.functions {
		if strings.Contains(f.Name, ":") {
			continue // methods come with their object
		}
		fn := l.NewFunction(func(l *lua.LState) int { return f.call(c, l) })
		table, key, inTable := strings.Cut(f.Name, ".")
		if !inTable {
			l.SetGlobal(f.Name, fn)
			continue
		}
		t, ok := l.G.Global.RawGetString(table).(*lua.LTable)
		if !ok {
			t = l.NewTable()
			l.SetGlobal(table, t)
		}
		t.RawSetString(key, fn)
	}
	if c.check != nil {
		l.SetGlobal("ctx", c.checkTable(l))
	} else {
		l.SetGlobal("ctx", c.contextTable(l))
	}
	for _, name := range []string{"ctx", "log", "tcp", "file", "resource", "module", "os", "string", "table", "math", "coroutine"} {
		strict(l, l.G.Global.RawGetString(name).(*lua.LTable), name+".")
	}
	strict(l, l.G.Global, "")
}

// strict makes reading an unknown name of a table an error that helps,
// instead of a nil that is noticed elsewhere.
func strict(l *lua.LState, t *lua.LTable, prefix string) {
	meta := l.NewTable()
	meta.RawSetString("__index", l.NewFunction(func(l *lua.LState) int {
		key := lua.LVAsString(l.Get(2))
		l.RaiseError("%s", unknownName(prefix+key, tableNames(t, prefix)))
		return 0
	}))
	meta.RawSetString("__metatable", lua.LFalse)
	t.Metatable = meta
}

// unknownName says that hooks have no such name, and what was perhaps meant.
func unknownName(name string, known []string) string {
	if instead, ok := closed[name]; ok {
		return name + " is not available in hooks; use " + instead
	}
	return "there is no " + name + didYouMean(name, known)
}

func tableNames(t *lua.LTable, prefix string) []string {
	var names []string
	t.ForEach(func(k, _ lua.LValue) { names = append(names, prefix+k.String()) })
	return names
}

func (c *call) contextTable(l *lua.LState) *lua.LTable {
	a := c.run.Args
	t, vars := l.NewTable(), l.NewTable()
	for k, v := range c.run.Vars {
		vars.RawSetString(k, lua.LString(v))
	}
	for k, v := range map[string]string{
		"hook": a.Name, "from": a.From.String(), "to": a.To.String(), "action": actionName(a.Verb),
		"node": c.run.Node, "module": c.run.Module, "program": c.run.Program, "dir": c.run.Dir,
	} {
		t.RawSetString(k, lua.LString(v))
	}
	t.RawSetString("force", lua.LBool(a.Force))
	t.RawSetString("services", services(l, a.Services))
	t.RawSetString("vars", vars)
	return t
}

// services is the list of services that a restart is about.
func services(l *lua.LState, names string) *lua.LTable {
	t := l.NewTable()
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			t.Append(lua.LString(name))
		}
	}
	return t
}
