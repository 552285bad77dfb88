package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

// writeGenerated puts what is made of a module's configuration into the folder that its
// hooks run from: files that scripts read, also while the daemon is busy.
func writeGenerated(dir string, conf *config.Module) error {
	path := filepath.Join(dir, filepath.FromSlash(config.ExpandedFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of the expanded configuration: %w", err)
	}
	if err := replaceFile(path, conf.Expanded()); err != nil { // for root alone: there may be passwords in it
		return fmt.Errorf("write the expanded configuration: %w", err)
	}
	return nil
}
