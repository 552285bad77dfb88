package main

import (
	"cmp"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// verb is a command that moves a module.
type verb struct {
	name, short, long string
	where             string // on which servers; empty: on all unless --node names some
}

var verbs = []verb{
	{name: "start", short: "Start a module on the servers", where: wherever, long: `Start a module: its prestart and start_both hooks run, its virtual address is set, its
checks begin; when the application is ready the server gets its share of the
connections. A server whose application cannot start gets none, and says why.`},
	{name: "stop", short: "Stop a module in good order", where: wherever, long: `Stop a module: the server's share moves to the others first, so that no new
connection is lost, then the stop_both hook runs. Connections that are still open end
with the application: drain the server first to let them end by themselves.`},
	{name: "restart", short: "Restart the application, the module stays up", where: wherever, long: `Stop and start the application through the hooks, while the virtual address stays.
With more than one server this goes from one to the next, so that the service
stays.`},
	{name: "stopstart", short: "Stop a module and start it again", where: wherever, long: `Stop a module and start it again, with its address and its checks: what a change of
the configuration needs.`},
	{name: "forcestop", short: "Stop a module at once, whatever happens", where: wherever, long: `Stop a module without handing anything over, also when a hook hangs: stop hooks are
called with force, and what does not end is killed.`},
	{name: "wait", short: "Stop the application and hold the module back", where: namesOne, long: `Stop the application on a server and hold the module back in WAIT until "wakeup": its
address goes, in a mirror the other server takes over, and its checks from before the
start go on. It is what failover rules do with wait(), which wake up by themselves. A
start or stop ends it as well; a restart of the daemon or the machine does not.`},
	{name: "wakeup", short: "Let a module go on that was held back", long: `Let a module go on that "wait" holds back. One that waits for a resource goes on by
itself when that is up, and needs no wakeup. Without --node it is about the servers where
it is held back.`},
	{name: "drain", short: "Take the load off servers, without stopping", long: drainLong},
	{name: "undrain", short: "Give drained servers their share again", where: wherever, long: `Give drained servers their share of the connections again. No connection breaks.`},
	{name: "swap", short: "Let primary and secondary of a mirror change their roles", where: oneDoes, long: `Let the primary of a mirror stop the application and become the secondary, and the
other server take its place. It is refused while the secondary is not up to date.`},
	{name: "prim", short: "Start a mirror as primary: this server has the good data", where: namesOne, long: `Start a mirror as primary on one server, whatever the other one knows: it is how an
operator says where the good data is when no server can know. A server that waits
already goes on. It is refused where the data is known to be outdated or broken, or the
other server to have newer data; "primforce" does it all the same.`},
	{name: "second", short: "Start a mirror as secondary", where: namesOne, long: `Start a mirror as secondary on one server. It is refused unless the other one is the
primary. "start" does the same, and waits for the primary if need be.`},
	{name: "primforce", short: "Start a mirror as primary with data that may be old", where: namesOne, long: `Start a mirror as primary on one server although its data is known to be outdated, or
broken off in the middle of a copy. What the other server wrote since is lost.`},
	{name: "secondforce", short: "Start a mirror as secondary and copy everything", where: namesOne, long: `Start a mirror as secondary on one server and copy all data from the primary, also what
is known to be the same.`},
}

// On which servers verbs are carried out.
const (
	wherever = "It is done on all servers of the cluster unless --node names some; without --node, one\nwhere it is so already counts as done, and one where the module is not started is skipped. "
	oneDoes  = "It does not matter on which of the two servers it is done: without --node on this one. "
	namesOne = "--node is needed: it names the server. "
)

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
	where := cmp.Or(v.where, "It is done on all servers of the cluster unless --node names some. ")
	if draining {
		where = ""
	}
	example := "web_farm"
	if v.where == oneDoes || v.where == namesOne {
		example = "database"
	}
	first := "  orchestrator " + v.name + " " + example
	if draining || v.where == namesOne {
		first += " --node n2"
	}
	c := a.jsonFlag(&cobra.Command{
		Use: v.name + " MODULE", Short: v.short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: v.long + "\n\n" + where + `One line tells
what became of each server; the exit code is 1 if one of them failed.`,
		Example: first + "\n  orchestrator " + v.name + " " + example + " --node n2 --timeout 5m",
	})
	nodeFlag := "a `NODE` to do it on; may be repeated (default all)"
	switch {
	case draining:
		nodeFlag = "a `NODE` to do it on; needed, may be repeated"
	case v.where == namesOne:
		nodeFlag = "the `NODE` to do it on; needed"
	case v.where == oneDoes:
		nodeFlag = "the `NODE` to do it on (default this one)"
	}
	c.Flags().StringSliceVar(&nodes, "node", nil, nodeFlag)
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for the end")
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for the end on each server")
	if draining {
		c.Flags().DurationVar(&deadline, "deadline", 0, "how long to wait for connections to end (default not at all)")
	}
	completeFlag(c, "node", a.nodes)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if timeout <= 0 {
			return usagef("--timeout %s is not positive; to wait for nothing use --no-wait", timeout)
		}
		if deadline < 0 || deadline > 0 && noWait {
			return usagef("--deadline %s: it is how long to wait, so it cannot be negative, or go with --no-wait", deadline)
		}
		if v.where == namesOne && len(nodes) != 1 {
			return usagef("%s on which server? name one with --node", v.name)
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

func failoverCommand(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "failover MODULE on|off", Short: "Say whether the secondary of a mirror takes over by itself", Args: cobra.ExactArgs(2),
		ValidArgsFunction: inOrder(a.installed, always("on", "off")),
		Long: `Say whether the secondary of a mirror takes over by itself when the primary fails. While
it is off the secondary waits until the primary is back, or an operator decides. It
holds on both servers, whichever is asked, also when the module or the daemon is
restarted, and goes before failover= in userconfig.xml.`,
		Example: "  orchestrator failover database off",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if args[1] != "on" && args[1] != "off" {
			return usagef("failover %q: it is on or off", args[1])
		}
		return a.change(cmd, modulePath(args[0])+"/failover-"+args[1], control.VerbRequest{})
	}
	return c
}

// modulePath is the path of a module in the API.
func modulePath(name string) string { return "/v1/modules/" + url.PathEscape(name) }
