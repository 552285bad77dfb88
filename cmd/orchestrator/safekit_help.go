package main

import (
	"fmt"
	"strings"
)

const oldIntro = `The commands of SafeKit, as this program takes them when it is called safekit. They
are about this server, unless -H "n1,n2" or -H "*" before the command names others.
In a module's scripts -m may be left out.`

// showOldHelp prints the table for a terminal.
func showOldHelp(s *safekit, _ call) error {
	fmt.Fprintln(s.stdout, oldIntro)
	fmt.Fprintln(s.stdout)
	for _, o := range oldCommands {
		fmt.Fprintf(s.stdout, "  safekit %s\n", o.spelling())
		if o.now != "" {
			fmt.Fprintf(s.stdout, "      now: %s\n", o.now)
		}
		if o.note != "" {
			fmt.Fprintf(s.stdout, "      %s\n", o.note)
		}
	}
	return nil
}

// oldPage is docs/safekit.md.
func oldPage() string {
	var b strings.Builder
	b.WriteString(oldPageHead)
	code := func(text string) string {
		if text == "" {
			return ""
		}
		return "`" + strings.ReplaceAll(text, "|", "\\|") + "`"
	}
	for _, o := range oldCommands {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code(o.spelling()), code(o.now), strings.ReplaceAll(strings.ReplaceAll(o.note, "|", "\\|"), "<", "&lt;"))
	}
	b.WriteString(oldPageEnd)
	return b.String()
}

const oldPageHead = `# For those who know SafeKit

<!-- generated from cmd/orchestrator/safekit_table.go: UPDATE=1 go test ./cmd/orchestrator -->

Called by the name ` + "`safekit`" + `, the program takes the commands of SafeKit:

    ln -s /usr/bin/orchestrator /usr/local/bin/safekit

Scripts of modules need no such link. Hooks find ` + "`$SAFE/safekit`" + ` and
` + "`$SAFEBIN/boundcmd`" + ` in the folder ` + "`bin`" + ` of the node's directory, which the daemon makes;
` + "`SAFEMODULE`" + ` says which module is meant, so that ` + "`-m`" + ` may be left out, and
` + "`ORCHESTRATOR_HOME`" + ` where the daemon is.

Commands are about this server, as there. ` + "`-H \"n1,n2\"`" + ` or ` + "`-H \"*\"`" + ` before the command names others,
which the daemon asks over the cluster: no password and no web service takes part. URLs of consoles
are accepted in place of names of servers.

A command ends with 0 when it did what it is for, and with 1 when not; ` + "`state -lq`" + ` and ` + "`boundcmd`" + `
have codes of their own. What has no meaning here says so in one line.
` + "`start`, `stop` and their like do not wait for the end, `waitstart` and `waitstop`" + ` do.

| SafeKit | orchestrator | what is different |
|---|---|---|
`

const oldPageEnd = `
## A module in its own form

` + "`orchestrator module install FILE.safe`" + ` takes archives of SafeKit's modules as they are. What
lies beside and means nothing here (` + "`manifest.xml`, `web/`, `*.template`, `modulekey.p12`" + `) is named and
ignored. Hooks are run with the arguments and variables that [hooks.md](hooks.md) lists. A hook that ends
with a code other than 0 has failed. ` + "`safekit stop -i NAME`" + ` in a hook is carried out when the hook has
ended, so it must not be ` + "`waitstop`" + `.
`

// printPlaces prints where scripts find what.
func printPlaces(s *safekit, _ call) error {
	home, err := s.homeDir()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "SAFE=%[1]s/bin\nSAFEBIN=%[1]s/bin\nSAFEVAR=%[1]s\n", home)
	return err
}
