//go:build unix

package hook

import (
	"os"
	"path/filepath"
	"testing"
)

// symlink puts links that lead out of the module into its bin/.
func symlink(t *testing.T, dir string) {
	t.Helper()
	outside := filepath.Join(t.TempDir(), "outside.lua")
	if err := os.WriteFile(outside, []byte("return 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "bin", "link.lua")); err != nil {
		t.Fatal(err)
	}
}
