package hook

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// maxDepth is how deep tables may be nested in settings; a table that contains
// itself is found by it.
const maxDepth = 32

// listMark is the field of a metatable that makes an empty table a list.
const listMark = "__list"

// toGo makes a value for JSON of a Lua value: a table with the keys 1 to n is a
// list, one with names an object. An empty table is an object unless list{}
// made it. where names the value in errors.
func toGo(v lua.LValue, where string, depth int) (any, error) {
	switch v := v.(type) {
	case lua.LString:
		return string(v), nil
	case lua.LBool:
		return bool(v), nil
	case lua.LNumber:
		return numberToGo(float64(v), where)
	case *lua.LTable:
		if depth >= maxDepth {
			return nil, fmt.Errorf("%s: tables are nested deeper than %d, or one contains itself", where, maxDepth)
		}
		if n := v.Len(); n > 0 || isList(v) {
			return listToGo(v, n, where, depth)
		}
		return objectToGo(v, where, depth)
	}
	return nil, fmt.Errorf("%s: a %s cannot be a setting", where, v.Type())
}

func numberToGo(f float64, where string) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%s: %v is no number that can be a setting", where, f)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	return f, nil
}

func isList(t *lua.LTable) bool {
	meta, ok := t.Metatable.(*lua.LTable)
	return ok && meta.RawGetString(listMark) == lua.LTrue
}

func listToGo(t *lua.LTable, n int, where string, depth int) (any, error) {
	list, err := make([]any, 0, n), error(nil)
	t.ForEach(func(k, _ lua.LValue) {
		i, ok := k.(lua.LNumber)
		if err == nil && (!ok || i < 1 || int(i) > n || lua.LNumber(int(i)) != i) {
			err = fmt.Errorf("%s: a table with both a list and the field %s cannot be a setting", where, k)
		}
	})
	for i := 1; i <= n && err == nil; i++ {
		var g any
		g, err = toGo(t.RawGetInt(i), fmt.Sprintf("%s[%d]", where, i), depth+1)
		list = append(list, g)
	}
	return list, err
}

func objectToGo(t *lua.LTable, where string, depth int) (any, error) {
	m, err := map[string]any{}, error(nil)
	t.ForEach(func(k, v lua.LValue) {
		name, ok := k.(lua.LString)
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("%s: the key %s cannot be the name of a setting", where, k)
		default:
			m[string(name)], err = toGo(v, where+"."+string(name), depth+1)
		}
	})
	return m, err
}
