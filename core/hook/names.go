package hook

import (
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// known holds what hooks have: global names, and the fields of the tables
// among them.
type known struct {
	globals []string
	fields  map[string][]string // table → its fields
	options map[string]Table    // function → shape of its option table
	results map[string]Table    // function, or Application:METHOD → shape of the table that it answers first
	methods []string            // of applications
}

// knownNames takes the names from a state made ready for a hook, so that the
// check cannot differ from what a hook meets.
func knownNames() known {
	h := New(Options{})
	c := &call{host: h}
	l := newState()
	defer l.Close()
	c.install(l)
	k := known{fields: map[string][]string{}, options: map[string]Table{}, results: map[string]Table{}}
	l.G.Global.ForEach(func(name, v lua.LValue) {
		k.globals = append(k.globals, name.String())
		if t, ok := v.(*lua.LTable); ok && name.String() != "_G" {
			k.fields[name.String()] = tableNames(t, "")
		}
	})
	// A file may be a check as well: nothing in it says which.
	c.check = &Check{}
	for _, name := range tableNames(c.checkTable(l), "") {
		if !has(k.fields["ctx"], name) {
			k.fields["ctx"] = append(k.fields["ctx"], name)
		}
	}
	for _, f := range h.functions {
		if m, ok := methodOf("Application", f.Name); ok {
			k.methods = append(k.methods, m)
		}
		if len(f.Returns) > 0 {
			if shape, ok := h.shapes[f.Returns[0].Type]; ok && !shape.Open {
				k.results[f.Name] = shape
			}
		}
		for _, p := range f.Params {
			if shape, ok := h.shapes[p.Type]; ok && !shape.Open {
				k.options[f.Name] = shape
			}
		}
	}
	return k
}

// checkNames reports names that do not exist in hooks.
func checkNames(text *diag.Source, chunk []ast.Stmt) []diag.Problem {
	w := &walker{text: text, known: knownNames(), defined: map[string]bool{}}
	w.onGlobal = func(name string, assigned bool, _ int) {
		if assigned {
			w.defined[name] = true
		}
	}
	w.block(chunk)
	// The second time all globals that the file itself makes are known.
	w.onGlobal, w.report = w.checkGlobal, true
	w.block(chunk)
	w.problems.Sort()
	return w.problems
}

func (w *walker) checkGlobal(name string, assigned bool, line int) {
	if assigned || w.defined[name] || has(w.known.globals, name) {
		return
	}
	w.unknown(name, line, unknownName(name, w.known.globals))
}

// checkField looks at TABLE.FIELD where TABLE is a global.
func (w *walker) checkField(table, field string, line int) {
	fields, isTable := w.known.fields[table]
	if w.defined[table] || has(fields, field) {
		return
	}
	name := table + "." + field
	if _, never := closed[name]; !isTable && !never {
		return
	}
	var full []string
	for _, f := range fields {
		full = append(full, table+"."+f)
	}
	w.unknown(name, line, unknownName(name, full))
}

// checkCall looks at the options of a call to an API function.
func (w *walker) checkCall(e *ast.FuncCallExpr) {
	name := globalPath(w, e.Func)
	shape, ok := w.known.options[name]
	if !ok || len(e.Args) == 0 {
		return
	}
	t, ok := e.Args[len(e.Args)-1].(*ast.TableExpr)
	if !ok {
		return
	}
	for _, f := range t.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if ok && !shape.has(key.Value) {
			w.unknown(key.Value, lineOf(key.Line(), f.Value.Line()), name+" has no option "+key.Value+didYouMean(key.Value, shape.names()))
		}
	}
}

// checkMethod looks at a method called on what application() or service()
// returned.
func (w *walker) checkMethod(e *ast.FuncCallExpr) {
	if w.isApplication(e.Receiver) && !has(w.known.methods, e.Method) {
		w.unknown(e.Method, e.Line(), "an application has no method "+e.Method+didYouMean(e.Method, w.known.methods))
	}
}

// isApplication says that an expression is what application() or service() returned.
func (w *walker) isApplication(e ast.Expr) bool {
	call := w.callOf(e)
	if call == nil {
		return false
	}
	from := globalPath(w, call.Func)
	return from == "application" || from == "service"
}

// callOf is the call that made the value of an expression, nil if it is not known.
func (w *walker) callOf(e ast.Expr) *ast.FuncCallExpr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return e
	case *ast.IdentExpr:
		return w.lookup(e.Value)
	}
	return nil
}

// globalPath is "exec" or "tcp.check" for an expression that names a global or
// a field of one, else empty.
func globalPath(w *walker, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		if !w.isLocal(e.Value) && !w.defined[e.Value] {
			return e.Value
		}
	case *ast.AttrGetExpr:
		key, isConst := e.Key.(*ast.StringExpr)
		if table := globalPath(w, e.Object); isConst && table != "" {
			return table + "." + key.Value
		}
	}
	return ""
}

// unknown reports a name. The syntax tree has lines only, so the column is that
// of the name's first mention from that line on.
func (w *walker) unknown(name string, line int, message string) {
	if !w.report {
		return
	}
	if line < 1 {
		line = 1
	}
	p := diag.Problem{ID: idUnknown, Severity: diag.Error, Message: message, Pos: diag.Position{File: w.text.File, Line: line}}
	message, hint, hinted := strings.Cut(message, "; ")
	if hinted {
		p.Message, p.Hint = message, hint
	}
	p.Source = w.text.Line(line)
	if at := findWord(p.Source, name); at >= 0 {
		p.Pos.Column = 1 + utf8.RuneCountInString(p.Source[:at])
		p.Pos.End = p.Pos.Column + utf8.RuneCountInString(name)
	}
	w.problems = append(w.problems, p)
}

// findWord is the offset of name in line where no letter touches it, else -1.
func findWord(line, name string) int {
	for from := 0; ; {
		i := strings.Index(line[from:], name)
		if i < 0 {
			return -1
		}
		at, end := from+i, from+i+len(name)
		if (at == 0 || !isWord(line[at-1])) && (end == len(line) || !isWord(line[end])) {
			return at
		}
		from = end
	}
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

func has(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// lineOf is the first line that is known.
func lineOf(lines ...int) int {
	for _, n := range lines {
		if n > 0 {
			return n
		}
	}
	return 1
}
