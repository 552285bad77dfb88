package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// What shell scripts and programs beside a module need; hooks in Lua have functions
// for the same. All of it is about this server.

func resourceCommand(a *app) *cobra.Command {
	return noun("resource", "What checks and scripts say of a module on this server", `What checks and scripts say of a module on this server: up, down, init (no result yet)
or unknown. Failover rules speak of it.`, resourceGet(a), resourceHistory(a), resourceSet(a))
}

func resourceGet(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "get MODULE NAME", Short: "Print the value of a resource", Args: cobra.ExactArgs(2), ValidArgsFunction: inOrder(a.installed, a.resources),
		Long: `Print the value of a resource on this server. "orchestrator status MODULE" shows all.`, Example: "  orchestrator resource get web_farm tcp.web",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := a.here(cmd, args[0])
		if err != nil {
			return err
		}
		i := slices.IndexFunc(n.Resources, func(r core.Resource) bool { return r.Name == args[1] })
		if i < 0 {
			return fmt.Errorf("%s has no resource %q on this server; orchestrator status %s shows all", args[0], args[1], args[0])
		}
		if a.json {
			return a.printJSON(n.Resources[i])
		}
		_, err = fmt.Fprintln(a.stdout, n.Resources[i].Value)
		return err
	}
	return c
}

func resourceSet(a *app) *cobra.Command {
	var reason string
	c := a.jsonFlag(&cobra.Command{
		Use: "set MODULE NAME up|down|unknown", Short: "Publish a resource", Args: cobra.ExactArgs(3), ValidArgsFunction: inOrder(a.installed, a.resources, values),
		Long:    "Publish a resource of class custom on this server, for failover rules and for people.",
		Example: `  orchestrator resource set web_farm custom.licence down --reason "it ends today"`,
	})
	c.Flags().StringVar(&reason, "reason", "", "what was seen, in words")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.change(cmd, modulePath(args[0])+"/resource", control.ResourceRequest{Name: args[1], Value: core.Value(args[2]), Reason: reason})
	}
	return c
}

func noteCommand(a *app) *cobra.Command {
	var level string
	c := a.jsonFlag(&cobra.Command{
		Use: "note MODULE TEXT…", Short: "Write into a module's journal", Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeModule,
		Long:    `Write a message into the journal of a module on this server; "orchestrator log --type message" finds it.`,
		Example: "  orchestrator note web_farm the database is moved tonight\n  orchestrator note web_farm --level warn the disk is nearly full",
	})
	c.Flags().StringVar(&level, "level", "info", "`LEVEL` of the message: info, warn or error")
	completeFlag(c, "level", always("info", "warn", "error"))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.change(cmd, modulePath(args[0])+"/tell", control.TellRequest{Level: level, Text: strings.Join(args[1:], " ")})
	}
	return c
}

const loopLong = `The error counter of a module on this server: how many times it was restarted by itself
within loop_interval. One more than maxloop, and it is stopped instead. A command that
an operator gives begins the count anew.`

func loopCommand(a *app) *cobra.Command {
	return noun("loop", "How often a module was restarted by itself", loopLong, loopShow(a),
		loopChange(a, "count", core.VerbIncLoop, "Count one action of a script", `Count one action that a script carries out by itself. The exit code is 1 when the limit
is reached: stop the module then.`),
		loopChange(a, "reset", core.VerbResetLoop, "Forget what was counted", "Forget what was counted."))
}

func loopShow(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "show MODULE", Short: "Show the counter", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: "Show how much is counted, and the limit.", Example: "  orchestrator loop show web_farm",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := a.here(cmd, args[0])
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(n.Loop)
		}
		_, err = fmt.Fprintln(a.stdout, loopText(n.Loop))
		return err
	}
	return c
}

func loopText(l control.Loop) string {
	if l.Interval <= 0 {
		return "automatic actions are not counted: loop_interval is 0"
	}
	text := fmt.Sprintf("%d of %d automatic actions within %s", l.Count, l.Max, time.Duration(l.Interval))
	if !l.Since.IsZero() {
		text += ", the first at " + l.Since.Local().Format(time.DateTime)
	}
	return text
}

func loopChange(a *app, name string, verb core.Verb, short, long string) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: name + " MODULE", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: long, Example: "  orchestrator loop " + name + " web_farm",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.change(cmd, modulePath(args[0])+"/"+string(verb), control.VerbRequest{Here: true})
	}
	return c
}

// here is a module on this server.
func (a *app) here(cmd *cobra.Command, module string) (control.ModuleNode, error) {
	_, n, err := (&safekit{app: a, ctx: cmd.Context()}).own(module)
	return n, err
}
