package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/lab"
	"github.com/orchestrator-ha/orchestrator/core/lab/demo"
)

var demoActs = []string{"kill", "cut", "drain"}

func labDemo(a *app) *cobra.Command {
	var (
		p     place
		cfg   demo.Config
		nodes int
		plain bool
	)
	c := p.add(a.jsonFlag(&cobra.Command{
		Use: "demo", Short: "See a farm lose a server, and nobody noticing", Args: cobra.NoArgs,
		Long: `Build a lab of its own, run a farm of small web servers in it under load, kill a
server, cut the cable of another, drain one, and show what the clients saw. The
lab is removed at the end, also after Ctrl-C. The exit code is 1 when something
happened that should not have.

With --json the result is one document, alone on standard output.`,
		Example: "  sudo orchestrator lab demo\n  sudo orchestrator lab demo --json 2>/dev/null | jq '.faults[] | {kind, outage_ms}'",
	}))
	f := c.Flags()
	f.Lookup("name").DefValue = "demo"
	p.name = "demo"
	f.BoolVar(&plain, "plain", false, "lines of text only, nothing that changes in place")
	f.IntVar(&nodes, "nodes", 3, "number of servers, 2 or more")
	f.StringSliceVar(&cfg.Acts, "act", demoActs, "what happens, in this order")
	completeFlag(c, "act", always(demoActs...))
	f.IntVar(&cfg.Rate, "rate", 300, "new connections per second")
	f.IntVar(&cfg.Connections, "connections", 60, "long-lived connections")
	f.DurationVar(&cfg.Calm, "calm", 3*time.Second, "how long each scene is shown")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if nodes < 2 || nodes > lab.MaxNodes {
			return usagef("--nodes %d is not between 2 and %d", nodes, lab.MaxNodes)
		}
		for _, act := range cfg.Acts {
			if !slices.Contains(demoActs, act) {
				return usagef("--act %q is unknown: there are %s", act, strings.Join(demoActs, ", "))
			}
		}
		cfg.Out = a.stdout
		if a.json {
			cfg.Out = a.stderr
		}
		cfg.Terminal = !plain && a.terminal(cfg.Out)
		return a.demo(cmd, p, nodes, cfg)
	}
	return c
}

func (a *app) demo(cmd *cobra.Command, p place, nodes int, cfg demo.Config) error {
	o, err := labOptions(p, nil)
	if err != nil {
		return err
	}
	o.Nodes = nodes
	result, err := demo.Play(cmd.Context(), o, cfg)
	if err != nil {
		return err
	}
	if a.json {
		if err := result.WriteJSON(a.stdout); err != nil {
			return err
		}
	}
	return a.verdict(result.Problems, cfg.Out)
}

// verdict fails, after telling them, when there are problems.
func (a *app) verdict(problems []string, out io.Writer) error {
	if len(problems) == 0 {
		return nil
	}
	if out != a.stdout { // the text of the result went there, too
		for _, p := range problems {
			fmt.Fprintf(a.stderr, "orchestrator: %s\n", p)
		}
	}
	return silent(exitFailed)
}
