package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"unicode/utf8"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// copyOf opens the copy of a module that may be edited. Nothing outside of it can be
// reached, whatever links lie in it.
func (d *Daemon) copyOf(module string) (*os.Root, error) {
	if _, err := d.module(module); err != nil {
		return nil, err
	}
	return os.OpenRoot(d.path("modules", module))
}

// Files lists the copy of a module that may be edited.
func (d *Daemon) Files(_ context.Context, module string) ([]control.CopyFile, error) {
	root, err := d.copyOf(module)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was read only
	list := []control.CopyFile{}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		raw, err := head(root, name)
		list = append(list, control.CopyFile{Path: name, Size: info.Size(), Text: isText(raw) && info.Size() <= control.MaxEdited})
		return err
	})
	return list, err
}

// head is the beginning of a file.
func head(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was read only
	return io.ReadAll(io.LimitReader(f, 4<<10))
}

// isText says that the beginning of a file is text; a character may be cut at its end.
func isText(raw []byte) bool {
	for cut := range min(utf8.UTFMax, len(raw)+1) {
		if utf8.Valid(raw[:len(raw)-cut]) {
			return !bytes.ContainsRune(raw, 0)
		}
	}
	return false
}

// ReadFile reads a file of the copy of a module that may be edited.
func (d *Daemon) ReadFile(_ context.Context, module, name string) ([]byte, error) {
	root, err := d.copyOf(module)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was read only
	raw, err := root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("%s has no file %s", module, name)}
	}
	return raw, err
}

// WriteFile changes a file of the copy of a module that may be edited, as a whole, or
// makes one.
func (d *Daemon) WriteFile(_ context.Context, module, name string, content []byte) error {
	root, err := d.copyOf(module)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // what was written is closed below
	if !fs.ValidPath(name) || path.Base(name) == "." {
		return &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%q is no path of a file in a module", name)}
	}
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%s is no file that can be edited", name)}
	}
	fresh := name + ".new"
	err = root.MkdirAll(path.Dir(name), 0o755)
	if err == nil {
		err = root.WriteFile(fresh, content, 0o644)
	}
	if err == nil {
		err = root.Rename(fresh, name)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}
