package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/diag"
)

const rootLong = `orchestrator makes two or more servers into one highly available service, behind
one address, without a load balancer.

Nouns show how things are, verbs change them. Nearly every command talks to the
daemon of this server through a socket that only root may use; what is asked
for is done on all servers of the cluster, unless --node says otherwise.`

const rootExample = `  # three servers in a sandbox on this machine, and one that fails
  sudo orchestrator lab demo

  # the first server of a cluster, and what to type on the others
  orchestrator cluster init
  orchestrator cluster token

  # a farm of nginx servers behind one address
  orchestrator module install nginx_farm.safe --set VIRTUAL_IP=192.0.2.10
  orchestrator start nginx_farm
  orchestrator status --watch`

// The groups of the root's help.
const (
	groupRead    = "read"
	groupChange  = "change"
	groupScript  = "script"
	groupSetup   = "setup"
	groupProgram = "program"
)

// newRoot builds the whole command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: "orchestrator", Short: "High availability for servers, without a load balancer",
		Long: rootLong, Example: rootExample,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDescriptions: false},
	}
	root.SetArgs(a.args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetUsageTemplate(usageTemplate)
	root.Version = version()
	root.SetVersionTemplate("orchestrator {{.Version}}\n")
	root.PersistentFlags().StringVar(&a.home, "home", "", "directory of this node (default $ORCHESTRATOR_HOME, or "+defaultHome(a.env)+")")
	root.AddGroup(
		&cobra.Group{ID: groupRead, Title: "Look:"},
		&cobra.Group{ID: groupChange, Title: "Move a module:"},
		&cobra.Group{ID: groupScript, Title: "For scripts:"},
		&cobra.Group{ID: groupSetup, Title: "Set up:"},
		&cobra.Group{ID: groupProgram, Title: "The program:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupRead, statusCommand(a), consoleCommand(a), logCommand(a), whyCommand(a), explainCommand(a), metricsCommand(a), snapshotCommand(a))
	add(groupChange, verbCommands(a)...)
	add(groupChange, failoverCommand(a))
	add(groupChange, muteCommands(a)...)
	add(groupChange, bareCommand(a))
	add(groupScript, resourceCommand(a), noteCommand(a), loopCommand(a), tokenCommand(a))
	add(groupSetup, clusterCommand(a), moduleCommand(a), configCommand(a), rulesCommand(a), mirrorCommand(a), pluginCommand(a), filterCommand(a), labCommand(a))
	add(groupProgram, daemonCommand(a), webCommand(a), versionCommand(a))
	root.AddCommand(helpTopics()...)
	root.SetHelpCommandGroupID(groupProgram)
	root.SetCompletionCommandGroupID(groupProgram)
	noteStart(a, root)
	return root
}

// noteStart makes every command note that it was called: an error before that
// is one of the command line's.
func noteStart(a *app, c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error { return argumentError(cmd, args, check(cmd, args)) }
	}
	if do := c.RunE; do != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return do(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		noteStart(a, sub)
	}
}

// argumentError tells how a command is written that has too few or too many arguments.
func argumentError(c *cobra.Command, args []string, err error) error {
	if err == nil {
		return nil
	}
	written := strings.TrimSuffix(c.UseLine(), " [flags]")
	if want := strings.Fields(strings.TrimPrefix(written, c.CommandPath())); len(args) < len(want) {
		return usagef("an argument is missing: %s", written)
	}
	return usagef("%q is an argument too many: %s", args[len(args)-1], written)
}

// noun makes a command that does nothing but hold others.
func noun(use, short, long string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Example: samples(subs), DisableFlagsInUseLine: true}
	c.AddCommand(subs...)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		if len(args) == 0 {
			return usagef("%s needs one of: %s", cmd.CommandPath(), strings.Join(names, ", "))
		}
		text := fmt.Sprintf("unknown command %q for %s", args[0], cmd.CommandPath())
		if near := diag.Nearest(args[0], names); near != "" {
			return usagef("%s: did you mean %q?", text, near)
		}
		return usagef("%s; there are: %s", text, strings.Join(names, ", "))
	}
	return c
}

// samples are the first examples of commands, one of each.
func samples(commands []*cobra.Command) string {
	var all []string
	for _, c := range commands {
		for line := range strings.SplitSeq(c.Example, "\n") {
			if !c.Hidden && strings.HasPrefix(line, "  orchestrator ") {
				all = append(all, line)
				break
			}
		}
	}
	return strings.Join(all, "\n")
}

// jsonFlag gives a command the flag --json.
func (a *app) jsonFlag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

const usageTemplate = `Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:{{range $cmds}}{{if or .IsAvailableCommand (eq .Name "help")}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help")))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasHelpSubCommands}}

More to read:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .CommandPath .CommandPathPadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableSubCommands}}

More about a command: {{.CommandPath}} COMMAND --help{{end}}
`
