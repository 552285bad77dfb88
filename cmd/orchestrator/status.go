package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// watchEvery is how often --watch asks.
const watchEvery = time.Second

func statusCommand(a *app) *cobra.Command {
	var watch bool
	c := a.jsonFlag(&cobra.Command{
		Use: "status [MODULE]", Short: "Show the modules on all servers", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Show each module on each server: its state, its share of the connections, how many
it has, and why it is as it is. With the name of a module, its checks and how
the packets are filtered, too.

States: STOP, WAIT (on its way, or held back until a resource is up), UP; of a mirror
PRIM (primary), ALONE (primary without a secondary) and SECOND. Ready is settled, Transient is on its way, NotReady is stopped or held back. With its name a mirror tells
what it knows of the other server and of the worth of its data.`,
		Example: `  orchestrator status --watch
  orchestrator status web_farm
  orchestrator status --json | jq '.modules[].nodes[] | {node, state, share}'`,
	})
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show it again every second, until Ctrl-C")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		path := statusPath("")
		if len(args) > 0 {
			path = statusPath(args[0])
		}
		show := func(ctx context.Context, w io.Writer) error {
			var st control.Status
			if err := client.Get(ctx, path, &st); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(st)
			}
			return a.showStatus(w, st, len(args) > 0)
		}
		if !watch {
			return show(cmd.Context(), a.stdout)
		}
		return a.watch(cmd.Context(), show)
	}
	return c
}

// statusPath is the path of a module's status in the API; without a name, of all.
func statusPath(module string) string {
	if module == "" {
		return "/v1/status"
	}
	return "/v1/status?" + url.Values{"module": {module}}.Encode()
}

// watch shows something again and again until ctx ends. On a terminal it stays in
// place; a daemon that is away for a while does not end it, but must be there at
// the start.
func (a *app) watch(ctx context.Context, show func(context.Context, io.Writer) error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	inPlace := a.terminal(a.stdout) && !a.json
	for first := true; ; first = false {
		var page bytes.Buffer
		err := show(ctx, &page)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && first {
			return err
		}
		if err != nil {
			fmt.Fprintf(&page, "orchestrator: %v\n", err)
		}
		if inPlace { // home, lines with their rests erased, the rest of the screen erased
			text := bytes.ReplaceAll(page.Bytes(), []byte("\n"), []byte("\x1b[K\n"))
			page.Reset()
			fmt.Fprintf(&page, "\x1b[H%s\x1b[J", text)
		} else if !first && page.Len() > 0 {
			if _, err := fmt.Fprintln(a.stdout); err != nil {
				return err
			}
		}
		if inPlace && first {
			fmt.Fprint(a.stdout, "\x1b[2J")
		}
		if _, err := page.WriteTo(a.stdout); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
