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
	if err := writeBelow(dir, config.ExpandedFile, conf.Expanded(), 0o600); err != nil { // there may be passwords in it
		return fmt.Errorf("write the expanded configuration: %w", err)
	}
	for _, h := range conf.VirtualHosts {
		if err := writeBelow(dir, "bin/"+h.EnvFile, []byte(envFile), 0o644); err != nil {
			return fmt.Errorf("write the file that sets the host name: %w", err)
		}
	}
	return nil
}

// envFile is for shell scripts that read the envfile of a <virtualhostname>. A program
// that runs as a hook has the host name before its first line, if its role has one.
const envFile = `# Made from <virtualhostname> in userconfig.xml; a change here is lost.
# The host name itself is there by now: "orchestrator" gives it to all programs of hooks.
HOSTNAME=$(uname -n)
export HOSTNAME
`

func writeBelow(dir, name string, content []byte, mode os.FileMode) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := replaceFile(path, content); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
