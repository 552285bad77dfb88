package config

import (
	"fmt"
	"io/fs"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// beside lists the files of SafeKit's archives that mean nothing here.
func (p *parser) beside(fsys fs.FS) {
	for _, known := range []struct{ pattern, why string }{
		{"manifest.xml", "a module describes itself in README.md and in the doc of its macros"},
		{ExpandedFile, "it is made anew from userconfig.xml on each node"},
		{"web", "what can be set are the module's macros"},
		{"conf/*.template", "what can be set are the module's macros"},
		{"conf/*.p12", "the cluster encrypts with keys of its own"},
		{"conf/*.dat", "the cluster encrypts with keys of its own"},
	} {
		found, err := fs.Glob(fsys, known.pattern)
		if err != nil {
			continue // the patterns are right
		}
		for _, file := range found {
			p.problems = append(p.problems, diag.Problem{ID: idIgnored, Severity: diag.Note, Pos: diag.Position{File: p.options.file(file)},
				Message: fmt.Sprintf("%s has no effect: %s", file, known.why)})
		}
	}
}
