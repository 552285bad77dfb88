package hook

import (
	"github.com/yuin/gopher-lua/ast"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// walker goes through a syntax tree and keeps account of local names.
type walker struct {
	text     *diag.Source
	known    known
	defined  map[string]bool // globals that the file makes itself
	report   bool
	problems diag.Problems
	onGlobal func(name string, assigned bool, line int)
	scopes   []map[string]*ast.FuncCallExpr // local → the call that made its value, or nil
	depth    int
	tooDeep  int // line where maxNesting is exceeded, 0 if nowhere
}

// maxNesting is how deep statements and expressions may be nested. The time that
// the compiler takes grows with the square of it.
const maxNesting = 1000

// nestedTooDeep returns the line where a file is nested deeper than maxNesting,
// 0 if nowhere.
func nestedTooDeep(chunk []ast.Stmt) (line int) {
	w := &walker{onGlobal: func(string, bool, int) {}}
	w.block(chunk)
	return w.tooDeep
}

// enter counts nesting and says whether to go deeper; leave must follow.
func (w *walker) enter(n ast.PositionHolder) bool {
	w.depth++
	if w.depth > maxNesting && w.tooDeep == 0 {
		w.tooDeep = lineOf(n.Line())
	}
	return w.depth <= maxNesting
}

func (w *walker) leave() { w.depth-- }

func (w *walker) open()  { w.scopes = append(w.scopes, map[string]*ast.FuncCallExpr{}) }
func (w *walker) close() { w.scopes = w.scopes[:len(w.scopes)-1] }

func (w *walker) declare(name string, value ast.Expr) {
	call, _ := value.(*ast.FuncCallExpr)
	w.scopes[len(w.scopes)-1][name] = call
}

func (w *walker) isLocal(name string) bool {
	for i := len(w.scopes) - 1; i >= 0; i-- {
		if _, ok := w.scopes[i][name]; ok {
			return true
		}
	}
	return false
}

// lookup is the call that made the value of a local, nil if it is not known.
func (w *walker) lookup(name string) *ast.FuncCallExpr {
	for i := len(w.scopes) - 1; i >= 0; i-- {
		if call, ok := w.scopes[i][name]; ok {
			return call
		}
	}
	return nil
}

// forget drops what is known of a local's value: it was assigned to.
func (w *walker) forget(name string) {
	for i := len(w.scopes) - 1; i >= 0; i-- {
		if _, ok := w.scopes[i][name]; ok {
			w.scopes[i][name] = nil
			return
		}
	}
}

func (w *walker) block(stmts []ast.Stmt) {
	w.open()
	defer w.close()
	for _, s := range stmts {
		w.stmt(s)
	}
}

func (w *walker) stmt(s ast.Stmt) {
	defer w.leave()
	if !w.enter(s) {
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.exprs(s.Rhs)
		for _, e := range s.Lhs {
			w.target(e)
		}
	case *ast.LocalAssignStmt:
		w.localAssign(s)
	case *ast.FuncCallStmt:
		w.expr(s.Expr)
	case *ast.DoBlockStmt:
		w.block(s.Stmts)
	case *ast.WhileStmt:
		w.expr(s.Condition)
		w.block(s.Stmts)
	case *ast.RepeatStmt:
		w.open() // the condition sees the locals of the body
		for _, inner := range s.Stmts {
			w.stmt(inner)
		}
		w.expr(s.Condition)
		w.close()
	case *ast.IfStmt:
		w.expr(s.Condition)
		w.block(s.Then)
		w.block(s.Else)
	case *ast.NumberForStmt:
		w.exprs([]ast.Expr{s.Init, s.Limit, s.Step})
		w.loop([]string{s.Name}, s.Stmts)
	case *ast.GenericForStmt:
		w.exprs(s.Exprs)
		w.loop(s.Names, s.Stmts)
	case *ast.FuncDefStmt:
		w.functionName(s.Name)
		w.function(s.Func, s.Name.Receiver != nil)
	case *ast.ReturnStmt:
		w.exprs(s.Exprs)
	}
}

func (w *walker) localAssign(s *ast.LocalAssignStmt) {
	// "local function f" may call itself, and is parsed as this.
	if len(s.Names) == 1 && len(s.Exprs) == 1 {
		if _, isFunc := s.Exprs[0].(*ast.FunctionExpr); isFunc {
			w.declare(s.Names[0], nil)
		}
	}
	w.exprs(s.Exprs)
	for i, n := range s.Names {
		var value ast.Expr
		if i < len(s.Exprs) {
			value = s.Exprs[i]
		}
		w.declare(n, value)
	}
}

func (w *walker) loop(names []string, body []ast.Stmt) {
	w.open()
	defer w.close()
	for _, n := range names {
		w.declare(n, nil)
	}
	w.block(body)
}

func (w *walker) functionName(n *ast.FuncName) {
	if n.Receiver != nil {
		w.expr(n.Receiver)
		return
	}
	w.target(n.Func)
}

func (w *walker) function(f *ast.FunctionExpr, method bool) {
	w.open()
	defer w.close()
	if method {
		w.declare("self", nil)
	}
	for _, n := range f.ParList.Names {
		w.declare(n, nil)
	}
	w.block(f.Stmts)
}

// target is the left side of an assignment.
func (w *walker) target(e ast.Expr) {
	switch e := e.(type) {
	case *ast.IdentExpr:
		if w.isLocal(e.Value) {
			w.forget(e.Value)
		} else {
			w.onGlobal(e.Value, true, e.Line())
		}
	case *ast.AttrGetExpr:
		if id, isName := e.Object.(*ast.IdentExpr); isName {
			w.forget(id.Value) // it may have fields of its own from now on
		}
		w.expr(e.Object)
		w.expr(e.Key)
	}
}

func (w *walker) exprs(list []ast.Expr) {
	for _, e := range list {
		w.expr(e)
	}
}

func (w *walker) expr(e ast.Expr) {
	if e == nil {
		return
	}
	defer w.leave()
	if !w.enter(e) {
		return
	}
	switch e := e.(type) {
	case *ast.IdentExpr:
		if !w.isLocal(e.Value) {
			w.onGlobal(e.Value, false, e.Line())
		}
	case *ast.AttrGetExpr:
		w.attribute(e)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			w.expr(f.Key)
			w.expr(f.Value)
		}
	case *ast.FuncCallExpr:
		w.callExpr(e)
	case *ast.FunctionExpr:
		w.function(e, false)
	case *ast.LogicalOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.RelationalOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.StringConcatOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.ArithmeticOpExpr:
		w.exprs([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.UnaryMinusOpExpr:
		w.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		w.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		w.expr(e.Expr)
	}
}

// attribute is OBJECT.KEY or OBJECT[KEY].
func (w *walker) attribute(e *ast.AttrGetExpr) {
	table, isName := e.Object.(*ast.IdentExpr)
	key, isConst := e.Key.(*ast.StringExpr)
	if isName && isConst && !w.isLocal(table.Value) {
		if _, never := closed[table.Value+"."+key.Value]; never && !w.defined[table.Value] {
			w.checkField(table.Value, key.Value, lineOf(e.Line(), table.Line()))
			return // io is unknown itself; one problem is enough
		}
		w.checkField(table.Value, key.Value, lineOf(e.Line(), table.Line()))
	}
	w.checkResult(e)
	w.expr(e.Object)
	w.expr(e.Key)
}

func (w *walker) callExpr(e *ast.FuncCallExpr) {
	if e.Receiver != nil {
		w.checkMethod(e)
		w.expr(e.Receiver)
	} else {
		w.checkCall(e)
		w.expr(e.Func)
	}
	w.exprs(e.Args)
}
