package hook

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// result makes the table that a function of the API answers. A field that its shape
// does not have raises an error: as a nil it would be noticed elsewhere, if at all.
func (c *call) result(l *lua.LState, shape string, values map[string]lua.LValue) *lua.LTable {
	t, meta := l.NewTable(), l.NewTable()
	for name, v := range values {
		t.RawSetString(name, v)
	}
	meta.RawSetString("__index", l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("%s", c.host.shapes[shape].lacks(l.Get(2).String()))
		return 0
	}))
	meta.RawSetString("__metatable", lua.LFalse)
	t.Metatable = meta
	return t
}

// lacks says that a table of this shape has no such field, and which it has.
func (t Table) lacks(field string) string {
	return t.Name + " has no field " + field + "; it has " + strings.Join(t.names(), ", ")
}

// resultOf is the shape of the table that a call answers first, if it is known.
func (w *walker) resultOf(call *ast.FuncCallExpr) (Table, bool) {
	name := ""
	switch {
	case call == nil:
	case call.Receiver == nil:
		name = globalPath(w, call.Func)
	case w.isApplication(call.Receiver):
		name = "Application:" + call.Method
	}
	shape, ok := w.known.results[name]
	return shape, ok
}

// checkResult looks at a field of what a function of the API answered.
func (w *walker) checkResult(e *ast.AttrGetExpr) {
	key, isConst := e.Key.(*ast.StringExpr)
	shape, ok := w.resultOf(w.callOf(e.Object))
	if isConst && ok && !shape.has(key.Value) {
		w.unknown(key.Value, lineOf(key.Line(), e.Line(), e.Object.Line()), shape.lacks(key.Value))
	}
}
