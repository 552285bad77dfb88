package core_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxSize is how many lines the state machine may have: whoever reads it has to be able to hold it
// in mind. What would make it longer belongs to a host, or to a pure package beside it.
const maxSize = 3300

func TestCoreStaysSmall(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), "\n")
	}
	if lines > maxSize || lines < maxSize/2 {
		t.Errorf("core has %d lines without tests; it is to have at most %d (docs/architecture.md): take out what is not the state machine's", lines, maxSize)
	}
}
