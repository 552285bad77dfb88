package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docs = "../../docs/"

// Every id of a problem in the code has its paragraph, and every paragraph an
// id.
func TestProblemsAreDocumented(t *testing.T) {
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	id := regexp.MustCompile(`"((?:archive|config|hook)/[a-z0-9-]+)"`)
	for _, file := range files {
		area := filepath.Base(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || !slices.Contains([]string{"archive", "config", "hook"}, area) {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range id.FindAllStringSubmatch(string(source), -1) {
			if m[1] != "archive/zip" { // an import
				used[m[1]] = true
			}
		}
	}
	if len(used) < 40 {
		t.Fatalf("only %d ids found: the test looks in the wrong place", len(used))
	}
	page, err := os.ReadFile(docs + "problems.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, part := range strings.Split(string(page), "\n### ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		if len(strings.Fields(text)) < 5 {
			t.Errorf("%s has no paragraph", name)
		}
		if documented[name] {
			t.Errorf("%s is explained twice", name)
		}
		documented[name] = true
		if !used[name] {
			t.Errorf("%s is explained but not used", name)
		}
	}
	for name := range used {
		if !documented[name] {
			t.Errorf("%s is not explained in docs/problems.md", name)
		}
	}
}

// The reference in docs/modules.md is made from the schema.
func TestReferenceIsCurrent(t *testing.T) {
	page, err := os.ReadFile(docs + "modules.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), "./core/config -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- end -->")
	if !ok || !ok2 {
		t.Fatal("docs/modules.md has no place for the reference")
	}
	var b strings.Builder
	reference(&b, Schema(), nil)
	want := head + "./core/config -->\n" + b.String() + "<!-- end -->" + tail
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(docs+"modules.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(page)); d != "" {
		t.Errorf("UPDATE=1 go test ./core/config rewrites it:\n%s", d)
	}
}

func reference(b *strings.Builder, e *Element, parents []string) {
	path := slices.Concat(parents, []string{e.Name})
	fmt.Fprintf(b, "\n### %s\n\n%s", strings.Join(path, "/"), e.Doc)
	switch {
	case e.Status == NotYet:
		fmt.Fprintf(b, " *Not supported yet.*\n")
		return // what is in it does not matter yet
	case e.Required && e.Once:
		fmt.Fprint(b, " Exactly one.")
	case e.Once:
		fmt.Fprint(b, " At most one.")
	case e.Required:
		fmt.Fprint(b, " At least one.")
	}
	fmt.Fprint(b, "\n")
	if len(e.Attributes) > 0 {
		fmt.Fprint(b, "\n| attribute | value | default | |\n|---|---|---|---|\n")
	}
	for _, a := range e.Attributes {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", a.Name, kindText(a), defaultText(a), meaning(a))
	}
	for i := range e.Children {
		reference(b, &e.Children[i], path)
	}
}

func kindText(a Attribute) string {
	text := string(a.Kind)
	switch a.Kind {
	case KindChoice:
		text = strings.Join(a.Values, ", ")
	case KindDuration:
		text += " (" + a.Unit + ")"
	case KindNumber:
		text += fmt.Sprintf(" from %d", a.Min)
		if a.Max != 0 {
			text += fmt.Sprintf(" to %d", a.Max)
		}
	}
	if a.Star {
		text += " or `*`"
	}
	return text
}

func defaultText(a Attribute) string {
	switch {
	case a.Required:
		return "required"
	case a.Default == "":
		return ""
	}
	return "`" + a.Default + "`"
}

func meaning(a Attribute) string {
	text := a.Doc
	switch a.Status {
	case Ignored:
		text += " *No effect: " + a.Why + ".*"
	case NotYet:
		text += " *Not supported yet.*"
	}
	if len(a.NotYet) > 0 {
		text += " *Not supported yet: " + strings.Join(a.NotYet, ", ") + ".*"
	}
	if a.New {
		text += " *New.*"
	}
	return text
}

// The schema itself must be sound: defaults that are values, and a word on
// everything.
func TestSchemaIsSound(t *testing.T) {
	var look func(e *Element)
	look = func(e *Element) {
		if e.Doc == "" || e.Status == "" {
			t.Errorf("<%s> has no doc or status", e.Name)
		}
		seen := map[string]bool{}
		for i := range e.Attributes {
			a := &e.Attributes[i]
			where := e.Name + "/" + a.Name
			if a.Doc == "" || a.Status == "" || a.Kind == "" || seen[a.Name] {
				t.Errorf("%s is not complete, or there twice: %+v", where, a)
			}
			seen[a.Name] = true
			if (a.Status == Ignored) != (a.Why != "") {
				t.Errorf("%s: a reason is given exactly if it is ignored", where)
			}
			v := value{text: a.Default}
			if _, _, err := v.convert(a); a.Default != "" && err != nil {
				t.Errorf("%s: the default: %v", where, err)
			}
			for _, later := range a.NotYet {
				if !slices.Contains(a.Values, later) {
					t.Errorf("%s: %s is no value", where, later)
				}
			}
		}
		for i := range e.Children {
			look(&e.Children[i])
		}
	}
	look(Schema())
}
