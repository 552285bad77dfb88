package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core"
)

const (
	fileItem    = "item.json"
	fileContent = "content"
	unfinished  = ".new-*"
)

// DamagedError says that the current version of an item cannot be read. The
// item is treated as absent, so the content comes back from another node.
type DamagedError struct {
	Name string
	Path string // the folder of the version
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged in %s (it is fetched again from another node; if there is none, apply it again): %v", e.Name, e.Path, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

func versionFolder(v Version) string { return fmt.Sprintf("%020d-%02d", v.Counter, v.Node) }

func parseVersion(folder string) (Version, bool) {
	var v Version
	var n int
	if _, err := fmt.Sscanf(folder, "%020d-%02d", &v.Counter, &n); err != nil || n < 1 || n > core.MaxNodes {
		return Version{}, false
	}
	v.Node = core.NodeID(n)
	return v, versionFolder(v) == folder
}

func (c *Catalog) path(name string, v Version) string {
	return filepath.Join(c.dir, folder(name), versionFolder(v))
}

// versions lists the stored versions of an item, the oldest first, and removes
// what a crash left unfinished if clean is set.
func (c *Catalog) versions(name string, clean bool) ([]Version, error) {
	dir := filepath.Join(c.dir, folder(name))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the versions of %s: %w", name, err)
	}
	var list []Version
	for _, e := range entries {
		if v, ok := parseVersion(e.Name()); ok {
			list = append(list, v)
		} else if clean && e.Name()[0] == '.' {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("remove what a crash left: %w", err)
			}
		}
	}
	slices.SortFunc(list, Version.Compare)
	return list, nil
}

// describe reads item.json of a version.
func (c *Catalog) describe(name string, v Version) (Item, error) {
	var it Item
	raw, err := os.ReadFile(filepath.Join(c.path(name, v), fileItem))
	if err != nil {
		return Item{}, err
	}
	if err := json.Unmarshal(raw, &it); err != nil {
		return Item{}, fmt.Errorf("read %s: %w", fileItem, err)
	}
	if it.Name != name || it.Version != v {
		return Item{}, fmt.Errorf("%s describes %s version %s", fileItem, it.Name, it.Version)
	}
	return it, it.check()
}

// read reads a version with its content and checks it.
func (c *Catalog) read(name string, v Version) (Item, error) {
	it, err := c.describe(name, v)
	if err == nil {
		it.Content, err = os.ReadFile(filepath.Join(c.path(name, v), fileContent))
	}
	if err == nil {
		err = it.checkContent()
	}
	if err != nil {
		return Item{}, &DamagedError{Name: name, Path: c.path(name, v), Err: err}
	}
	return it, nil
}

// readPart reads up to n bytes of a version's content from offset on.
func (c *Catalog) readPart(name string, v Version, offset int64, n int) ([]byte, error) {
	f, err := os.Open(filepath.Join(c.path(name, v), fileContent))
	if err != nil {
		return nil, fmt.Errorf("read %s version %s: %w", name, v, err)
	}
	defer f.Close()
	part := make([]byte, n)
	got, err := f.ReadAt(part, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s version %s: %w", name, v, err)
	}
	return part[:got], nil
}

// write stores a version; when it returns, the version survives a power loss.
func (c *Catalog) write(it Item) (err error) {
	dir := filepath.Join(c.dir, folder(it.Name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, unfinished)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temp)
		}
	}()
	raw, err := json.Marshal(it)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(temp, fileContent), it.Content); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(temp, fileItem), raw); err != nil {
		return err
	}
	if err := syncDir(temp); err != nil {
		return err
	}
	// Only a damaged or losing twin can be there.
	if err := os.RemoveAll(c.path(it.Name, it.Version)); err != nil {
		return err
	}
	if err := os.Rename(temp, c.path(it.Name, it.Version)); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(c.dir))
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// prune removes all but the last versions of an item.
func (c *Catalog) prune(name string) error {
	list, err := c.versions(name, false)
	if err != nil {
		return err
	}
	for len(list) > Kept {
		if err := os.RemoveAll(c.path(name, list[0])); err != nil {
			return fmt.Errorf("remove an old version of %s: %w", name, err)
		}
		list = list[1:]
	}
	return nil
}

// removeAfter removes versions later than v: damaged ones, when v is the best
// that the cluster still has.
func (c *Catalog) removeAfter(name string, v Version) error {
	list, err := c.versions(name, false)
	if err != nil {
		return err
	}
	for _, later := range list {
		if later.Compare(v) <= 0 {
			continue
		}
		if err := os.RemoveAll(c.path(name, later)); err != nil {
			return fmt.Errorf("remove a damaged version of %s: %w", name, err)
		}
	}
	return nil
}
