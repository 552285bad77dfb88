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

Below ` + "`$SAFE`" + ` scripts find ` + "`private/bin`, `private/modules/AM` (the copy that runs) and `modules/AM`" + ` (the
one to edit); ` + "`$SAFEUSERVAR`" + ` is a folder of the module for files of its own. What a hook prints is kept
in a file for each run, and shown by ` + "`orchestrator log`" + `. A name for a virtual address is looked
up when the module is installed or applied; one that a check asks, each time. ` + "`AM_start_wrapper.sh`" + ` and
` + "`AM_stop_wrapper.sh`" + ` in ` + "`private/modules/AM/bin`" + ` start and stop the application of a stopped module with its
address and without the module, as ` + "`orchestrator bare start AM`" + ` does; with replicated folders, which are there only
while the module runs, they refuse it, and ` + "`orchestrator mute AM`" + ` lets you work undisturbed. A load balancer may go on asking for
` + "`/var/modules/AM/ready.txt`" + ` at port 9010, by https.

## What is better than there

| what people have to live with | here |
|---|---|
| 30 s until a lost server is noticed, 10 s between two checks, 15 s until a rule acts | a lost server is taken over from after 100 ms; checks may run every 50 ms; rules are looked at when something changes, and act after their ` + "`handle_time`" + ` |
| a kernel module to compile, to sign, and to compile again after each update of the kernel | a filter that the kernel checks and loads by itself (eBPF), without compiler or headers |
| ` + "`vmac_invisible`" + ` floods switches; ` + "`vmac_directed`" + ` waits for the clients' ARP; three ways to share; no drain | connections survive a server that joins, leaves, drains or is weighed anew; ` + "`orchestrator drain`" + `, ` + "`slow_start`" + `; the share of each client is told by ` + "`orchestrator explain`" + ` |
| the address is open before ` + "`start_both`" + ` has run, unless ` + "`scriptcontrol`" + ` | traffic comes after it has succeeded |
| two servers that do not see each other may both be primary; the only witness is a ping; a wrong ` + "`prim`" + ` destroys good data | several witnesses, by ping, TCP or HTTP; which data is newer is told by generations, not by clocks, and shown; ` + "`prim`" + ` is refused where the data is known to be outdated |
| most of the configuration only when stopped | what can be changed while the module runs is marked in [userconfig.md](userconfig.md) |
| plain HTTP and unencrypted modules by default, everybody is administrator, one password on all servers | all traffic is encrypted and authenticated from the first command; roles; links for one login; the local socket is root's |
| the console is gone with the server that it was opened on | all servers have it, and the page links the others; see [console.md](console.md) |
| no metrics | [` + "`/metrics`" + `](metrics.md) for Prometheus |
| the password of snapshots is public | no secret is in them |
| processes and services are looked for every 10 or 30 s | the kernel and systemd tell of each start, end and change at once; ` + "`polltimer`" + ` is a safety net |
| one kind of witness, a router that is pinged | witnesses by ping, TCP or HTTP, as many as you like; one that is reached is enough, and they are asked anew when the other server is lost |
| custom checkers must loop, count and say everything themselves | ` + "`http`, `dns`, `sql`, `tcp`, `ping`" + ` and more with thresholds, or a checker as a function in Lua or as a plugin; the old ones run as they are |
| errors in XML without a place; no schema; no way to try a rule | ` + "`module check`" + ` shows every mistake with its line and what would be right; ` + "`module schema`" + ` for editors; ` + "`rules explain`, `rules test`" + ` |
| ` + "`<` and `>`" + ` cannot be in a pattern | ` + "`&lt;` and `&gt;`" + ` can, as everywhere in XML |
| why something happened is to be guessed from a log | ` + "`orchestrator why`" + ` tells it back to its first cause, ` + "`resource history`" + ` what each resource was, ` + "`log --type command`" + ` who did what from where with which result |
| all modules start with a licence that is bound to host names | there is no licence |
| modules are changed by hand on each server, or pushed with a password | what is applied on one server reaches all, also those that were away; a module is a folder that can be kept in git |

What is not better yet: a mirror has two servers; the virtual address has to lie in one network (for others
there is ` + "`/health/AM`" + `, for a load balancer).
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
