package hook

import (
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// What the Lua machine takes for its values besides what they hold, in bytes and about.
const (
	threadSize = 20 << 10 // the stacks of a coroutine begin with that
	tableSize  = 128
	entrySize  = 16  // of the array in a table
	keySize    = 128 // of its other part: three maps and a list
	smallSize  = 64
	longText   = 1 << 10 // a longer one is told from another by where it lies
)

// census counts what can be reached from a Lua state.
type census struct {
	held int64
	seen map[any]struct{}
	todo []lua.LValue
}

// heldBy says about how many bytes a state holds. It stops counting beyond limit. Only
// the goroutine that runs the state may ask.
func heldBy(l *lua.LState, limit int64) int64 {
	c := &census{seen: map[any]struct{}{}}
	c.add(l.G.Global)
	c.add(l.G.Registry)
	for thread := l.G.CurrentThread; thread != nil; thread = thread.Parent {
		c.add(thread)
	}
	c.add(l)
	for len(c.todo) > 0 && c.held <= limit {
		next := c.todo[len(c.todo)-1]
		c.todo = c.todo[:len(c.todo)-1]
		c.open(next)
	}
	return c.held
}

// add counts a value the first time that it is met.
func (c *census) add(v lua.LValue) {
	switch v := v.(type) {
	case lua.LString:
		if len(v) < longText || c.first(unsafe.StringData(string(v))) {
			c.held += int64(len(v))
		}
	case *lua.LTable:
		c.later(v, v == nil)
	case *lua.LFunction:
		c.later(v, v == nil)
	case *lua.LUserData:
		c.later(v, v == nil)
	case *lua.LState:
		c.later(v, v == nil)
	}
}

func (c *census) later(v lua.LValue, none bool) {
	if !none && c.first(v) {
		c.todo = append(c.todo, v)
	}
}

func (c *census) first(at any) bool {
	if _, known := c.seen[at]; known {
		return false
	}
	c.seen[at] = struct{}{}
	return true
}

// open counts what a value holds.
func (c *census) open(v lua.LValue) {
	switch v := v.(type) {
	case *lua.LTable:
		c.table(v)
	case *lua.LFunction:
		c.held += smallSize
		c.add(v.Env)
		for _, up := range v.Upvalues {
			if up != nil {
				c.add(up.Value())
			}
		}
	case *lua.LUserData:
		c.held += smallSize
		c.add(v.Env)
		c.add(v.Metatable)
	case *lua.LState:
		c.thread(v)
	}
}

// table counts a table by its parts, which its methods do not tell: a key that was
// taken out stays in the list of keys.
func (c *census) table(t *lua.LTable) {
	parts := reflect.ValueOf(t).Elem()
	c.held += tableSize + entrySize*int64(parts.FieldByName("array").Cap()) + keySize*int64(parts.FieldByName("keys").Len())
	c.add(t.Metatable)
	t.ForEach(func(k, v lua.LValue) { c.add(k); c.add(v) })
}

// thread counts what lies on the stack of a coroutine, or of the state itself.
func (c *census) thread(l *lua.LState) {
	c.held += threadSize
	for level := 0; ; level++ {
		frame, ok := l.GetStack(level)
		if !ok {
			return
		}
		if fn, err := l.GetInfo("f", frame, lua.LNil); err == nil {
			c.add(fn)
		}
		for n := 1; ; n++ {
			name, v := l.GetLocal(frame, n)
			if name == "" {
				break
			}
			c.add(v)
		}
	}
}
