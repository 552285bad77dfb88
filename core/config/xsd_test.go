package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// lint asks xmllint, which knows XML Schema, about a document; the text is empty
// if it is valid.
func lint(t *testing.T, schema, document string) string {
	t.Helper()
	out, err := exec.Command("xmllint", "--noout", "--nonet", "--schema", schema, document).CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
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
		schema := schemaFile(t, root)
		for _, c := range slices.Concat(corpus(t, "testdata/good/*.txtar"), corpus(t, "testdata/bad/*.txtar"), corpus(t, "testdata/cluster/*.txtar")) {
			at := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
			if at < 0 {
				continue
			}
			document := filepath.Join(t.TempDir(), "document.xml")
			if err := os.WriteFile(document, c.archive.Files[at].Data, 0o644); err != nil {
				t.Fatal(err)
			}
			var problems diag.Problems
			if name == userconfig {
				_, problems = c.parse()
			} else {
				_, problems = ParseCluster(c.archive.Files[at].Data, name)
			}
			got := lint(t, schema, document)
			switch {
			case got != "" && !problems.Refused():
				t.Errorf("%s is right, but xmllint says\n%s", c.file, got)
			case got == "" && slices.ContainsFunc(problems, structural):
				t.Errorf("%s is wrong, but xmllint takes it:\n%v", c.file, problems)
			}
		}
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
