package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// folder checks an absolute path of Linux or Windows that is not a root.
func folder(s string) error {
	rest, ok := strings.CutPrefix(s, "/")
	if !ok && len(s) >= 3 && s[1] == ':' && strings.ContainsRune(`/\`, rune(s[2])) && strings.ToLower(s[:1]) >= "a" && strings.ToLower(s[:1]) <= "z" {
		rest, ok = strings.ReplaceAll(s[3:], `\`, "/"), true
	}
	switch {
	case !ok:
		return fmt.Errorf("%q is not a whole path", short(s))
	case strings.Trim(rest, "/.") == "":
		return fmt.Errorf("%q is the root of a file system, which cannot be used as a whole", short(s))
	case slices.Contains(strings.Split(rest, "/"), ".."):
		return fmt.Errorf("%q has .. in it", short(s))
	}
	return nil
}

// below checks a path that stays below the folder it begins at.
func below(s string) error {
	clean := path.Clean(strings.ReplaceAll(s, `\`, "/"))
	switch {
	case s == "" || clean == ".":
		return fmt.Errorf("the path is empty")
	case strings.HasPrefix(clean, "/") || len(s) > 1 && s[1] == ':':
		return fmt.Errorf("%q is not a path below the folder", short(s))
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return fmt.Errorf("%q leads out of the folder", short(s))
	}
	return nil
}

// folders finds folders that lie in each other.
type folders map[string]folderAt

// folderAt is a folder that stands at a path, or one that lies in it.
type folderAt struct {
	Folder
	inside bool
}

// add remembers a folder, unless it clashes with one that is known.
func (known folders) add(f Folder) (clash Folder, found bool) {
	if clash, found = known.find(f.Dir); found {
		return clash, true
	}
	at := clean(f.Dir)
	known[at] = folderAt{Folder: f}
	for at = path.Dir(at); !known.has(at); at = path.Dir(at) {
		known[at] = folderAt{f, true}
	}
	return Folder{}, false
}

func (known folders) has(at string) bool { _, ok := known[at]; return ok }

// find is a known folder that is dir, holds it, or lies in it.
func (known folders) find(dir string) (Folder, bool) {
	at := clean(dir)
	if f, ok := known[at]; ok {
		return f.Folder, true
	}
	for up := path.Dir(at); up != at; at, up = up, path.Dir(up) {
		if f, ok := known[up]; ok && !f.inside {
			return f.Folder, true
		}
	}
	return Folder{}, false
}

// clean is one spelling of a path, of Linux or Windows.
func clean(dir string) string { return path.Clean(strings.ReplaceAll(dir, `\`, "/")) }
