package sdk

import (
	"os"
	"path/filepath"
	"strings"

	plugin "github.com/hashicorp/go-plugin"
)

// removeSocketDir removes the directory which the host made for this process's
// socket, and would remove if it still could.
func removeSocketDir() {
	if dir := os.Getenv(plugin.EnvUnixSocketDir); strings.HasPrefix(filepath.Base(dir), "plugin-dir") {
		_ = os.RemoveAll(dir) // nobody is left to tell
	}
}
