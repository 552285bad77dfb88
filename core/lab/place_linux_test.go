package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// A lab runs its own program, not one that an earlier lab of the name has left behind.
func TestProgramOfAnEarlierLab(t *testing.T) {
	p := place{name: "lab", dir: t.TempDir()}
	for _, program := range []string{"/old/orchestrator", "/new/orchestrator"} {
		if err := prepareDir(p, program); err != nil {
			t.Fatal(err)
		}
		if to, err := os.Readlink(filepath.Join(p.bin(), "orchestrator")); err != nil || to != program {
			t.Errorf("the program is %s, %v, not %s", to, err, program)
		}
	}
}
