// Package exclude says which files of a replicated directory are not replicated: they are
// each node's own, and the mirror leaves them alone on both.
//
// It is pure: file system, resynchronisation and comparison ask the same rules.
package exclude

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Pattern is a regular expression (RE2 syntax, of which POSIX extended expressions are
// nearly all valid) for paths relative to the directory. It matches anywhere in the path
// unless it is anchored.
type Pattern struct {
	Regex string `json:"regex"`
	Not   bool   `json:"not,omitempty"` // what matches is replicated, and files that match no such pattern are not
}

// Rules tell local files from replicated ones. The nil Rules have none.
type Rules struct {
	paths []string
	out   []*regexp.Regexp
	keep  []*regexp.Regexp
}

// New makes rules of paths, each a file or a directory with all in it, and patterns. Paths
// are relative to the replicated directory.
func New(paths []string, patterns []Pattern) (*Rules, error) {
	r := &Rules{}
	for _, p := range paths {
		clean := path.Clean(p)
		if p == "" || clean == "." || clean == ".." || path.IsAbs(p) || strings.HasPrefix(clean, "../") {
			return nil, fmt.Errorf("not replicated: %q does not name something in the directory: give a path relative to it", p)
		}
		r.paths = append(r.paths, clean)
	}
	for _, p := range patterns {
		re, err := regexp.Compile(p.Regex)
		if err != nil {
			return nil, fmt.Errorf("not replicated: %w", err)
		}
		if p.Not {
			r.keep = append(r.keep, re)
		} else {
			r.out = append(r.out, re)
		}
	}
	return r, nil
}

// Spec is what Rules are made of, in a form that can be kept.
type Spec struct {
	Paths    []string  `json:"paths,omitempty"`
	Patterns []Pattern `json:"patterns,omitempty"`
}

// Spec is what r was made of.
func (r *Rules) Spec() Spec {
	if r == nil {
		return Spec{}
	}
	s := Spec{Paths: slices.Clone(r.paths)}
	for _, re := range r.out {
		s.Patterns = append(s.Patterns, Pattern{Regex: re.String()})
	}
	for _, re := range r.keep {
		s.Patterns = append(s.Patterns, Pattern{Regex: re.String(), Not: true})
	}
	return s
}

// Rules are those that s was of.
func (s Spec) Rules() (*Rules, error) { return New(s.Paths, s.Patterns) }

// Equal says that both mean the same files, as far as their words tell.
func (s Spec) Equal(o Spec) bool {
	return slices.Equal(s.Paths, o.Paths) && slices.Equal(s.Patterns, o.Patterns)
}

// None says that all is replicated.
func (r *Rules) None() bool { return r == nil || len(r.paths)+len(r.out)+len(r.keep) == 0 }

// Local says that the file or directory at name, relative to the replicated directory, is
// local: by itself, or as part of a local directory. The directory itself ("") never is.
func (r *Rules) Local(name string, dir bool) bool {
	if r.None() {
		return false
	}
	for i := range len(name) {
		if name[i] == '/' && r.Matches(name[:i], true) {
			return true
		}
	}
	return r.Matches(name, dir)
}

// Matches is Local without a look at the directories above. A directory is never local
// for matching no pattern of those with Not, as files in it may.
func (r *Rules) Matches(name string, dir bool) bool {
	if r.None() || name == "" {
		return false
	}
	matches := func(re *regexp.Regexp) bool { return re.MatchString(name) }
	if slices.Contains(r.paths, name) || slices.ContainsFunc(r.out, matches) {
		return true
	}
	return !dir && len(r.keep) > 0 && !slices.ContainsFunc(r.keep, matches)
}

// Areas are the paths outside of which nothing is local; ok is false if there are none
// such, because of a pattern.
func (r *Rules) Areas() (paths []string, ok bool) {
	if r == nil {
		return nil, true
	}
	return r.paths, len(r.out)+len(r.keep) == 0
}

// Uniform says that when a directory is called to instead of from, neither being local, the
// files in it are as they were without a look at their names.
func (r *Rules) Uniform(from, to string) bool {
	paths, ok := r.Areas()
	return ok && !slices.ContainsFunc(paths, func(p string) bool {
		return strings.HasPrefix(p, from+"/") || strings.HasPrefix(p, to+"/")
	})
}
