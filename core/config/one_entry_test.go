package config

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// withGadget is the language with one more element.
func withGadget() *Element {
	root := Schema()
	service := root.child("service")
	service.Children = append(service.Children, Element{Name: "gadget", Status: Used, Key: []string{"ident"}, Effect: EffectCheck, Doc: "A thing of this test.",
		Attributes: []Attribute{
			{Name: "ident", Kind: KindName, Required: true, Status: Used, Doc: "Its name."},
			{Name: "level", Kind: KindNumber, Min: 1, Max: 9, Default: "2", Status: Used, Doc: "How much."},
			{Name: "patience", Kind: KindDuration, Unit: "s", Default: "10s", Status: Ignored, Why: "nobody waits", Doc: "How long."},
		}})
	return root
}

func readWith(root *Element, gadgets string) (*Module, diag.Problems, string) {
	text := `<safe><macro name="L" value="7"/><service mode="light"><user/>` + gadgets + `</service></safe>`
	p := newParser(userconfig, root)
	p.name, p.files = "web", fstest.MapFS{userconfig: {Data: []byte(text)}}
	m := p.module(p.files)
	p.finish()
	return m, p.problems, text
}

// An element needs its entry in the table, and nothing else, to be checked, completed, compared,
// explained and known to editors. What acts on it is all that has to be written.
func TestAnElementNeedsOneEntry(t *testing.T) {
	root := withGadget()
	was, problems, good := readWith(root, `<gadget ident="a" level="%L%"/><gadget ident="b"/>`)
	if len(problems) > 0 || !strings.Contains(string(was.Expanded()), `<gadget ident="a" level="7" patience="10s"/>`) {
		t.Errorf("a good document: %v\n%s", problems, was.Expanded())
	}
	bad := map[string][]byte{"good.xml": []byte(good)}
	for name, c := range map[string]struct{ text, id, hint string }{
		"unknown":  {`<gadgit ident="a"/>`, idUnknownElement, "<gadget>"},
		"misspelt": {`<gadget ident="a" levle="3"/>`, idUnknownAttribute, `"level"`},
		"missing":  {`<gadget level="3"/>`, idMissingAttribute, ""},
		"range":    {`<gadget ident="a" level="12"/>`, idNumber, ""},
	} {
		_, problems, text := readWith(root, c.text)
		if len(problems) != 1 || problems[0].ID != c.id || !strings.Contains(problems[0].Hint, c.hint) || problems[0].Pos.Line != 1 {
			t.Errorf("%s: %v", name, problems)
		}
		bad[name+".xml"] = []byte(text)
	}
	_, problems, _ = readWith(root, `<gadget ident="a" patience="3s"/>`)
	if len(problems) != 1 || problems[0].Severity != diag.Note || !strings.Contains(problems.Error(), "nobody waits") {
		t.Errorf("what is ignored is not told: %v", problems)
	}

	is, _, _ := readWith(root, `<gadget ident="a" level="3"/><gadget ident="c"/>`)
	c := &comparison{}
	service := root.child("service")
	c.element("service", service, EffectStopStart, was.doc.child(service), is.doc.child(service))
	var paths []string
	for _, one := range c.changes {
		paths = append(paths, one.Path+" "+string(one.Effect))
	}
	if want := []string{"service/gadget[a]/@level check", "service/gadget[b] check", "service/gadget[c] check"}; !slices.Equal(paths, want) {
		t.Errorf("compared: %q, want %q", paths, want)
	}

	var page strings.Builder
	overview(&page, root)
	reference(&page, root, nil, EffectStopStart)
	for _, want := range []string{"    <gadget>", "### safe/service/gadget", "| level | number from 1 to 9 | `2` | How much. |", "nobody waits"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the reference lacks %q", want)
		}
	}
	said := lint(t, schemaFile(t, root), bad)
	for name := range bad {
		if (said[name] == "") != (name == "good.xml") {
			t.Errorf("the XML schema about %s: %q", name, said[name])
		}
	}
}

// Names of the language that can be taken for nothing else stand in this package alone: what acts
// on an element gets what was read, not the document.
func TestTheLanguageIsKnownHereAlone(t *testing.T) {
	var names []string
	var walk func(e *Element)
	walk = func(e *Element) {
		names = append(names, e.Name)
		for _, a := range e.Attributes {
			names = append(names, a.Name)
		}
		for i := range e.Children {
			walk(&e.Children[i])
		}
	}
	walk(Schema())
	walk(ClusterSchema())
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.Contains(n, "_") })
	if len(names) < 20 {
		t.Fatalf("only %q", names)
	}
	seen := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains([]string{"../../core/config", "../../core/simtest"}, filepath.ToSlash(path)):
			return fs.SkipDir // the language, and that of scenarios
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := goparser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		seen++
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && slices.Contains(names, text) {
					t.Errorf("%s speaks of %s itself", set.Position(lit.Pos()), text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 300 {
		t.Errorf("%d files: %v", seen, err)
	}
}
