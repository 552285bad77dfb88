package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// CompareFiles tells which files of a module differ, its description left out.
// A hook is read when it is called, so its file is changed while the module runs.
// Both are archives, or folders as archives have them: no links, no hidden files.
func CompareFiles(old, next fs.FS) (Changes, error) {
	a, err := contents(old)
	if err != nil {
		return nil, err
	}
	b, err := contents(next)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(a)
	maps.Copy(names, b)
	var out Changes
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := a[name]
		is, has := b[name]
		if had && has && bytes.Equal(was, is) {
			continue
		}
		one := Change{Path: name, Effect: EffectLive}
		if had {
			one.Old = fmt.Sprintf("%d bytes", len(was))
		}
		if has {
			one.New = fmt.Sprintf("%d bytes", len(is))
		}
		out = append(out, one)
	}
	return out, nil
}

func contents(fsys fs.FS) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name == userconfig {
			return err
		}
		all[name], err = fs.ReadFile(fsys, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare a module's files: %w", err)
	}
	return all, nil
}
