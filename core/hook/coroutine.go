package hook

import (
	"context"

	lua "github.com/yuin/gopher-lua"
)

// maxNested is how many coroutines may wait for each other, each having resumed the next.
// They are nested calls of the Lua machine, and unwinding thousands of them, when
// the innermost is cut off, takes minutes. (C Lua allows about 200.)
const maxNested = 100

// boundCoroutines has coroutines watched as the state is, and bounds how deep they are
// nested.
func boundCoroutines(l *lua.LState, ctx context.Context) {
	lib := l.G.Global.RawGetString("coroutine").(*lua.LTable)
	create, resume, wrap := lib.RawGetString("create"), lib.RawGetString("resume"), lib.RawGetString("wrap")
	lib.RawSetString("create", l.NewFunction(func(l *lua.LState) int {
		n := forward(l, create)
		l.Get(-1).(*lua.LState).SetContext(ctx)
		return n
	}))
	lib.RawSetString("resume", l.NewFunction(func(l *lua.LState) int {
		boundNested(l)
		return forward(l, resume)
	}))
	lib.RawSetString("wrap", l.NewFunction(func(l *lua.LState) int {
		forward(l, wrap)
		inner := l.Get(-1).(*lua.LFunction)
		inner.Upvalues[0].Value().(*lua.LState).SetContext(ctx)
		l.Push(l.NewFunction(func(l *lua.LState) int {
			boundNested(l)
			return forward(l, inner)
		}))
		return 1
	}))
}

func boundNested(l *lua.LState) {
	depth := 0
	for thread := l.Parent; thread != nil; thread = thread.Parent {
		depth++
	}
	if depth >= maxNested {
		l.RaiseError("more than %d coroutines wait for each other", maxNested)
	}
}
