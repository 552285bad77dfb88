package config

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// A case of the corpus is a txtar archive: the module's files, in the comment
// lines "set NAME=VALUE" and "env NAME=VALUE", and last what must come out, in
// a file called want. UPDATE=1 go test rewrites the last.
type corpusCase struct {
	file    string
	archive *txtar.Archive
	options Options
}

func corpus(t *testing.T, pattern string) []corpusCase {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", pattern, err)
	}
	var out []corpusCase
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, corpusCase{file: file, archive: a, options: caseOptions(t, a)})
	}
	return out
}

func caseOptions(t *testing.T, a *txtar.Archive) Options {
	t.Helper()
	env := map[string]string{}
	o := Options{Set: map[string]string{}, CheckHook: fakeHookCheck,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for line := range strings.Lines(string(a.Comment)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, value, ok := strings.Cut(rest, "=")
		switch {
		case verb == "set" && ok:
			o.Set[name] = value
		case verb == "env" && ok:
			env[name] = value
		case verb != "" && verb != "#":
			t.Fatalf("line %q of the case is not understood", line)
		}
	}
	return o
}

// fakeHookCheck stands for the check of Lua, which belongs to another package.
func fakeHookCheck(name string, source []byte) []diag.Problem {
	at := strings.Index(string(source), "SYNTAX ERROR")
	if at < 0 {
		return nil
	}
	return []diag.Problem{diag.NewSource(name, source).Problem(diag.Error, "hook/syntax", at, at+12, "fake")}
}

func (c corpusCase) fs() fs.FS {
	out := fstest.MapFS{}
	for _, f := range c.archive.Files {
		if f.Name != "want" {
			out[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return out
}

func (c corpusCase) compare(t *testing.T, got string) {
	t.Helper()
	want := ""
	at := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	if at >= 0 {
		want = string(c.archive.Files[at].Data)
	}
	if os.Getenv("UPDATE") != "" {
		files := slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
		c.archive.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
		if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("UPDATE=1 go test rewrites the case, if this is right:\n%s", d)
	}
}

func TestBadDocuments(t *testing.T) {
	for _, c := range corpus(t, "testdata/bad/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(c.file), ".txtar"), func(t *testing.T) {
			m, ps := Parse(c.fs(), "web", c.options)
			if (m == nil) != ps.Refused() {
				t.Errorf("module returned: %t, refused: %t", m != nil, ps.Refused())
			}
			if len(ps) == 0 {
				t.Fatal("no problem was found")
			}
			c.compare(t, ps.Error()+"\n")
		})
	}
}

func TestGoodDocuments(t *testing.T) {
	for _, c := range corpus(t, "testdata/good/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(c.file), ".txtar"), func(t *testing.T) {
			m, ps := Parse(c.fs(), "web", c.options)
			if m == nil {
				t.Fatalf("refused:\n%v", ps)
			}
			for _, p := range ps {
				if p.Severity != diag.Note {
					t.Errorf("unexpected: %v", p)
				}
			}
			c.compare(t, dump(t, m))
		})
	}
}

// dump is JSON without positions, which TestPositions looks at.
func dump(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	strip(tree)
	b, err = json.MarshalIndent(tree, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "Pos")
		for _, inner := range v {
			strip(inner)
		}
	case []any:
		for _, inner := range v {
			strip(inner)
		}
	}
}

// Every id must be shown by a case, but for those that need a document of an
// odd size or encoding, which TestOddDocuments has, and the comparison of
// modules.
func TestEveryProblemHasACase(t *testing.T) {
	shown := idTooLarge + idEncoding + idConflict
	for _, c := range corpus(t, "testdata/bad/*.txtar") {
		if i := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want" }); i >= 0 {
			shown += string(c.archive.Files[i].Data)
		}
	}
	for _, id := range idsIn(t, "ids.go") {
		if !strings.Contains(shown, id) {
			t.Errorf("no case in testdata/bad shows %s", id)
		}
	}
}

func idsIn(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`"([a-z]+/[a-z0-9-]+)"`).FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s lists no ids", file)
	}
	return out
}
