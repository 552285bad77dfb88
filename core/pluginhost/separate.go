package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// separatePrefix begins the file names of plugins that are programs of their own, and
// lie in one of Options.Dirs: orchestrator-checker-sql.
const separatePrefix = "orchestrator-"

// Separate is a plugin that is a program of its own, named after it, in one of the
// host's directories.
func Separate(kind sdk.Kind, name string) Plugin {
	return Plugin{Kind: kind, Name: name, Program: Program{Separate: separatePrefix + string(kind) + "-" + name}}
}

// discover answers the separate plugins in the directories that the table does not
// have. A file that may not be run is one all the same: whoever uses it learns why not.
func discover(dirs []string, table []Plugin) []Plugin {
	var found []Plugin
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it need not exist
		}
		for _, e := range entries {
			rest, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".exe"), separatePrefix)
			kind, name, both := strings.Cut(rest, "-")
			if !ok || !both || name == "" || !slices.Contains([]sdk.Kind{sdk.KindChecker, sdk.KindApplication}, sdk.Kind(kind)) {
				continue
			}
			known := func(p Plugin) bool { return p.Kind == sdk.Kind(kind) && p.Name == name }
			if !slices.ContainsFunc(table, known) && !slices.ContainsFunc(found, known) {
				found = append(found, Separate(sdk.Kind(kind), name))
			}
		}
	}
	return found
}

// Missing tells why a plugin cannot be run by a host that knows those, and looks for
// programs in dirs; nil if it can.
func Missing(known []Plugin, kind sdk.Kind, name string, dirs []string) error {
	plugin := Separate(kind, name)
	if i := slices.IndexFunc(known, func(p Plugin) bool { return p.Kind == kind && p.Name == name }); i >= 0 {
		plugin = known[i]
	}
	if plugin.Program.Separate == "" {
		return nil // it is in this program
	}
	_, err := find(plugin.Program.Separate, dirs)
	return err
}

// find answers the path of a separate program. It is trusted as this program is: only
// root, or who runs this, can have written it. Who can write in its folder could replace
// this program as well.
func find(name string, dirs []string) (string, error) {
	file := name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, file)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", fmt.Errorf("look at plugin: %w", err)
		case !info.Mode().IsRegular():
			return "", fmt.Errorf("%s is no file", path)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0 {
			return "", fmt.Errorf("%s is not executable; chmod +x it", path)
		}
		return path, trusted(path)
	}
	return "", fmt.Errorf("there is no %s in %s: copy it there, from the release that this program is of", file, strings.Join(dirs, " or "))
}
