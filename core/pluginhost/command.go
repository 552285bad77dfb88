package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// command answers the path to execute and the arguments. This binary is
// executed through /proc/self/exe where there is one, so that a plugin that
// is restarted is of the host's version even if the file was replaced.
func (p Program) command(dirs []string) (path string, args []string, err error) {
	path = p.Path
	if p.Separate != "" {
		if path, err = find(p.Separate, dirs); err != nil {
			return "", nil, err
		}
	}
	name := path
	if path == "" {
		name = os.Args[0]
		path = name
		if exe, err := os.Executable(); err == nil {
			name, path = exe, exe
		}
		if runtime.GOOS == "linux" {
			path = "/proc/self/exe"
		}
	}
	return path, append([]string{name}, strings.Fields(p.Args)...), nil
}

// verify checks that an external program is the one that was pinned.
func (p Program) verify() error {
	if p.Path == "" {
		return nil
	}
	f, err := os.Open(p.Path)
	if err != nil {
		return fmt.Errorf("open plugin: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at plugin: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s may be written by others than its owner (%v); chmod go-w it", p.Path, info.Mode().Perm())
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("read plugin: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, p.SHA256) {
		return fmt.Errorf("%s has SHA-256 %s, but %s is pinned; if the file was replaced on purpose, pin the new one", p.Path, got, p.SHA256)
	}
	return nil
}
