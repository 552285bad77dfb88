package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// typed is a command line that a page tells its reader to type.
type typed struct {
	at    string // page:line
	text  string
	whole bool // with all of its arguments
}

// A code block's lines, and what a sentence quotes: `orchestrator …`.
var (
	lineTyped = regexp.MustCompile(`^\s*(?:[$#] )?(?:sudo |exec )?(orchestrator [a-z].*)$`)
	quoted    = regexp.MustCompile("`(?:sudo )?(orchestrator [a-z][^`]*)`")
)

func commandLines(t *testing.T, page string) []typed {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []typed
	fenced := false
	text := string(raw)
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		m := lineTyped.FindStringSubmatch(line)
		if m != nil && (fenced || strings.HasPrefix(line, "    ")) && !strings.Contains(line, "[flags]") { // that is how it is written, not typed
			all = append(all, typed{fmt.Sprintf("%s:%d", page, i+1), m[1], true})
		}
	}
	for _, m := range quoted.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, typed{fmt.Sprintf("%s:%d", page, 1+strings.Count(text[:m[0]], "\n")), text[m[2]:m[3]], false})
	}
	return all
}

// shellWords splits a command line as a shell does, up to what is not its own: a comment, a
// pipe, a redirection, the next command, what a column beside it says of it.
func shellWords(line string) []string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "   ")
	var all []string
	for rest := line; rest != "" && !strings.ContainsAny(rest[:1], "#|>&;") && !strings.HasPrefix(rest, "2>"); rest = strings.TrimLeft(rest, " \n") {
		word, quote := "", rune(0)
		end := len(rest)
		for i, c := range rest {
			if quote == 0 && strings.ContainsRune(" \n;,", c) && (c != ',' || strings.HasPrefix(rest[i:], ", ")) {
				end = i
				break
			}
			switch {
			case c == quote:
				quote = 0
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			default:
				word += string(c)
			}
		}
		all, rest = append(all, word), rest[end:]
		if strings.HasPrefix(rest, ", ") { // the sentence goes on
			break
		}
	}
	return all
}

// pages are those that people read.
func pages(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../modules/*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	unsaid  = regexp.MustCompile("[^a-z0-9 _-]")
)

// Every link leads somewhere, and the index knows every page.
func TestLinks(t *testing.T) {
	text := func(page string) string {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text(page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(text(target)), anchor) {
				t.Errorf("%s: there is no heading for %s", page, m[1])
			}
		}
	}
	index := text("../../docs/README.md")
	for _, page := range pages(t) {
		name := filepath.Base(page)
		if filepath.Base(filepath.Dir(page)) == "docs" && name != "README.md" && !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// anchors are what headings are called in links, as GitHub does it.
func anchors(text string) (list []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return list
}

// Every command line in the pages is one that the program takes.
func TestPagesNameRealCommands(t *testing.T) {
	seen := 0
	for _, page := range pages(t) {
		for _, c := range commandLines(t, page) {
			seen++
			if err := accepts(shellWords(c.text)[1:], c.whole); err != nil {
				t.Errorf("%s: %s: %v", c.at, c.text, err)
			}
		}
	}
	if seen < 200 {
		t.Errorf("%d command lines were found: the pages are written in another way", seen)
	}
}

// placeholder is in the complaint about what stands for a value: --lines NB.
var placeholder = regexp.MustCompile(`invalid argument "[A-Z]+"`)

// accepts says why the program would not understand a command line; that of a sentence may
// leave out arguments.
func accepts(args []string, whole bool) error {
	root := newRoot(&app{env: env{lookup: func(string) (string, bool) { return "", false }}})
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil && !slices.Contains(rest, "--help") && !placeholder.MatchString(err.Error()) {
		return err
	}
	rest = slices.DeleteFunc(c.Flags().Args(), func(s string) bool { return s == "…" || s == "..." })
	if c.HasAvailableSubCommands() && len(rest) > 0 {
		return fmt.Errorf("%s has no command %s", c.CommandPath(), rest[0])
	}
	if whole || len(rest) > 0 {
		return c.ValidateArgs(rest)
	}
	return nil
}

func TestShellWords(t *testing.T) {
	for line, want := range map[string][]string{
		"orchestrator start web # now":                    {"orchestrator", "start", "web"},
		`orchestrator install --set "A=b c" x`:            {"orchestrator", "install", "--set", "A=b c", "x"},
		"orchestrator metrics | grep x":                   {"orchestrator", "metrics"},
		"orchestrator token\n--user a > file":             {"orchestrator", "token", "--user", "a"},
		"orchestrator stop a; orchestrator start a":       {"orchestrator", "stop", "a"},
		"orchestrator log --grep 'a b' && echo not ours":  {"orchestrator", "log", "--grep", "a b"},
		"orchestrator lab up --nodes 3     three servers": {"orchestrator", "lab", "up", "--nodes", "3"},
		"orchestrator stop a --node N, for each of them":  {"orchestrator", "stop", "a", "--node", "N"},
	} {
		if got := shellWords(line); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}
