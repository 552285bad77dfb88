package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Options are what a module's text does not say itself.
type Options struct {
	// Set holds values of macros, from --set NAME=VALUE.
	Set map[string]string
	// Env looks up the environment for macros that are not declared; nil
	// means there is none.
	Env func(name string) (string, bool)
	// CheckHook looks for mistakes in a hook; name is the file as problems
	// should show it. nil means hooks are not looked into.
	CheckHook func(name string, source []byte) []diag.Problem
	// CheckRules looks for mistakes in the text of failover rules; the
	// positions in its problems count from the beginning of the text. nil means
	// rules are not looked into.
	CheckRules func(mode core.Mode, text string) []diag.Problem
	// Resolve answers the one address of a host name; nil means that names are not
	// looked up.
	Resolve func(name string) (netip.Addr, error)
	// Checker tells why a checker that is a program of its own cannot be run here; nil
	// means that nobody looks.
	Checker func(name string) error
	// System is where the module is to run, "linux" or "windows"; empty means
	// here. It decides which files in bin/ are hooks.
	System string
	// Path is put before file names in problems, e.g. "modules/web_farm" or
	// "web_farm.safe:".
	Path string
}

// maxProblems bounds a report: nobody reads more.
const maxProblems = 100

const userconfig = "conf/userconfig.xml"

// Parse reads and checks the module in fsys, which will be called name. All
// problems found are returned, sorted; the module is nil if one of them is an
// error.
func Parse(fsys fs.FS, name string, options Options) (*Module, diag.Problems) {
	p := newParser(options.file(userconfig), Schema())
	p.name, p.options, p.files = name, options, fsys
	m := p.module(fsys)
	if p.finish() {
		return nil, p.problems
	}
	return m, p.problems
}

func newParser(file string, schema *Element) *parser {
	return &parser{src: diag.NewSource(file, nil), schema: schema, parents: parentsOf(schema)}
}

// finish sorts the problems, cuts too many, and says whether one is an error.
func (p *parser) finish() (refused bool) {
	p.problems.Sort()
	refused = p.problems.Refused()
	if more := len(p.problems) - maxProblems; more > 0 {
		last := p.problems[maxProblems-1]
		last.Hint = fmt.Sprintf("%d more problems are not shown", more)
		p.problems = append(p.problems[:maxProblems-1], last)
	}
	return refused
}

func (o Options) file(name string) string {
	if strings.HasSuffix(o.Path, ":") {
		return o.Path + name
	}
	return path.Join(o.Path, name)
}

// parser is one reading of a module.
type parser struct {
	name     string // of the module
	options  Options
	files    fs.FS
	src      *diag.Source
	text     string
	schema   *Element
	parents  map[string][]string // of the schema's elements
	mode     core.Mode           // empty if the document does not say
	macros   *macros             // nil: the document has none
	problems diag.Problems
}

func (p *parser) module(fsys fs.FS) *Module {
	if err := checkName(p.name); err != nil {
		p.problems = append(p.problems, diag.Problem{ID: idName, Severity: diag.Error, Message: "name of the module: " + err.Error(),
			Pos: diag.Position{File: p.name}, Hint: "use letters, digits, _ - and ."})
	}
	root := p.read(fsys)
	hooks := p.hooks(fsys)
	p.beside(fsys)
	if root == nil {
		return nil
	}
	p.declare(root)
	p.findMode(root)
	if !p.outermost(root) {
		return nil
	}
	p.check(root, p.schema)
	m := p.build(root, hooks)
	p.macros.unused()
	return m
}

func (p *parser) outermost(root *node) bool {
	if root.name == p.schema.Name {
		return true
	}
	p.errorf(idUnknownElement, root.at, "the outermost element is <%s>", short(root.name)).Hint = fmt.Sprintf("it must be <%s>", p.schema.Name)
	return false
}

// read loads the document and makes it a tree.
func (p *parser) read(fsys fs.FS) *node {
	data, err := fs.ReadFile(fsys, userconfig)
	if err != nil {
		text := "the module has no " + userconfig
		if !errors.Is(err, fs.ErrNotExist) {
			text += ": " + err.Error()
		}
		problem := p.fileProblem(idMissingFile, text)
		problem.Hint = "a module is a folder, or a zip of its content, with conf/ and bin/ in it"
		if inner, _ := fs.Glob(fsys, "*/"+userconfig); len(inner) > 0 {
			top, _, _ := strings.Cut(inner[0], "/")
			problem.Hint = fmt.Sprintf("there is one in %s/: pack the content of that folder, not the folder", top)
		}
		return nil
	}
	return p.decode(data)
}

func (p *parser) decode(data []byte) *node {
	if len(data) > maxDocument {
		p.fileProblem(idTooLarge, fmt.Sprintf("the document has %d bytes, the limit is %d", len(data), maxDocument))
		return nil
	}
	var err error
	if p.text, err = toUTF8(data); err != nil {
		p.fileProblem(idEncoding, err.Error()).Hint = "save the file as UTF-8"
		return nil
	}
	p.src = diag.NewSource(p.src.File, []byte(p.text))
	return p.tree()
}

// findMode reads service/mode first: what else is allowed depends on it.
func (p *parser) findMode(root *node) {
	for _, n := range root.children {
		for _, a := range n.attrs {
			if n.name != "service" || a.name != "mode" {
				continue
			}
			text, _, ok := p.macros.expand(a.value, a.val)
			if mode := core.Mode(text); ok && (mode == core.Farm || mode == core.Mirror || mode == core.Light) {
				p.mode = mode
			}
			return
		}
	}
}

// errorf adds an error; the result may be completed until the next one is
// added.
func (p *parser) errorf(id string, at span, format string, args ...any) *diag.Problem {
	return p.report(diag.Error, id, at, fmt.Sprintf(format, args...))
}

func (p *parser) report(severity diag.Severity, id string, at span, message string) *diag.Problem {
	p.problems = append(p.problems, p.src.Problem(severity, id, at.from, at.to, message))
	return &p.problems[len(p.problems)-1]
}

func (p *parser) fileProblem(id, message string) *diag.Problem {
	p.problems = append(p.problems, diag.Problem{ID: id, Severity: diag.Error, Message: message, Pos: diag.Position{File: p.src.File}})
	return &p.problems[len(p.problems)-1]
}

func (p *parser) related(at span, message string) diag.Related {
	pos := p.src.Position(at.from, at.to)
	return diag.Related{Message: message, Pos: pos, Source: p.src.Line(pos.Line)}
}

// valueProblem is an error in a value; it also names the macros that the value
// was made of.
func (p *parser) valueProblem(id string, v value, message string) *diag.Problem {
	return p.blamed(p.report(diag.Error, id, v.at, message), v.macros)
}

func (p *parser) blamed(problem *diag.Problem, macros []string) *diag.Problem {
	for _, name := range macros {
		p.blame(problem, name)
	}
	return problem
}

func (p *parser) blame(problem *diag.Problem, name string) {
	d := p.macros.declared[name]
	switch p.macros.origin[name] {
	case FromSet:
		problem.Message += fmt.Sprintf(" (from --set %s=%s)", short(name), short(p.macros.values[name]))
	case FromEnvironment:
		problem.Message += fmt.Sprintf(" (from the environment: %s=%s)", short(name), short(p.macros.values[name]))
	case FromModule:
		problem.Related = append(problem.Related, p.related(d.val, fmt.Sprintf("macro %s has its value from here", short(name))))
		problem.Hint = strings.TrimPrefix(fmt.Sprintf("%s; or give another value with --set %s=VALUE", problem.Hint, short(name)), "; or ")
	}
}
