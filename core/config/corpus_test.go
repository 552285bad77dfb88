package config

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// A case of the corpus is a txtar archive: the module's files, in the comment
// lines for its options, and last what must come out, in a file called want.
// UPDATE=1 go test rewrites the last. The lines are
//
//	set NAME=VALUE     a macro
//	env NAME=VALUE     an environment variable
//	system NAME        linux or windows; linux if nothing is said
//	host NAME=ADDRESS  a name that is looked up; without such lines none is
//	without NAME       a checker that cannot be run
//	nodes NAME…        the cluster that the module is compared with
//	networks NAME…
//	# …                a remark
type corpusCase struct {
	file            string
	archive         *txtar.Archive
	options         Options
	nodes, networks []string
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
		c := corpusCase{file: file, archive: a}
		c.readOptions(t)
		out = append(out, c)
	}
	return out
}

func (c *corpusCase) readOptions(t *testing.T) {
	t.Helper()
	env, known := map[string]string{}, map[string]netip.Addr{}
	c.options = Options{Set: map[string]string{}, System: "linux", CheckHook: fakeHookCheck, CheckRules: fakeRulesCheck,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for line := range strings.Lines(string(c.archive.Comment)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, value, ok := strings.Cut(rest, "=")
		switch {
		case verb == "set" && ok:
			c.options.Set[name] = value
		case verb == "host" && ok:
			known[name] = netip.MustParseAddr(value)
			c.options.Resolve = func(name string) (netip.Addr, error) {
				if a, ok := known[name]; ok {
					return a, nil
				}
				return netip.Addr{}, fmt.Errorf("%s cannot be looked up", name)
			}
		case verb == "env" && ok:
			env[name] = value
		case verb == "system":
			c.options.System = rest
		case verb == "without":
			c.options.Checker = func(name string) error {
				if name != rest {
					return nil
				}
				return fmt.Errorf("there is no file for %s", name)
			}
		case verb == "nodes":
			c.nodes = strings.Fields(rest)
		case verb == "networks":
			c.networks = strings.Fields(rest)
		case verb != "" && verb != "#":
			t.Fatalf("line %q of the case is not understood", line)
		}
	}
}

// parse reads the case's module and compares it with the case's cluster.
func (c *corpusCase) parse() (*Module, diag.Problems) {
	m, ps := Parse(c.fs(), "web", c.options)
	if m != nil && c.nodes != nil {
		ps = append(ps, CheckCluster(m, c.nodes, c.networks)...)
		ps.Sort()
		if ps.Refused() {
			m = nil
		}
	}
	return m, ps
}

// fakeHookCheck stands for the check of Lua, which belongs to another package.
func fakeHookCheck(name string, source []byte) []diag.Problem {
	at := strings.Index(string(source), "SYNTAX ERROR")
	if at < 0 {
		return nil
	}
	return []diag.Problem{diag.NewSource(name, source).Problem(diag.Error, "hook/syntax", at, at+12, "fake")}
}

// fakeRulesCheck stands for the check of failover rules, which belongs to
// another package.
func fakeRulesCheck(_ core.Mode, text string) []diag.Problem {
	at := strings.Index(text, "RULE ERROR")
	if at < 0 {
		return nil
	}
	return []diag.Problem{diag.NewSource("", []byte(text)).Problem(diag.Error, "rules/syntax", at, at+10, "fake")}
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
			m, ps := c.parse()
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
			m, ps := c.parse()
			if m == nil {
				t.Fatalf("refused:\n%v", ps)
			}
			text := ""
			for _, p := range ps {
				text += p.Error() + "\n"
				if p.Severity != diag.Note {
					t.Errorf("unexpected: %v", p)
				}
			}
			c.compare(t, text+dump(t, m))
		})
	}
}

// dump is JSON without what is empty, and without positions, which TestPositions
// looks at.
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
	b, err = json.MarshalIndent(strip(tree), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func octets(mac []any) []any {
	out := make([]any, len(mac))
	for i, x := range mac {
		out[i] = byte(x.(float64))
	}
	return out
}

// strip returns nil for what is empty.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "Pos")
		if mac, ok := v["MAC"].([]any); ok {
			v["MAC"] = strings.TrimPrefix(fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", octets(mac)...), "00:00:00:00:00:00")
		}
		for key, inner := range v {
			if v[key] = strip(inner); v[key] == nil {
				delete(v, key)
			}
		}
		if len(v) > 0 {
			return v
		}
	case []any:
		for i, inner := range v {
			v[i] = strip(inner)
		}
		if len(v) > 0 {
			return v
		}
	default:
		if v != nil && v != "" && v != false && v != float64(0) {
			return v
		}
	}
	return nil
}

// Every id must be shown by a case, but for those that need a document of an
// odd size or encoding, which TestOddDocuments has, and the comparison of
// modules.
func TestEveryProblemHasACase(t *testing.T) {
	shown := idTooLarge + idEncoding + idConflict
	for _, c := range slices.Concat(corpus(t, "testdata/bad/*.txtar"), corpus(t, "testdata/cluster/bad*.txtar")) {
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

// Every element and attribute of the language must be in a case that is
// accepted.
func TestEveryElementHasACase(t *testing.T) {
	missing := map[string]bool{}
	for _, schema := range []*Element{Schema(), ClusterSchema()} {
		for name := range parts(schema, "") {
			missing[name] = true
		}
	}
	cases := slices.Concat(corpus(t, "testdata/good/*.txtar"), corpus(t, "testdata/cluster/good*.txtar"))
	for _, c := range cases {
		for _, f := range c.archive.Files {
			if f.Name != userconfig && f.Name != "cluster.xml" {
				continue
			}
			p := newParser(f.Name, Schema())
			if root := p.decode(f.Data); root != nil {
				seen(root, "", missing)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no case in testdata/good has %s", name)
	}
	all := slices.Concat(cases, corpus(t, "testdata/bad/*.txtar"), corpus(t, "testdata/cluster/bad*.txtar"))
	if len(all) < 60 {
		t.Errorf("there are %d cases, fewer than 60", len(all))
	}
}

// parts are the elements and attributes below e, as safe/macro@name.
func parts(e *Element, path string) map[string]bool {
	path += "/" + e.Name
	out := map[string]bool{path: true}
	for _, a := range e.Attributes {
		out[path+"@"+a.Name] = true
	}
	for i := range e.Children {
		maps.Copy(out, parts(&e.Children[i], path))
	}
	return out
}

// seen takes what a document has out of missing.
func seen(n *node, path string, missing map[string]bool) {
	path += "/" + n.name
	delete(missing, path)
	for _, a := range n.attrs {
		delete(missing, path+"@"+a.name)
	}
	for _, c := range n.children {
		seen(c, path, missing)
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

func TestClusterDocuments(t *testing.T) {
	for _, c := range corpus(t, "testdata/cluster/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(c.file), ".txtar"), func(t *testing.T) {
			data, err := fs.ReadFile(c.fs(), "cluster.xml")
			if err != nil {
				t.Fatal(err)
			}
			got, ps := ParseCluster(data, "cluster.xml")
			if (got == nil) != ps.Refused() || (got == nil) != strings.HasPrefix(filepath.Base(c.file), "bad") {
				t.Errorf("got %v with %v", got, ps)
			}
			text := ps.Error() + "\n"
			if got != nil {
				text += dump(t, got)
			}
			c.compare(t, text)
		})
	}
}
