package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// maxSource is the largest Lua file that is loaded. It also bounds how deep
// expressions can be nested, on which the compiler recurses.
const maxSource = 256 << 10

// luaError is a failure inside a Lua hook.
type luaError struct {
	text  string // with the place: bin/start_both.lua:12: …
	place string // bin/start_both.lua:12
	trace string
}

func (e *luaError) Error() string { return e.text }

// failed is what fail() ends a hook with.
type failed struct{ text string }

func (f *failed) Error() string { return f.text }

// runLua runs the file in a fresh state; judge takes the two values that it returns. It
// comes back soon after the end of the context even if the state does not.
func (c *call) runLua(judge func(*lua.LState) error) error {
	src, err := readSource(c.path)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	m := &meter{Context: c.ctx, call: c, state: newState()}
	c.host.abandoned.Go(func() { ended <- c.execute(m, src, judge) })
	defer m.watch()()
	select {
	case err := <-ended:
		return err
	case <-c.ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-ended:
		return err
	case <-t.C:
		c.log.Error("a hook did not even stop at its deadline; its goroutine was left behind and may use a processor",
			"file", c.name, "after", grace)
		return context.Cause(c.ctx)
	}
}

func readSource(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read hook: %w", err)
	}
	if info.Size() > maxSource {
		return nil, fmt.Errorf("read hook %s: %d bytes; a hook has %d at most", path, info.Size(), maxSource)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read hook: %w", err)
	}
	return src, nil
}

// execute loads and runs the file.
func (c *call) execute(m *meter, src []byte, judge func(*lua.LState) error) error {
	l := m.state
	defer l.Close()
	l.SetContext(m)
	c.install(l)
	boundCoroutines(l, m)
	_, proto, err := compile(c.name, src)
	if err != nil {
		return syntaxError(c.name, src, err)
	}
	l.Push(l.NewFunctionFromProto(proto))
	if err := l.PCall(0, 2, nil); err != nil {
		return toLuaError(err)
	}
	return judge(l)
}

// returned judges a hook. Returning false from it, with a message or without, is a
// failure like an error.
func (c *call) returned(l *lua.LState) error {
	if l.Get(-2) == lua.LFalse {
		reason := "it returned false"
		if l.Get(-1) != lua.LNil {
			reason = lua.LVAsString(l.ToStringMeta(l.Get(-1)))
		}
		return &luaError{text: c.name + ": " + reason}
	}
	return nil
}

// newState makes a state without libraries and with bounds on its stacks.
func newState() *lua.LState {
	return lua.NewState(lua.Options{
		SkipOpenLibs:        true,
		CallStackSize:       200,
		MinimizeStackMemory: true,
		RegistrySize:        1024,
		RegistryGrowStep:    1024,
		RegistryMaxSize:     256 << 10,
	})
}

var placePattern = regexp.MustCompile(`^\S+\.lua:\d+`)

// toLuaError makes an error of what a protected call caught.
func toLuaError(err error) *luaError {
	var api *lua.ApiError
	if !errors.As(err, &api) {
		return &luaError{text: err.Error()}
	}
	e := &luaError{text: errorText(api.Object), trace: shortTrace(api.StackTrace)}
	if api.Type == lua.ApiErrorPanic {
		e.text = "stopped by a fault inside the Lua machine: " + e.text
	}
	e.place = placePattern.FindString(e.text)
	return e
}

// errorText is an error value as text: error{ message = … } is shown by its
// message.
func errorText(v lua.LValue) string {
	if t, ok := v.(*lua.LTable); ok {
		if m := t.RawGetString("message"); m != lua.LNil {
			return m.String()
		}
		return "an error that is a table without the field message"
	}
	return v.String()
}

// shortTrace keeps the calls of a stack trace that lie in Lua files.
func shortTrace(trace string) string {
	var rows []string
	for row := range strings.Lines(trace) {
		row = strings.TrimSpace(row)
		if placePattern.MatchString(row) && len(rows) < 10 {
			rows = append(rows, row)
		}
	}
	return strings.Join(rows, "\n")
}
