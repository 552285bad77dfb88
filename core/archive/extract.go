package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Extract writes the files into the folder dir as one step: everything is
// written beside it first, then takes its place. A folder that was there is
// replaced as a whole. After an error, or a crash at any moment, dir is what it
// was before or complete; only on systems without an exchanging rename it can
// be missing for a moment while the old content lies beside it.
func Extract(fsys fs.FS, dir string) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("unpack module: %w", err)
	}
	temp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".new-")
	if err != nil {
		return fmt.Errorf("unpack module: %w", err)
	}
	defer os.RemoveAll(temp) // holds the old content after an exchange
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("unpack module: %w", err)
	}
	if err := walk(fsys, func(name string, data []byte) error {
		return writeFile(filepath.Join(temp, filepath.FromSlash(name)), data, modeOf(name))
	}); err != nil {
		return fmt.Errorf("unpack module: %w", err)
	}
	if err := takePlace(temp, dir); err != nil {
		return fmt.Errorf("unpack module into %s: %w", dir, err)
	}
	return syncDir(parent)
}

func writeFile(name string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// takePlace puts temp where dir is. Afterwards temp is gone, or holds what dir
// was.
func takePlace(temp, dir string) error {
	err := os.Rename(temp, dir) // works where nothing or an empty folder is
	if err == nil {
		return nil
	}
	if _, statErr := os.Lstat(dir); statErr != nil {
		return err
	}
	if err := exchange(temp, dir); err == nil || !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	old := temp + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
