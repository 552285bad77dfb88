package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// hookKind says how a hook is run.
type hookKind string

const (
	kindNone  hookKind = ""
	kindLua   hookKind = ".lua"
	kindPlain hookKind = "program" // executed as it is
	kindSh    hookKind = ".sh"
	kindCmd   hookKind = ".cmd"
	kindPS    hookKind = ".ps1"
	kindVBS   hookKind = ".vbs"
)

// suffix is a file name's end and how such a hook is run.
type suffix struct {
	end  string
	kind hookKind
}

// suffixes in order of preference.
func suffixes(goos string) []suffix {
	if goos == "windows" {
		return []suffix{{".lua", kindLua}, {".exe", kindPlain}, {".cmd", kindCmd}, {".bat", kindCmd}, {".ps1", kindPS}, {".vbs", kindVBS}}
	}
	return []suffix{{".lua", kindLua}, {"", kindPlain}, {".sh", kindSh}}
}

var (
	hookName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// fileName is that of another program of a module that is called as a hook is; it
	// leads nowhere out of bin/.
	fileName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
)

// locate finds the file of a hook. kindNone without an error means that the
// module has no such hook.
func locate(dir, name string) (path string, kind hookKind, err error) {
	if !fileName.MatchString(name) {
		return "", kindNone, fmt.Errorf("find hook: %q is no name of a hook: letters, digits, _, - and . only", name)
	}
	for _, s := range suffixes(runtime.GOOS) {
		path := filepath.Join(dir, "bin", name+s.end)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", kindNone, fmt.Errorf("find hook %s: %w", name, err)
		case info.Mode().IsRegular():
			return path, s.kind, nil
		}
	}
	return "", kindNone, nil
}

// Find returns the names of the hooks that the module in dir has. Every file
// in bin/ whose name could be that of a hook counts, so helper scripts may
// be among them; callers ask for the names that they know.
func (h *Host) Find(dir string) map[string]bool {
	found := map[string]bool{}
	entries, err := os.ReadDir(filepath.Join(dir, "bin"))
	if err != nil {
		return found // no bin/ is a module without hooks
	}
	for _, e := range entries {
		for _, s := range suffixes(runtime.GOOS) {
			name, ok := strings.CutSuffix(e.Name(), s.end)
			if ok && hookName.MatchString(name) && !e.IsDir() {
				found[name] = true
			}
		}
	}
	return found
}
