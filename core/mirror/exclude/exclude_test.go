package exclude

import (
	"strings"
	"testing"
)

func rules(t *testing.T, paths []string, patterns ...Pattern) *Rules {
	t.Helper()
	r, err := New(paths, patterns)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLocal(t *testing.T) {
	byPath := rules(t, []string{"pg_stat_tmp", "a/b/", "./c d"})
	byName := rules(t, nil, Pattern{Regex: `\.tmp$`}, Pattern{Regex: `^log(/|$)`})
	only := rules(t, []string{"x.mdf"}, Pattern{Regex: `\.mdf$`, Not: true}, Pattern{Regex: `\.ldf$`, Not: true})
	for _, c := range []struct {
		what  string
		rules *Rules
		path  string
		dir   bool
		want  bool
	}{
		{"no rules", nil, "a", false, false},
		{"empty rules", rules(t, nil), "a", false, false},
		{"a path", byPath, "pg_stat_tmp", true, true},
		{"within a path", byPath, "pg_stat_tmp/global.stat", false, true},
		{"deep within a path", byPath, "a/b/c/d", true, true},
		{"above a path", byPath, "a", true, false},
		{"beside a path", byPath, "a/bc", false, false},
		{"a longer name", byPath, "pg_stat_tmp2", true, false},
		{"the name elsewhere", byPath, "a/pg_stat_tmp", true, false},
		{"a name with a space", byPath, "c d", false, true},
		{"the directory itself", byPath, "", true, false},
		{"a pattern", byName, "d/x.tmp", false, true},
		{"in a directory that matches", byName, "y.tmp/f", false, true},
		{"a pattern is case-sensitive", byName, "x.TMP", false, false},
		{"a pattern that does not match", byName, "x.tmp.old", false, false},
		{"an anchored pattern", byName, "log/f", false, true},
		{"an anchored pattern, elsewhere", byName, "d/log/f", false, false},
		{"only what matches", only, "d/a.mdf", false, false},
		{"or another", only, "d/a.ldf", false, false},
		{"but not the rest", only, "d/a.txt", false, true},
		{"directories are replicated", only, "d/e", true, false},
		{"unless a path names it", only, "x.mdf", false, true},
	} {
		if got := c.rules.Local(c.path, c.dir); got != c.want {
			t.Errorf("%s: %q is local: %t", c.what, c.path, got)
		}
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	for _, p := range []string{"", ".", "/etc", "..", "../x", "a/../..", "a/.."} {
		if _, err := New([]string{p}, nil); err == nil || !strings.Contains(err.Error(), "relative") {
			t.Errorf("%q: %v", p, err)
		}
	}
	if _, err := New(nil, []Pattern{{Regex: "("}}); err == nil {
		t.Error("an expression that is none was taken")
	}
}

func TestUniform(t *testing.T) {
	r := rules(t, []string{"a/b", "c"})
	for _, c := range []struct {
		from, to string
		want     bool
	}{{"x", "y", true}, {"a", "y", false}, {"x", "a", false}, {"a/d", "e", true}, {"ab", "abc", true}} {
		if got := r.Uniform(c.from, c.to); got != c.want {
			t.Errorf("%s to %s: %t", c.from, c.to, got)
		}
	}
	if rules(t, nil, Pattern{Regex: "x"}).Uniform("a", "b") {
		t.Error("with a pattern, names have to be looked at")
	}
	if !(*Rules)(nil).Uniform("a", "b") {
		t.Error("without rules nothing changes")
	}
}
