package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// logFlags choose entries.
type logFlags struct {
	follow bool
	since  string
	types  []string
	grep   string
	limit  int
	node   string
	level  string
}

// kinds are those of the entries of a journal; a mistyped one finds nothing.
var kinds = []string{"command", "config", "hook", "journal", "member", "message", "network", "node", "output", "peer", "plugin", "replica", "resource", "share", "transition"}

// levels are those of entries, the least serious first.
var levels = []string{"debug", "info", "warn", "error"}

func logCommand(a *app) *cobra.Command {
	var f logFlags
	c := a.jsonFlag(&cobra.Command{
		Use: "log [MODULE]", Short: "Show what happened, with the output of hooks", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Show the journal of a server: every change of a module, what caused it, commands
and who gave them, nodes that came and went, and what hooks printed. The last
entries, the oldest of them first. With --json, one object a line.`,
		Example: `  orchestrator log -f
  orchestrator log web_farm --since 10m --type transition --type output
  orchestrator log --node n2 --grep "start_both" -n 20`,
	})
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with what happens, until Ctrl-C")
	c.Flags().StringVar(&f.since, "since", "", "only what is not older than a duration, or than a time such as 2025-01-31T08:00:00Z")
	c.Flags().StringSliceVar(&f.types, "type", nil, "only entries of this `KIND`: transition, command, output, resource, …; may be repeated")
	c.Flags().StringVar(&f.grep, "grep", "", "only entries that contain `TEXT`, also in what a hook printed")
	c.Flags().StringVar(&f.level, "level", "", "only entries of this `LEVEL` and above: debug, info, warn or error")
	c.Flags().StringVar(&f.node, "node", "", "the journal of the server `NODE` (default this one)")
	c.Flags().IntVarP(&f.limit, "lines", "n", 300, "at most so many entries")
	completeFlag(c, "type", always(kinds...))
	completeFlag(c, "level", always(levels...))
	completeFlag(c, "node", a.nodes)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		query, err := f.query(args, time.Now())
		if err != nil {
			return err
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		color, found := a.color(a.stdout), 0
		err = client.LogOf(cmd.Context(), f.node, query, func(e control.LogEntry) error {
			found++
			if a.json {
				return json.NewEncoder(a.stdout).Encode(e)
			}
			_, err := fmt.Fprint(a.stdout, entryText(e, color))
			return err
		})
		if err == nil && found == 0 && !f.follow {
			fmt.Fprintln(a.stderr, f.nothing())
		}
		return err
	}
	return c
}

// nothing tells that no entry fits.
func (f logFlags) nothing() string {
	for _, kind := range f.types {
		if !slices.Contains(kinds, kind) {
			return fmt.Sprintf("No entry of the kind %s is known; there are %s.", kind, strings.Join(kinds, ", "))
		}
	}
	return "No entry fits."
}

// query is the API's form of the flags.
func (f logFlags) query(args []string, now time.Time) (url.Values, error) {
	q := url.Values{"type": f.types}
	if len(args) > 0 {
		q.Set("module", args[0])
	}
	if f.limit <= 0 {
		return nil, usagef("--lines %d is not positive", f.limit)
	}
	for _, kind := range f.types {
		if near := diag.Nearest(kind, kinds); near != "" && near != kind {
			return nil, usagef("--type %q: did you mean %q?", kind, near)
		}
	}
	q.Set("limit", strconv.Itoa(f.limit))
	if f.level != "" && !slices.Contains(levels, f.level) {
		return nil, usagef("--level %q is none of %s", f.level, strings.Join(levels, ", "))
	}
	if f.level != "" {
		q.Set("level", f.level)
	}
	if f.grep != "" {
		q.Set("grep", f.grep)
	}
	if f.follow {
		q.Set("follow", "true")
	}
	if f.since != "" {
		at, err := time.Parse(time.RFC3339, f.since)
		if ago, wrong := time.ParseDuration(f.since); wrong == nil {
			at, err = now.Add(-ago), nil
		}
		if err != nil {
			return nil, usagef("--since %q is neither a duration such as 10m nor a time such as 2025-01-31T08:00:00Z", f.since)
		}
		q.Set("since", at.Format(time.RFC3339Nano))
	}
	return q, nil
}

// entryText is an entry for people: one line, and what a hook printed indented
// below it.
func entryText(e control.LogEntry, color bool) string {
	tone := map[string]string{"error": red, "warn": yellow, "debug": dim}[e.Level]
	level := e.Level
	if level == "info" {
		level = ""
	}
	line := fmt.Sprintf("%s  %-12s %-10s %-5s %s", paint(color, dim, e.Time.Local().Format("2006-01-02 15:04:05.000")),
		clean(e.Module), clean(e.Kind), paint(color, tone, level), paint(color, tone, clean(e.Text)))
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	for text := range strings.Lines(e.Output) {
		b.WriteString("    " + paint(color, dim, "│ ") + clean(strings.TrimRight(text, "\r\n")) + "\n")
	}
	return b.String()
}

func whyCommand(a *app) *cobra.Command {
	var node string
	c := a.jsonFlag(&cobra.Command{
		Use: "why MODULE", Short: "Tell what led to a module's last change", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Tell the story of a module's last change on a server, back to its first cause:
which check failed, which node was lost and what was seen of it, who gave which
command.`,
		Example: "  orchestrator why web_farm\n  orchestrator why web_farm --node n2",
	})
	c.Flags().StringVar(&node, "node", "", "the story that the server `NODE` tells (default this one)")
	completeFlag(c, "node", a.nodes)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var why control.Why
		if err := client.Get(cmd.Context(), onNode(node, "/v1/why/"+url.PathEscape(args[0])), &why); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(why)
		}
		_, err = fmt.Fprintln(a.stdout, strings.TrimRight(why.Text, "\n"))
		return err
	}
	return c
}
