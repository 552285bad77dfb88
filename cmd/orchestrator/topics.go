package main

import "github.com/spf13/cobra"

const exitCodesLong = `Every command ends with one of these codes:

  0    done
  1    failed or refused: by the daemon, on at least one server, or because what
       was checked has mistakes. Where no server was named, one on which it is so
       already counts as done, and one on which the module is not started is left
       out, unless it is not started on any
  2    the command line cannot be understood; nothing was done
  3    the daemon is not running on this server
  130  interrupted, e.g. with Ctrl-C

"orchestrator lab exec" ends with the exit code of the command that it ran.
"orchestrator log --follow" and "orchestrator status --watch" end with 0 when they
are interrupted: that is how they end.

What went wrong is told on standard error, in one line that begins with
"orchestrator:"; mistakes in a module follow with their places. With --json,
standard output has {"error": "...", "problems": [...]} as well.`

const environmentLong = `  ORCHESTRATOR_HOME  directory of this node, as --home
  NO_COLOR           not empty: no colours
  TERM               "dumb": no colours and no tables that change in place

Macros of a module that it does not declare are looked up in the environment,
too: by "orchestrator module check" in yours, on the servers in the daemon's.`

const safekitLong = `Called by the name safekit, this program takes the commands of SafeKit, with its
exit codes: make a link of that name to it. Scripts of modules need none, they find
$SAFE/safekit.

  ln -s $(command -v orchestrator) /usr/local/bin/safekit
  safekit help

shows all of them, and what to type instead; docs/safekit.md has the same.`

// helpTopics are the pages of the help that belong to no command.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "With which codes commands end", Long: exitCodesLong},
		{Use: "safekit", Short: "The commands of SafeKit", Long: safekitLong},
		{Use: "environment", Short: "Which variables matter", Long: environmentLong},
	}
}
