package accept_test

import (
	"path/filepath"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// withDisk is the program such that each node sees a disk of its own (lab.WriteDiskProgram).
func withDisk(t *testing.T, makeDisk, mounts string) string {
	t.Helper()
	wrapper := filepath.Join(t.TempDir(), "orchestrator")
	if err := lab.WriteDiskProgram(wrapper, program, makeDisk, mounts); err != nil {
		t.Fatal(err)
	}
	return wrapper
}
