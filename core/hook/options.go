package hook

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// options reads a table that a function of the API was given. What is wrong in
// it is raised as an error of the hook, at the line of the call.
type options struct {
	l     *lua.LState
	who   string // function, for messages
	table *lua.LTable
}

// options takes argument n, a table of the given shape; a missing argument is
// an empty table.
func (c *call) options(l *lua.LState, n int, who, shape string) options {
	o := options{l: l, who: who}
	switch v := l.Get(n).(type) {
	case *lua.LNilType:
		o.table = l.NewTable()
		return o
	case *lua.LTable:
		o.table = v
	default:
		o.raise("expects a table, as in %s{ … }, not a %s", who, v.Type())
	}
	t := c.host.shapes[shape]
	o.table.ForEach(func(k, _ lua.LValue) {
		name, isName := k.(lua.LString)
		switch {
		case !isName && t.List == "" && !t.Open:
			o.raise("takes named fields only, as in %s{ %s = … }", who, t.Fields[0].Name)
		case isName && !t.Open && !t.has(string(name)):
			o.raise("has no option %q%s", string(name), didYouMean(string(name), t.names()))
		}
	})
	return o
}

func (t Table) names() []string {
	var names []string
	for _, f := range t.Fields {
		names = append(names, f.Name)
	}
	return names
}

func (t Table) has(name string) bool {
	for _, f := range t.Fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// raise raises an error at the line of the hook that called. It does not
// return.
func (o options) raise(format string, args ...any) {
	o.l.RaiseError("%s", o.who+" "+fmt.Sprintf(format, args...))
}

func (o options) str(key, def string) string {
	switch v := o.table.RawGetString(key).(type) {
	case *lua.LNilType:
		return def
	case lua.LString, lua.LNumber:
		return v.String()
	default:
		o.raise("%s: expected text, not a %s", key, v.Type())
		return ""
	}
}

func (o options) flag(key string) bool {
	switch v := o.table.RawGetString(key).(type) {
	case *lua.LNilType:
		return false
	case lua.LBool:
		return bool(v)
	default:
		o.raise("%s: expected true or false, not a %s", key, v.Type())
		return false
	}
}

func (o options) integer(key string, def int) int {
	switch v := o.table.RawGetString(key).(type) {
	case *lua.LNilType:
		return def
	case lua.LNumber:
		if n := int(v); lua.LNumber(n) == v {
			return n
		}
	}
	o.raise("%s: expected a whole number", key)
	return 0
}

func (o options) duration(key string, def time.Duration) time.Duration {
	v := o.table.RawGetString(key)
	if v == lua.LNil {
		return def
	}
	d, err := duration(v)
	if err != nil {
		o.raise("%s: %s", key, err)
	}
	return d
}

func (o options) stringMap(key string) map[string]string {
	v := o.table.RawGetString(key)
	if v == lua.LNil {
		return nil
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		o.raise("%s: expected a table, as in %s = { NAME = \"value\" }", key, key)
	}
	m := map[string]string{}
	t.ForEach(func(k, v lua.LValue) {
		name, isName := k.(lua.LString)
		_, isText := v.(lua.LString)
		_, isNumber := v.(lua.LNumber)
		if !isName || !isText && !isNumber {
			o.raise("%s: names and values must be text, as in %s = { NAME = \"value\" }", key, key)
		}
		m[string(name)] = v.String()
	})
	return m
}

// duration reads a length of time: text as "1m30s", or a number of seconds.
func duration(v lua.LValue) (time.Duration, error) {
	switch v := v.(type) {
	case lua.LNumber:
		s := float64(v)
		if math.IsNaN(s) || s < 0 || s > 1e9 {
			return 0, fmt.Errorf("%v is no length of time in seconds", s)
		}
		return time.Duration(s * float64(time.Second)), nil
	case lua.LString:
		d, err := time.ParseDuration(strings.TrimSpace(string(v)))
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is no length of time; write \"10s\", \"1m30s\", \"200ms\", or a number of seconds", string(v))
		}
		return d, nil
	}
	return 0, fmt.Errorf("expected a length of time as \"10s\", not a %s", v.Type())
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
