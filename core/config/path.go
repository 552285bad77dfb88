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
		return fmt.Errorf("%q is not the whole path of a folder", short(s))
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

// within says that the folder a is b, or lies in it.
func within(a, b string) bool {
	norm := func(s string) string {
		return strings.TrimSuffix(path.Clean(strings.ReplaceAll(s, `\`, "/")), "/") + "/"
	}
	return strings.HasPrefix(norm(a), norm(b))
}
