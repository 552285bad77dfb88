package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

// takeFiles writes the files of a version into the folder that hooks run from, and
// into the copy that may be edited. Each file takes the place of the old one at
// once; the folders stay, since programs of the module may work in them.
func (mod *module) takeFiles(next renewal) error {
	return errors.Join(
		updateFolder(mod.dir, next.files, next.changed), writeGenerated(mod.dir, mod.m.d.opt.Home, next.conf),
		updateFolder(mod.m.d.path("modules", mod.conf.Name), next.files, next.changed))
}

// updateFolder makes the files in dir those of next, and removes what went.
func updateFolder(dir string, next fs.FS, changed config.Changes) error {
	for _, c := range changed {
		if c.New == "" {
			if err := removeIf(filepath.Join(dir, filepath.FromSlash(c.Path))); err != nil {
				return err
			}
		}
	}
	return fs.WalkDir(next, ".", func(name string, e fs.DirEntry, err error) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(path, 0o755)
		}
		return updateFile(path, next, name)
	})
}

// updateFile replaces a file that differs.
func updateFile(path string, from fs.FS, name string) error {
	content, err := fs.ReadFile(from, name)
	if err != nil {
		return err
	}
	info, err := fs.Stat(from, name)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, content, info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Chmod(fresh, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
