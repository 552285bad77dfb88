package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const docFile = "../../docs/cli.md"

// docs/cli.md is made from the commands themselves.
func TestDocs(t *testing.T) {
	root := newRoot(&app{env: env{lookup: func(string) (string, bool) { return "", false }}})
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString("# The command line\n\n<!-- generated from cmd/orchestrator: UPDATE=1 go test ./cmd/orchestrator -->\n\n")
	fmt.Fprintf(&b, "%s\n\n```\n%s\n```\n", root.Long, root.Example)
	for _, topic := range helpTopics() {
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n", topic.Short, topic.Long)
	}
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && c.Name() != "completion" && c.Name() != "help" {
				document(&b, c)
			}
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(docFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s does not tell of the commands as they are: UPDATE=1 go test ./cmd/orchestrator", docFile)
	}
}

// Every command has a text and an example.
func document(b *strings.Builder, c *cobra.Command) {
	if !c.IsAvailableCommand() {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n", c.CommandPath(), c.Long)
	if c.HasAvailableSubCommands() {
		for _, sub := range c.Commands() {
			document(b, sub)
		}
		return
	}
	fmt.Fprintf(b, "\n```\n%s\n\n%s\n```\n", c.UseLine(), strings.TrimRight(c.LocalFlags().FlagUsages()+"\n"+c.Example, "\n"))
}

func TestEveryCommandIsExplained(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			look(sub)
			if !sub.IsAvailableCommand() {
				continue
			}
			if sub.Short == "" || sub.Long == "" || sub.Example == "" {
				t.Errorf("%s lacks a short text, a long one, or an example", sub.CommandPath())
			}
			if !strings.HasPrefix(strings.TrimSpace(sub.Example), "orchestrator ") && !strings.Contains(sub.Example, "  orchestrator "+strings.Fields(sub.CommandPath())[1]) && !strings.Contains(sub.Example, "sudo orchestrator") {
				t.Errorf("%s: its example is of something else", sub.CommandPath())
			}
		}
	}
	look(newRoot(&app{env: env{lookup: func(string) (string, bool) { return "", false }}}))
}
