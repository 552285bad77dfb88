package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/diag"
	"github.com/orchestrator-ha/orchestrator/modules"
)

// maxArchive is the largest archive file that is read, in bytes.
const maxArchive = 256 << 20

// source is where a module comes from: a folder, an archive, or this program.
type source struct {
	name    string // of the module
	folder  string // not empty: a folder
	file    string // not empty: an archive
	builtin string // not empty: comes with the product
}

// findSource finds the module that a person means by arg: a file or folder if
// there is one, else a shipped module.
func findSource(arg string) (source, error) {
	s := source{name: moduleName(arg)}
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		if abs, err := filepath.Abs(arg); err == nil {
			s.name = filepath.Base(abs) // of "."
		}
		s.folder = arg
		return s, nil
	case err == nil:
		s.file = arg
		return s, nil
	case !errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("look at %s: %w", arg, err)
	case arg == filepath.Base(arg) && slices.Contains(modules.Names(), s.name):
		s.builtin = s.name
		return s, nil
	}
	hint := "shipped: " + strings.Join(modules.Names(), ", ")
	if near := diag.Nearest(filepath.Base(arg), names(modules.Names())); near != "" && arg == filepath.Base(arg) {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return s, fmt.Errorf("there is no file or folder %s, and no shipped module of that name; %s", arg, hint)
}

// names are those of modules, with .safe and without.
func names(modules []string) []string {
	all := slices.Clone(modules)
	for _, name := range modules {
		all = append(all, name+".safe")
	}
	return all
}

// moduleName is a path's last part without .safe or .zip.
func moduleName(path string) string {
	name := filepath.Base(path)
	for _, ext := range []string{".safe", ".zip"} {
		if cut, ok := strings.CutSuffix(name, ext); ok {
			return cut
		}
	}
	return name
}

// open gives the module's files.
func (s source) open() (fs.FS, error) {
	switch {
	case s.folder != "":
		return os.DirFS(s.folder), nil
	case s.file != "":
		return archive.Open(s.file, archive.DefaultLimits())
	}
	files, ok := modules.Builtin(s.builtin)
	if !ok {
		return nil, fmt.Errorf("the program has no module %s", s.builtin)
	}
	return files, nil
}

// where is put before file names in messages.
func (s source) where() string {
	switch {
	case s.folder != "":
		return filepath.ToSlash(s.folder)
	case s.file != "":
		return s.file + ":"
	}
	return s.builtin + ".safe:"
}
