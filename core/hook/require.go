package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"

	prelude "github.com/orchestrator-ha/orchestrator/lua"
)

var requireName = regexp.MustCompile(`^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*$`)

// loading marks a file that is being loaded, to find circles.
var loading = &lua.LUserData{Value: "loading"}

// require loads a Lua file once per run: from bin/ or lua/ of the module, else
// from what the product brings along. Nothing outside can be named, and links
// that lead out of the module are refused.
func (c *call) require(l *lua.LState) int {
	name := l.CheckString(1)
	if !requireName.MatchString(name) {
		l.RaiseError("require: %q is no name of a file in bin/ or lua/ of the module: write require(\"name\") for bin/name.lua", name)
	}
	file := strings.ReplaceAll(name, ".", "/") + ".lua"
	done := c.loaded(l)
	switch v := done.RawGetString(file); v {
	case lua.LNil:
	case loading:
		l.RaiseError("require: %s is needed by a file that it needs itself", file)
	default:
		l.Push(v)
		return 1
	}
	place, src, err := c.findSource(file)
	if err != nil {
		l.RaiseError("%s", err.Error())
	}
	_, proto, err := compile(place, src)
	if err != nil {
		l.RaiseError("%s", syntaxError(place, src, err).Error())
	}
	v := lua.LValue(lua.LNil) // stays if the file raises an error
	defer func() { done.RawSetString(file, v) }()
	done.RawSetString(file, loading)
	l.Push(l.NewFunctionFromProto(proto))
	l.Call(0, 1)
	if v = l.Get(-1); v == lua.LNil {
		v = lua.LTrue
	}
	l.Push(v)
	return 1
}

// loaded is the table of files that this state has loaded.
func (c *call) loaded(l *lua.LState) *lua.LTable {
	if t, ok := l.G.Registry.RawGetString("orchestrator.loaded").(*lua.LTable); ok {
		return t
	}
	t := l.NewTable()
	l.G.Registry.RawSetString("orchestrator.loaded", t)
	return t
}

// findSource returns the text of a file that hooks may require, and the place
// that its errors name.
func (c *call) findSource(file string) (place string, src []byte, err error) {
	root, err := os.OpenRoot(c.run.Dir)
	if err != nil {
		return "", nil, fmt.Errorf("require %s: %w", file, err)
	}
	defer root.Close()
	for _, dir := range []string{"bin", "lua"} {
		place = path.Join(dir, file)
		info, err := root.Stat(place)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSource) {
			err = fmt.Errorf("no file of at most %d bytes", maxSource)
		}
		if err == nil {
			src, err = root.ReadFile(place)
		}
		if err != nil {
			return "", nil, fmt.Errorf("require %s: %w", place, err)
		}
		return place, src, nil
	}
	src, err = fs.ReadFile(prelude.Files, file)
	if err != nil {
		return "", nil, fmt.Errorf("require: there is no bin/%s or lua/%s in the module, and nothing of this name comes with the product", file, file)
	}
	return "orchestrator/" + file, src, nil
}
