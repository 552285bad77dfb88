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
	id := regexp.MustCompile(`"((?:archive|config|hook|rules)/[a-z0-9-]+)"`)
	for _, file := range files {
		area := filepath.Base(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || !slices.Contains([]string{"archive", "config", "hook", "rules"}, area) {
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

const referenceHead = `# The language of userconfig.xml

<!-- generated from the table in core/config: UPDATE=1 go test ./core/config -->

docs/modules.md tells how to write a module; this page lists every element and
attribute. "orchestrator module check" finds mistakes, docs/problems.md explains them;
"orchestrator module schema" prints an XML schema for editors.

- *Not supported yet*: refused by this version, but checked already.
- *No effect*: accepted, with a note; the reason is given.
- (D): SafeKit can change it while the module runs, its mark for dynamic
  configuration.
- *Change* is what a change does here, where the module runs. live: it is taken over, no
  connection breaks. check: the check begins anew. stopstart: the module has to be stopped
  and started, on one node after the other. stop: on all nodes at once.
  none: nobody could notice. It holds for all in an element that says nothing else.
  "orchestrator config diff" tells it of a change at hand, as some depends on more than
  one element: the first address of a module and its last need a stop, and so does, in
  vmac_invisible, traffic that would go from one group, or one filter, to another.
- A duration is made of whole numbers with the units d, h, m, s, ms, us, such as 1h30m. A
  bare number is in the unit that stands beside it. A time that would come to 0 of
  that unit, or of the finer one named, is refused.
- A *name* has letters, digits, _ - and ., at most 64. An *address* is one of IPv4 or
  IPv6; a *host* may also be a name of DNS. An *address-or-name* may be one, too, but it is
  looked up when the configuration is applied, and what is found holds on all nodes until it
  is applied again. A *folder* is written with its whole path, a
  *path* is relative. A *regex* is one of RE2. *Times* are written as in a crontab.
- Every value may have macros in it: %NAME%.

## userconfig.xml
`

const clusterHead = `
## cluster.xml

SafeKit describes the nodes in this document. Here a cluster is founded and joined:
"orchestrator cluster check cluster.xml" checks the document and tells what to type on
which server, "orchestrator cluster apply cluster.xml" does it.
`

// docs/userconfig.md is made from the schemas.
func TestReferenceIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	overview(&b, Schema())
	reference(&b, Schema(), nil, EffectStopStart)
	b.WriteString(clusterHead)
	overview(&b, ClusterSchema())
	reference(&b, ClusterSchema(), nil, "")
	const file = docs + "userconfig.md"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(page)); d != "" {
		t.Errorf("UPDATE=1 go test ./core/config rewrites it:\n%s", d)
	}
}

// overview shows which element stands in which: ? at most once, * any number, +
// at least once.
func overview(b *strings.Builder, root *Element) {
	var walk func(e *Element, depth int)
	walk = func(e *Element, depth int) {
		often := "*"
		switch {
		case e.Required && e.Once:
			often = " "
		case e.Once:
			often = "?"
		case e.Required:
			often = "+"
		}
		remark := modeNames(e.Modes)
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("    %-42s %s %s", strings.Repeat("  ", depth)+"<"+e.Name+">", often, remark), " "))
		for i := range e.Children {
			walk(&e.Children[i], depth+1)
		}
	}
	fmt.Fprint(b, "\nWhich element stands in which: `?` at most once, `*` any number, `+` at least once.\n\n")
	walk(root, 0)
}

func reference(b *strings.Builder, e *Element, parents []string, around Effect) {
	path := slices.Concat(parents, []string{e.Name})
	fmt.Fprintf(b, "\n### %s\n\n%s", strings.Join(path, "/"), markdown(e.Doc))
	switch {
	case e.Required && e.Once:
		fmt.Fprint(b, " Exactly one.")
	case e.Once:
		fmt.Fprint(b, " At most one.")
	case e.Required:
		fmt.Fprint(b, " At least one.")
	}
	if rest := strings.TrimSpace(strings.TrimPrefix(e.remark(), e.Doc)); rest != "" {
		fmt.Fprintf(b, " *%s*", markdown(rest))
	}
	effect := around
	if around != "" {
		if effect = e.effect(around); effect != around || len(parents) == 1 {
			fmt.Fprintf(b, " *Change: %s.*", effect)
		}
	}
	fmt.Fprint(b, "\n")
	if len(e.Attributes) > 0 {
		fmt.Fprint(b, "\n| attribute | value | default | |\n|---|---|---|---|\n")
	}
	for _, a := range e.Attributes {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", a.Name, kindText(a), defaultText(a), meaning(a, effect))
	}
	for i := range e.Children {
		reference(b, &e.Children[i], path, effect)
	}
}

func kindText(a Attribute) string {
	text := string(a.Kind)
	switch a.Kind {
	case KindChoice:
		text = strings.Join(a.Values, ", ")
	case KindDuration:
		text += ", in " + a.Unit
		if a.Grain != "" {
			text += ", down to 1" + a.Grain
		}
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

func meaning(a Attribute, around Effect) string {
	plain := a
	plain.Unit = "" // it stands in a column of its own
	text := a.Doc
	if rest := strings.TrimSpace(strings.TrimPrefix(plain.remark(), a.Doc)); rest != "" {
		text += " *" + rest + "*"
	}
	if a.Effect != "" && a.Effect != around {
		text += " *Change: " + string(a.Effect) + ".*"
	}
	return markdown(text)
}

// markdown keeps names of elements from being taken for HTML.
func markdown(text string) string { return strings.ReplaceAll(text, "<", "&lt;") }

// The schema itself must be sound: defaults that are values, and a word on
// everything.
func TestSchemaIsSound(t *testing.T) {
	var look func(e *Element)
	look = func(e *Element) {
		if e.Doc == "" || e.Status == "" {
			t.Errorf("<%s> has no doc or status", e.Name)
		}
		if (e.Status == Ignored) != (e.Why != "") {
			t.Errorf("<%s>: a reason is given exactly if it is ignored", e.Name)
		}
		seen := map[string]bool{}
		for i := range e.Attributes {
			a := &e.Attributes[i]
			where := e.Name + "/" + a.Name
			if a.Doc == "" || a.Status == "" || a.Kind == "" || seen[a.Name] {
				t.Errorf("%s is not complete, or there twice: %+v", where, a)
			}
			seen[a.Name] = true
			if (a.Kind == KindDuration) != (a.Unit != "") || a.Grain != "" && unitSize(a.Grain) >= unitSize(a.Unit) {
				t.Errorf("%s: exactly durations have a unit, and what they are exact to is less", where)
			}
			if (a.Status == Ignored) != (a.Why != "") {
				t.Errorf("%s: a reason is given exactly if it is ignored", where)
			}
			v := value{text: a.Default}
			if _, _, err := v.convert(a); a.Default != "" && err != nil {
				t.Errorf("%s: the default: %v", where, err)
			}
		}
		for i := range e.Children {
			look(&e.Children[i])
		}
	}
	look(Schema())
	look(ClusterSchema())
}
