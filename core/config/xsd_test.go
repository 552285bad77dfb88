package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// lint asks xmllint, which knows XML Schema, about documents and returns what it
// says of each; the text is empty if the document is valid.
func lint(t *testing.T, schema string, documents map[string][]byte) map[string]string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--schema", schema}
	for name, text := range documents {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, filepath.Join(dir, name))
	}
	out, _ := exec.Command("xmllint", args...).CombinedOutput() // it fails if one document is wrong
	said := map[string]string{}
	for name := range documents {
		said[name] = "xmllint says nothing"
	}
	for line := range strings.Lines(string(out)) {
		path, rest, _ := strings.Cut(strings.TrimPrefix(line, dir+"/"), ".xml")
		if name := path + ".xml"; rest == " validates\n" {
			delete(said, name)
		} else if _, known := said[name]; known {
			said[name] += "\n" + line
		}
	}
	return said
}

func schemaFile(t *testing.T, root *Element) string {
	t.Helper()
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils)")
	}
	file := filepath.Join(t.TempDir(), root.Name+".xsd")
	if err := os.WriteFile(file, []byte(XSD(root)), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// The XML schema takes what Parse takes, and refuses what is wrong with a
// document's structure or with a value by itself.
func TestSchemaJudgesTheCorpus(t *testing.T) {
	for name, root := range map[string]*Element{userconfig: Schema(), "cluster.xml": ClusterSchema()} {
		documents, problems := map[string][]byte{}, map[string]diag.Problems{}
		for i, c := range slices.Concat(corpus(t, "testdata/good/*.txtar"), corpus(t, "testdata/bad/*.txtar"), corpus(t, "testdata/cluster/*.txtar")) {
			at := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
			if at < 0 {
				continue
			}
			file := fmt.Sprintf("%d-%s.xml", i, strings.TrimSuffix(filepath.Base(c.file), ".txtar"))
			documents[file] = c.archive.Files[at].Data
			if name == userconfig {
				_, problems[file] = c.parse()
			} else {
				_, problems[file] = ParseCluster(documents[file], name)
			}
		}
		said := lint(t, schemaFile(t, root), documents)
		for file, found := range problems {
			wrong, why := said[file]
			switch {
			case why && !found.Refused():
				t.Errorf("%s is right, but xmllint says\n%s", file, wrong)
			case !why && slices.ContainsFunc(found, structural):
				t.Errorf("%s is wrong, but xmllint takes it:\n%v", file, found)
			}
		}
		t.Logf("%d documents of %s, %d of them not valid", len(documents), root.Name, len(said))
	}
}

// The modules that come with the product show the language; their documents are
// valid.
func TestSchemaTakesShippedModules(t *testing.T) {
	files, err := filepath.Glob("../../modules/*/" + userconfig)
	if err != nil || len(files) < 5 {
		t.Fatalf("modules: %v %v", files, err)
	}
	documents := map[string][]byte{}
	for i, file := range files {
		if documents[fmt.Sprintf("%d.xml", i)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	for file, wrong := range lint(t, schemaFile(t, Schema()), documents) {
		t.Errorf("%s of %v: %s", file, files, wrong)
	}
}

// structural says that the XML schema must find the problem too.
func structural(p diag.Problem) bool {
	switch p.ID {
	case idSyntax, idUnknownElement, idMisplaced, idText, idUnknownAttribute, idRepeatedAttr, idPort, idNumber, idValue:
		return len(p.Related) == 0 && !strings.Contains(p.Message, "(from ") && // not by a macro
			!strings.Contains(p.Hint, "program in bin/") // any text can be one
	case idMissingElement:
		return !strings.HasPrefix(p.Message, "<interface>") && !strings.HasSuffix(p.Message, "beside it") // that depends on the mode
	}
	return false
}
