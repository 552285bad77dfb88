package hook

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Stable ids of problems in hooks.
const (
	idSyntax  = "hook/syntax"
	idUnknown = "hook/unknown-api"
)

// CheckSyntax checks a Lua file without running it: that it can be compiled,
// and that the names that it uses exist in hooks. name is the file's name in
// messages. Nothing is returned for a file without problems.
func CheckSyntax(name string, src []byte) []diag.Problem {
	if len(src) > maxSource {
		return []diag.Problem{{ID: idSyntax, Severity: diag.Error, Pos: diag.Position{File: name},
			Message: fmt.Sprintf("has %d bytes, and a hook has %d at most", len(src), maxSource)}}
	}
	text := diag.NewSource(name, src)
	chunk, _, err := compile(name, src)
	if err != nil {
		return []diag.Problem{syntaxProblem(text, name, src, err)}
	}
	return checkNames(text, chunk)
}

// compile makes a program of a Lua file.
func compile(name string, src []byte) (chunk []ast.Stmt, proto *lua.FunctionProto, err error) {
	chunk, err = parse.Parse(bytes.NewReader(src), name)
	if err != nil {
		return nil, nil, err
	}
	if line := nestedTooDeep(chunk); line > 0 {
		return nil, nil, &nestingError{line}
	}
	proto, err = lua.Compile(chunk, name)
	return chunk, proto, err
}

// nestingError is a file that is nested deeper than maxNesting.
type nestingError struct{ line int }

func (e *nestingError) Error() string {
	return fmt.Sprintf("statements or expressions are nested deeper than %d", maxNesting)
}

// syntaxError is the error of a hook that cannot be compiled, in one line.
func syntaxError(name string, src []byte, err error) error {
	p := syntaxProblem(diag.NewSource(name, src), name, src, err)
	return &luaError{text: p.Pos.String() + ": " + p.Message}
}

// syntaxProblem finds the place that the compiler complains of.
func syntaxProblem(text *diag.Source, name string, src []byte, err error) diag.Problem {
	p := diag.Problem{ID: idSyntax, Severity: diag.Error, Pos: diag.Position{File: name}}
	var bad *parse.Error
	var refused *lua.CompileError
	var deep *nestingError
	switch {
	case errors.As(err, &bad) && bad.Pos.Line == parse.EOF:
		end := len(strings.TrimRight(string(src), " \t\r\n"))
		p.Pos = text.Position(max(end-1, 0), end)
		p.Message = "the file ends here, but something is still open: an \"end\", a bracket or a quote is missing"
	case errors.As(err, &bad):
		p.Pos = tokenPosition(text, name, bad)
		p.Message = fmt.Sprintf("%s near %q", bad.Message, bad.Token)
	case errors.As(err, &refused):
		p.Pos.Line, p.Message = refused.Line, refused.Message
		// Of a label that is missing, the compiler knows the line only in words.
		if m := lineInWords.FindStringSubmatch(refused.Message); m != nil {
			p.Pos.Line, _ = strconv.Atoi(m[1])
		}
	case errors.As(err, &deep):
		p.Pos.Line, p.Message = deep.line, deep.Error()
	default:
		p.Message = strings.TrimSpace(err.Error())
	}
	p.Source = text.Line(p.Pos.Line)
	return p
}

var lineInWords = regexp.MustCompile(` at line (\d+)$`)

// tokenPosition is where the token of a parse error stands. The parser counts
// columns in bytes, to the start of a word but to the end of a sign.
func tokenPosition(text *diag.Source, name string, e *parse.Error) diag.Position {
	line := text.Line(e.Pos.Line)
	from := min(max(e.Pos.Column-1, 0), len(line))
	for _, at := range []int{from, from - len(e.Token) + 1, from - len(e.Token)} {
		if e.Token != "" && at >= 0 && strings.HasPrefix(line[min(at, len(line)):], e.Token) {
			from = at
			break
		}
	}
	pos := diag.Position{File: name, Line: e.Pos.Line, Column: 1 + utf8.RuneCountInString(line[:from])}
	if strings.HasPrefix(line[from:], e.Token) {
		pos.End = pos.Column + utf8.RuneCountInString(e.Token)
	}
	return pos
}
