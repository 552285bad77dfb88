package main

import (
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// verb is a command that moves a module.
type verb struct {
	name, short, long string
}

var verbs = []verb{
	{"start", "Start a module on the servers", `Start a module: its prestart and start_both hooks run, its virtual address is set, its
checks begin; when the application is ready the server gets its share of the
connections. A server whose application cannot start gets none, and says why.`},
	{"stop", "Stop a module in good order", `Stop a module: the server's share moves to the others first, so that no new
connection is lost, then the stop_both hook runs. Connections that are still open end
with the application: drain the server first to let them end by themselves.`},
	{"restart", "Restart the application, the module stays up", `Stop and start the application through the hooks, while the virtual address stays.
With more than one server this goes from one to the next, so that the service
stays.`},
	{"stopstart", "Stop a module and start it again", `Stop a module and start it again, with its address and its checks: what a change of
the configuration needs.`},
	{"forcestop", "Stop a module at once, whatever happens", `Stop a module without handing anything over, also when a hook hangs: stop hooks are
called with force, and what does not end is killed.`},
	{"drain", "Take the load off servers, without stopping", drainLong},
	{"undrain", "Give drained servers their share again", `Give drained servers their share of the connections again. No connection breaks.`},
}

func verbCommands(a *app) []*cobra.Command {
	var all []*cobra.Command
	for _, v := range verbs {
		all = append(all, verbCommand(a, v))
	}
	return all
}

func verbCommand(a *app, v verb) *cobra.Command {
	var (
		nodes    []string
		noWait   bool
		timeout  time.Duration
		deadline time.Duration
	)
	draining := v.name == string(core.VerbDrain)
	where := "It is done on all servers of the cluster unless --node names some. "
	if draining {
		where = ""
	}
	c := a.jsonFlag(&cobra.Command{
		Use: v.name + " MODULE", Short: v.short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: v.long + "\n\n" + where + `One line tells
what became of each server; the exit code is 1 if one of them failed.`,
		Example: "  orchestrator " + v.name + " web_farm --node n2\n  orchestrator " + v.name + " web_farm --node n1,n2 --timeout 5m",
	})
	c.Flags().StringSliceVar(&nodes, "node", nil, "a `NODE` to do it on; may be repeated (default all)")
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for the end")
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for the end on each server")
	if draining {
		c.Flags().DurationVar(&deadline, "deadline", 0, "how long to wait for connections to end (default not at all)")
	}
	a.completeNodes(c, "node")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if timeout <= 0 {
			return usagef("--timeout %s is not positive; to wait for nothing use --no-wait", timeout)
		}
		if deadline < 0 || deadline > 0 && noWait {
			return usagef("--deadline %s: it is how long to wait, so it cannot be negative, or go with --no-wait", deadline)
		}
		if draining && len(nodes) == 0 {
			return usagef("drain which servers? name them with --node: all of them at once would take the service away")
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		q := control.VerbRequest{Nodes: nodes, Wait: control.Duration(timeout)}
		if noWait {
			q.Wait = 0
		}
		var out control.Outcome
		if err := client.Post(cmd.Context(), modulePath(args[0])+"/"+v.name, q, &out); err != nil {
			return err
		}
		if draining && !noWait {
			if err := a.drained(cmd.Context(), client, args[0], deadline, &out); err != nil {
				return err
			}
		}
		return a.outcome(out)
	}
	return c
}

// modulePath is the path of a module in the API.
func modulePath(name string) string { return "/v1/modules/" + url.PathEscape(name) }
