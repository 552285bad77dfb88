package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

// writeGenerated puts what is made of a module's configuration into the folder that its
// hooks run from: files that scripts read, also while the daemon is busy.
func writeGenerated(dir, home string, conf *config.Module) error {
	if err := writeBelow(dir, config.ExpandedFile, conf.Expanded(), 0o600); err != nil { // there may be passwords in it
		return fmt.Errorf("write the expanded configuration: %w", err)
	}
	for _, h := range conf.VirtualHosts {
		if err := writeBelow(dir, "bin/"+h.EnvFile, []byte(envFile), 0o644); err != nil {
			return fmt.Errorf("write the file that sets the host name: %w", err)
		}
	}
	for _, verb := range []string{"start", "stop"} {
		name, text := wrapper(conf.Name, home, verb, runtime.GOOS)
		if err := writeBelow(dir, "bin/"+name, []byte(text), 0o755); err != nil {
			return fmt.Errorf("write the script that starts the application without the module: %w", err)
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

// wrapper is a script beside a module's hooks that starts or stops its application without the
// module, as SafeKit makes it.
func wrapper(module, home, verb, goos string) (name, text string) {
	name = module + "_" + verb + "_wrapper"
	if goos == "windows" {
		return name + ".ps1", fmt.Sprintf("# Made anew with each configuration. See: orchestrator bare --help\r\n$env:ORCHESTRATOR_HOME = %s\r\n& %s bare %s %s\r\nexit $LASTEXITCODE\r\n",
			psQuoted(home), psQuoted(filepath.Join(home, "bin", "orchestrator.exe")), verb, psQuoted(module))
	}
	return name + ".sh", fmt.Sprintf("#!/bin/sh\n# Made anew with each configuration. See: orchestrator bare --help\nORCHESTRATOR_HOME=%s exec %s bare %s %s\n",
		quoted(home), quoted(filepath.Join(home, "bin", "orchestrator")), verb, quoted(module))
}

// quoted is a word of a shell's line (POSIX Shell Command Language, 2.2.2).
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// psQuoted is a word of PowerShell's.
func psQuoted(word string) string { return "'" + strings.ReplaceAll(word, "'", "''") + "'" }
