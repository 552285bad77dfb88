package hook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

func TestCheckSyntax(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"local x = 1\nif x then\n  y = = 2\nend", "f.lua:3:7 hook/syntax"},
		{"print('a'\n", "f.lua:1:9 hook/syntax"},
		{"x = = 1", "f.lua:1:5 hook/syntax"},
		{"local größe = 1", "f.lua:1:9 hook/syntax"},
		{"x = 'open", "f.lua:1:9 hook/syntax"},
		{"goto nowhere", "f.lua:1 hook/syntax"},
		{"os.execute('ls')", "f.lua:1:1 hook/unknown-api exec{"},
		{"\n  log.inform('x')", "f.lua:2:3 hook/unknown-api"},
		{"log.wran('x')", "f.lua:1:1 hook/unknown-api did you mean log.warn?"},
		{"local s = slep(1)", "f.lua:1:11 hook/unknown-api did you mean sleep?"},
		{"exec { 'ls',\n  timout = 3 }", "f.lua:2:3 hook/unknown-api did you mean timeout?"},
		{"application('x'):starts()", "f.lua:1:18 hook/unknown-api did you mean start?"},
		{"local a = service('x')\na:stopp{}", "f.lua:2:3 hook/unknown-api did you mean stop?"},
		{"if application('x'):status().running then print() end", "f.lua:1:30 hook/unknown-api it has up, reason"},
		{"local s = service('x'):status()\nprint(s.state)", "f.lua:2:9 hook/unknown-api it has up, reason"},
		{"local app = application('x')\nlocal s = app:status()\nprint(s['running'])", "f.lua:3:10 hook/unknown-api it has up, reason"},
		{"print(exec{'x'}.status)", "f.lua:1:17 hook/unknown-api it has code, stdout, stderr, ok"},
		{"local r = http{ url = 'x' } return r.code", "f.lua:1:38 hook/unknown-api it has status, body, headers"},
		{"print(ctx.forces)", "f.lua:1:7 hook/unknown-api did you mean ctx.force?"},
		{"local f = io.popen('x')", "f.lua:1:11 hook/unknown-api exec{"},
		{"io.write('x')", "f.lua:1:1 hook/unknown-api print"},
		{"loadstring('x')()", "f.lua:1:1 hook/unknown-api"},
		{"string.fromat('x')", "f.lua:1:1 hook/unknown-api"},
		{"debug.traceback()", "f.lua:1:1 hook/unknown-api"},
	} {
		got := CheckSyntax("f.lua", []byte(tc.src))
		if len(got) != 1 {
			t.Errorf("%q: %d problems: %v", tc.src, len(got), got)
			continue
		}
		p := got[0]
		want := append(strings.SplitN(tc.want, " ", 3), "") // place, id, start of the hint
		if p.Pos.String() != want[0] || p.ID != want[1] || !strings.Contains(p.Hint, want[2]) {
			t.Errorf("%q: got %s, hint %q; want %s", tc.src, p, p.Hint, tc.want)
		}
		if p.Severity != diag.Error || p.Message == "" || p.Source == "" {
			t.Errorf("%q: %+v", tc.src, p)
		}
	}
}

func TestCheckSyntaxAcceptsWhatExists(t *testing.T) {
	for _, src := range []string{
		"function mine(a, ...) return a end\nmine(1)",
		"local os = { execute = print } os.execute()",
		"late() function late() end",
		"for i, v in ipairs({}) do print(i, v) end for i = 1, 2 do print(i) end",
		"repeat local done = true until done",
		"local t = {} function t:m() return self end t.x.y = 1",
		"local function rec(n) return n and rec(n - 1) end",
		"local a = application('x') a = {} a:anything()",
		"local r = exec{'x'} r.more = 1 print(r.more)",
		"local r = exec{'x'} r = {} print(r.more)",
		"local r = http{ url = 'x' } print(r.headers['x-more'], r.status)",
		"local app = application('x') local s = app:status() print(s.up, s.reason, app:available())",
		"application('x'):start{ anything = 1, timeout = 2 }",
		"print(_G.x, ctx.vars.ANY, _VERSION)",
	} {
		if got := CheckSyntax("f.lua", []byte(src)); len(got) != 0 {
			t.Errorf("%q: %v", src, got)
		}
	}
}

// Nesting is bounded by the size of a hook, so that the recursion of parser,
// compiler and check stays far from the limit of a stack.
func TestDeepNesting(t *testing.T) {
	for _, pair := range [][2]string{{"(", ")"}, {"{", "}"}, {"- ", ""}, {"f(", ")"}, {"not ", ""}, {"1 ..", ""}, {"function() return ", " end"}} {
		n := (maxSource - 100) / len(pair[0]+pair[1])
		src := "local f, x\nx = " + strings.Repeat(pair[0], n) + "1" + strings.Repeat(pair[1], n)
		got := CheckSyntax("f.lua", []byte(src))
		// Brackets alone leave no trace in the tree.
		if pair[0] != "(" && (len(got) != 1 || !strings.Contains(got[0].Message, "nested deeper than")) {
			t.Errorf("%q: %v", pair[0], got)
		}
	}
	if got := CheckSyntax("f.lua", make([]byte, maxSource+1)); len(got) != 1 || got[0].ID != idSyntax {
		t.Errorf("%v", got)
	}
}

func TestCheckSyntaxReportsAllNames(t *testing.T) {
	got := CheckSyntax("f.lua", []byte("aaa()\nbbb()\nif true then ccc() end"))
	if len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// Every example of the reference passes the check, and so does what comes
// with the product.
func TestExamplesAndPreludeAreCorrect(t *testing.T) {
	for _, f := range Functions() {
		for _, p := range CheckSyntax(f.Name, []byte(f.Example)) {
			t.Error(p)
		}
	}
	doc, err := os.ReadFile("../../docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(doc), "\n```lua\n")[1:]
	if len(blocks) < 10 {
		t.Errorf("%d examples in docs/hooks.md", len(blocks))
	}
	for _, b := range blocks {
		src, _, _ := strings.Cut(b, "\n```\n")
		for _, p := range CheckSyntax("docs/hooks.md", []byte(src)) {
			t.Error(p, "in", src)
		}
	}
	files, _ := filepath.Glob("../../lua/*.lua")
	if len(files) == 0 {
		t.Error("no prelude")
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range CheckSyntax(file, src) {
			t.Error(p)
		}
	}
}

func TestAPITableIsComplete(t *testing.T) {
	shapes := map[string]bool{}
	for _, s := range Tables() {
		shapes[s.Name] = true
	}
	for _, f := range Functions() {
		if f.Doc == "" || f.Since == "" || f.call == nil {
			t.Errorf("%s lacks something", f.Name)
		}
		for _, p := range append(f.Params, f.Returns...) {
			if p.Type[0] >= 'A' && p.Type[0] <= 'Z' && !shapes[p.Type] {
				t.Errorf("%s: there is no table %s", f.Name, p.Type)
			}
		}
	}
}

// UPDATE=1 rewrites what is generated.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	generated(t, "../../lua/meta/orchestrator.d.lua", func(string) string { return Stubs() })
	generated(t, "../../docs/hooks.md", func(old string) string {
		const begin, end = "<!-- generated from core/hook: begin -->\n", "<!-- generated from core/hook: end -->\n"
		head, rest, ok := strings.Cut(old, begin)
		_, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatal("docs/hooks.md has no marks around its generated part")
		}
		return head + begin + Reference() + end + tail
	})
	stubs, err := os.ReadFile("../../lua/meta/orchestrator.d.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range CheckSyntax("stubs", stubs) {
		if p.ID == idSyntax {
			t.Error(p)
		}
	}
}

func generated(t *testing.T, path string, make func(old string) string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := make(string(old))
	if text == string(old) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s is not what the API table says; UPDATE=1 go test ./core/hook rewrites it", path)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
