package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A module's scripts find the program under its old names, also after the program
// has moved.
func TestToolsForScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links of Windows are made in another way")
	}
	dir := filepath.Join(t.TempDir(), "bin")
	for _, program := range []string{"/opt/old/orchestrator-1", "/opt/new/orchestrator"} {
		if err := linkTools(dir, program); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"safekit", "boundcmd", "orchestrator", filepath.Base(program)} {
			if to, err := os.Readlink(filepath.Join(dir, name)); err != nil || to != program {
				t.Errorf("%s leads to %q: %v", name, to, err)
			}
		}
	}
}
