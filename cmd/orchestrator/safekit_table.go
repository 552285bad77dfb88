package main

import (
	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// Half sentences that several commands share.
const (
	ownWeb     = "the console is part of the daemon"
	byItself   = "what is applied on one server reaches all of them by itself"
	waits      = "waits, 15 minutes at most"
	identity   = "with -i it counts in maxloop, without it is an operator's and resets the counter"
	noIDs      = "modules are told apart by their names alone, and have no ports of their own"
	alwaysSafe = "all that servers tell each other is protected, with keys that the cluster makes by itself"
	bootNote   = `where userconfig.xml leaves it open with boot="ignore", the default; until then what ran before runs again`
	// windowsTool is what SafeKit has for scripts on Windows alone.
	windowsTool = `a tool for scripts on Windows, there also in %SAFEBIN%`
	muteNote    = "stays so until it is switched on again"
)

// oldCommands are all commands of SafeKit, in the order of its guide. The program,
// its help and docs/safekit.md go by this table alone.
var oldCommands []old

func init() { // not in the declaration: help, one of them, reads the table
	oldCommands = []old{
		{words: "start", args: "-m AM", now: "orchestrator start AM --node NODE --no-wait", reach: onHosts, run: move(core.VerbStart, 0)},
		{words: "waitstart", args: "-m AM", now: "orchestrator start AM --node NODE", note: waits, reach: onHosts, run: move(core.VerbStart, longWait)},
		{words: "stop", args: "-m AM [-i identity]", now: "orchestrator stop AM --node NODE --no-wait; in Lua: module.stop()", note: "with -i it is a script's, and leaves what the operator wants as it is", reach: onHosts, run: move(core.VerbStop, 0)},
		{words: "waitstop", args: "-m AM", now: "orchestrator stop AM --node NODE", note: waits + "; in a hook of the module itself, which the stop has to wait for, it does not", reach: onHosts, run: move(core.VerbStop, longWait)},
		{words: "restart", args: "-m AM [-i identity]", now: "orchestrator restart AM --node NODE --no-wait; in Lua: module.restart()", note: identity, reach: onHosts, run: move(core.VerbRestart, 0)},
		{words: "stopstart", args: "-m AM [-i identity]", now: "orchestrator stopstart AM --node NODE --no-wait; in Lua: module.stopstart()", note: identity, reach: onHosts, run: move(core.VerbStopStart, 0)},
		{words: "forcestop", args: "-m AM", now: "orchestrator forcestop AM --node NODE --no-wait", reach: onHosts, run: move(core.VerbForceStop, 0)},
		{words: "wait", args: "-m AM [-i identity]", now: "orchestrator wait AM --node NODE --no-wait; in Lua: module.wait()", note: "stays in WAIT until wakeup, start or stop; with -i it counts in maxloop", reach: onHosts, run: move(core.VerbWait, 0)},
		{words: "wakeup", args: "-m AM [-i identity]", now: "orchestrator wakeup AM --node NODE --no-wait; in Lua: module.wakeup()", note: "ends what wait began; what waits for a resource goes on by itself", reach: onHosts, run: move(core.VerbWakeup, 0)},
		{words: "shutdown", now: "orchestrator stop AM --node NODE, for each module; systemctl stop orchestrator", note: "stops all modules of this server and waits", reach: onHosts, run: shutdown},
		{words: "waitstate", args: "-m AM STOP|ALONE|UP|PRIM|SECOND", now: "orchestrator status AM --watch", note: "waits until the module is there and settled", run: waitState},
		{words: "update", args: "-m AM", now: "orchestrator config apply AM", reach: everywhere, run: as("config", "apply", "AM")},
		{words: "swap", args: "-m AM [nosync] [-i identity]", now: "orchestrator swap AM", note: "refused while the secondary is not up to date, also with nosync; with -i it counts in maxloop", reach: onHosts, run: move(core.VerbSwap, 0)},
		{words: "prim", args: "-m AM [fullsync]", now: "orchestrator prim AM --node NODE", note: "also where the module waits already; the other server copies everything if it has to, fullsync or not", reach: onHosts, run: move(core.VerbPrim, 0)},
		{words: "second", args: "-m AM [fullsync]", now: "orchestrator second AM --node NODE", note: "with fullsync as secondforce", reach: onHosts, run: second},
		{words: "primforce", args: "-m AM", now: "orchestrator primforce AM --node NODE", reach: onHosts, run: move(core.VerbPrimForce, 0)},
		{words: "secondforce", args: "-m AM [-d date]", now: "orchestrator secondforce AM --node NODE", note: "copies everything; -d is not looked at", reach: onHosts, run: move(core.VerbSecondForce, 0)},
		{words: "failover", args: "on|off -m AM", now: "orchestrator failover AM on|off", note: "said on one server it holds on both", reach: onHosts, run: setFailover},

		{words: "state", args: "[-m AM] [-v|-lq]", now: "orchestrator status [AM]", note: "-lq prints nothing and ends with 0 for STOP, 1 for WAIT, 2 for UP or ALONE, 3 for PRIM, 4 for SECOND, 255 where nobody can tell; -v calls the module's hook state, too", reach: onHosts, run: withHook("state", showState)},
		{words: "level", args: "[-m AM]", now: "orchestrator version", note: "with -m it calls the module's hook level, too", run: withHook("level", as("version"))},
		{words: "log", args: "-m AM [-s nb] [-A] [-l en|fr|ja]", now: "orchestrator log AM --lines NB", note: "the language is English; -A shows what is of interest to developers, too", reach: fromHosts, run: showLog()},
		{words: "logview", args: "-m AM [-A] [-s nb] [-l en|fr|ja]", now: "orchestrator log AM --follow", run: showLog("--follow")},
		{words: "logsave", args: "-m AM [-A] [-l en|fr|ja] FILE", now: "orchestrator log AM > FILE", run: saveLog},
		{words: "cmdlog", now: "orchestrator log --type command", reach: fromHosts, run: commandLog},
		{words: "printi", args: "-m AM TEXT…", now: "orchestrator note AM TEXT; in Lua: log.info(TEXT)", note: "an entry of kind message in the module's journal", run: printOld("info")},
		{words: "printw", args: "-m AM TEXT…", now: "orchestrator note AM --level warn TEXT; in Lua: log.warn(TEXT)", run: printOld("warn")},
		{words: "printe", args: "-m AM TEXT…", now: "orchestrator note AM --level error TEXT; in Lua: log.error(TEXT)", run: printOld("error")},

		{words: "get", args: "-m AM -r resource", now: "orchestrator resource get AM NAME; in Lua: resource.get(NAME)", note: "also state.local, state.remote, usersetting.checker, .errd, .boot, .failover and .encryption, rfs.uptodate, .degraded, .synced, .syncat, .rep_bandwidth, .rei_bandwidth, .netin_bandwidth and .netout_bandwidth, GROUP_0 (the share), connections.ADDRESS; heart.stopstartloop is the time, in seconds since 1970, of the first action that counts in maxloop now, or 0", reach: fromHosts, run: getResource},
		{words: "set", args: "-m AM -r resource -v up|down|unknown [-n] [-l] [-i identity]", now: "orchestrator resource set AM NAME VALUE; in Lua: resource.set(NAME, VALUE)", note: "resources of class custom, as there; rfs.syncat up synchronises now", run: setResource},
		{words: "incloop", args: "-m AM [-i identity]", now: "orchestrator loop count AM", note: "counts one automatic action; ends with 1 when the limit is reached", run: move(core.VerbIncLoop, 0)},
		{words: "resetloop", args: "-m AM [-i identity]", now: "orchestrator loop reset AM", note: "forgets what was counted, as any command of an operator does", run: move(core.VerbResetLoop, 0)},
		{words: "checkloop", args: "-m AM [-i identity]", now: "orchestrator loop show AM", note: "shows the counter; ends with 1 when the limit is reached", reach: fromHosts, run: checkLoop},

		{words: "module install", args: "-m AM [-M id] [-r] [FILE]", now: "orchestrator module install FILE --name AM", note: "on all servers at once, configured already; without a file the shipped module AM", reach: everywhere, run: installOld},
		{words: "module uninstall", args: "-m AM", now: "orchestrator module uninstall AM", reach: everywhere, run: as("module", "uninstall", "AM")},
		{words: "module package", args: "-m AM FILE", now: "orchestrator module package AM FILE", run: as("module", "package", "AM", "FILE")},
		{words: "module list", now: "orchestrator module list", reach: everywhere, run: as("module", "list")},
		{words: "module listid", now: "orchestrator module list", note: noIDs, reach: everywhere, run: says(1)},
		{words: "module getports", args: "[-m AM] [-i id]", note: noIDs + ": the cluster uses UDP 4800, TCP and UDP 4801, TCP 4802, TCP 9010", reach: everywhere, run: says(0)},
		{words: "module genkey", args: "-m AM", note: alwaysSafe, reach: everywhere, run: says(0)},
		{words: "module delkey", args: "-m AM", note: alwaysSafe, reach: everywhere, run: says(1)},
		{words: "config", args: "-m AM", now: "orchestrator config apply AM", note: "on all servers at once", reach: everywhere, run: as("config", "apply", "AM")},
		{words: "deconfig", args: "-m AM", now: "orchestrator module uninstall AM", note: "an installed module is always configured, so there is nothing to do before it is uninstalled", reach: everywhere, run: says(0)},
		{words: "confinfo", args: "-m AM", now: "orchestrator module list; orchestrator cluster status", reach: everywhere, run: showSignatures},
		{words: "confcheck", args: "-m AM", now: "orchestrator module check FOLDER", note: "checks the copy that may be edited, and calls its hook confcheck", run: checkOld},
		{words: "-E", args: "AM", note: byItself, reach: everywhere, now: "orchestrator config apply AM", run: as("config", "apply", "FILE")},

		{words: "cluster config", args: "[FILE] [lock|unlock]", now: "orchestrator cluster apply FILE", note: "makes the cluster of that cluster.xml (or of the one that SafeKit has on this machine): its first server founds it, and for each other one what to type there is printed, with a token; on a member it tells what differs, and ends with 1 where this server cannot change it", reach: everywhere, run: configCluster},
		{words: "cluster confcheck", args: "FILE", now: "orchestrator cluster check FILE", run: as("cluster", "check", "FILE")},
		{words: "cluster confinfo", now: "orchestrator cluster status", reach: everywhere, run: as("cluster", "status")},
		{words: "cluster state", now: "orchestrator cluster status", reach: everywhere, run: as("cluster", "status")},
		{words: "cluster deconfig", now: "orchestrator cluster leave", note: "takes this server alone out of the cluster", run: as("cluster", "leave")},
		{words: "cluster create", args: "address…", now: "orchestrator cluster init; orchestrator cluster token", note: "a cluster is founded by its first server and joined by the others", run: says(1)},
		{words: "cluster genkey", note: alwaysSafe, reach: everywhere, run: says(0)},
		{words: "cluster delkey", note: alwaysSafe, reach: everywhere, run: says(1)},
		{words: "-G", note: byItself, reach: everywhere, run: says(0)},

		{words: "boot on", args: "-m AM", now: "orchestrator boot AM on --node NODE", note: bootNote, reach: onHosts, run: turn(control.SwitchBoot, "on")},
		{words: "boot off", args: "-m AM", now: "orchestrator boot AM off --node NODE", note: bootNote, reach: onHosts, run: turn(control.SwitchBoot, "off")},
		{words: "boot status", args: "[-m AM]", now: "orchestrator status AM --json", note: bootNote, reach: fromHosts, run: showBoot},
		{words: "boot webon", note: ownWeb, reach: onHosts, run: says(0)},
		{words: "boot", args: "weboff|webstatus|snmpon|snmpoff|snmpstatus", now: "systemctl enable orchestrator", note: ownWeb + ", and there is no SNMP agent", reach: onHosts, run: says(1)},
		{words: "errd off", args: "-m AM", now: "orchestrator mute AM --processes --node NODE", note: muteNote, reach: onHosts, run: turn(control.WatchProcesses, "off")},
		{words: "errd on", args: "-m AM", now: "orchestrator unmute AM --processes --node NODE", reach: onHosts, run: turn(control.WatchProcesses, "on")},
		{words: "errd suspend", args: "-m AM", now: "orchestrator mute AM --processes --node NODE", note: "the older name of errd off", reach: onHosts, run: turn(control.WatchProcesses, "off")},
		{words: "errd resume", args: "-m AM", now: "orchestrator unmute AM --processes --node NODE", note: "the older name of errd on", reach: onHosts, run: turn(control.WatchProcesses, "on")},
		{words: "errd list", args: "-m AM", now: "orchestrator status AM", note: "the resources proc.* of state -v", reach: fromHosts, run: showProcesses},
		{words: "errd enable", args: "class -m AM", now: "orchestrator unmute AM --class CLASS --node NODE", note: "a class of the module's own; it stays so until it is disabled", reach: onHosts, run: turnClass("on")},
		{words: "errd disable", args: "class -m AM", now: "orchestrator mute AM --class CLASS --node NODE", reach: onHosts, run: turnClass("off")},
		{words: "checker off", args: "-m AM", now: "orchestrator mute AM --checks --node NODE", note: muteNote, reach: onHosts, run: turn(control.WatchChecks, "off")},
		{words: "checker on", args: "-m AM", now: "orchestrator unmute AM --checks --node NODE", reach: onHosts, run: turn(control.WatchChecks, "on")},
		{words: "webserver", args: "[restart]", now: "systemctl restart orchestrator", note: ownWeb, run: says(1)},
		{words: "webservercfg", args: "[-passwd password] [-user user] [-rcmdpasswd password] [-rcmduser user]", now: "orchestrator console", note: "nobody has a password: a link lets somebody in once, with a role", run: says(1)},
		{words: "notification", args: "enable|disable|status", now: "orchestrator log --follow --json", note: "no mail is sent; follow the journal instead", run: says(1)},
		{words: "safeagent", args: "start|stop|restart|check", now: "orchestrator status --json", note: "there is no SNMP agent", run: says(1)},
		{words: "uninstall", args: "[-all]", now: "orchestrator cluster leave", note: "a server leaves its cluster first; then remove the package", run: says(1)},

		{words: "rfsverify", args: "-m AM", now: "orchestrator mirror verify AM", note: "on either server; the primary does it", run: as("mirror", "verify", "AM")},
		{words: "rfsdiff", args: "-m AM", now: "orchestrator mirror diff AM", run: as("mirror", "diff", "AM")},
		{words: "rfssync", args: "[-m AM] [rest…]", now: "orchestrator status AM", note: "copies are not seeded from a backup: what is the same is found by checksums; secondforce copies everything", run: says(1)},

		{words: "snapshot", args: "[-m AM] FILE", now: "orchestrator snapshot FILE", note: "of the whole server; without a password, since no secret is in it", run: as("snapshot", "FILE")},
		{words: "dump", args: "-m AM", now: "orchestrator snapshot FILE", note: "nothing has to be dumped: the journal has what happened", run: says(0)},
		{words: "clean", args: "[all|log|process|resource] [-m AM]", note: "the journal forgets by itself, what is older than 90 days or more than 200,000 entries", run: says(0)},
		{words: "kill", args: "[-name=NAME] [-argregex=REGEX] -level=test|terminate|9|15", now: "in Lua: application(\"process\"):stop()", note: "processes of this server by the name or arguments that they have; test only lists them", run: killOld},
		{words: "-p", note: "prints where scripts find what", run: printPlaces},
		{words: "-r processtree list", args: "[NAME] [REGEX]", now: "ps -ef", note: "processes of this server by name (or all) and arguments", run: listProcesses},
		{words: "-r processtree kill", args: "NAME [REGEX]", now: "pkill -9 -f REGEX; in Lua: application(\"process\"):stop { force = true }", note: "NAME may be all, with a REGEX", run: killProcesses},
		{words: "-r vip_if_ctrl", args: "[-l]", now: "orchestrator filter show", run: as("filter", "show")},
		{words: "-r saferpc_send vipd SETGROUPS", args: "all|none [second] [third] -m AM", now: "orchestrator undrain AM --node NODE; orchestrator drain AM --node NODE", note: "all opens this server to the traffic, none closes it; here traffic comes only after start_both has succeeded; none ends with 1, and this server goes on serving, where no other server takes the traffic: stop closes it there", run: setGroups},
		{words: "-r errdpoll_running", now: "orchestrator status", note: "processes are watched by the daemon itself", run: says(0)},
		{words: "-r healthcheck.sh", now: "orchestrator cluster status", run: as("cluster", "status")},
		{words: "-r anontool anonymize-snapshot", args: "[rest…]", now: "orchestrator snapshot FILE --anonymize", note: "made anonymous as it is written", run: says(1)},
		{words: "-r safeenc", args: "[rest…]", note: "no password is kept encrypted", run: says(1)},
		{words: "-r printcert", args: "[rest…]", now: "openssl x509 -text -in FILE", note: "the certificates lie in the folder cluster of the node's directory", run: says(1)},

		{words: "firewallcfg", args: "add|del [AM]", now: "firewall-cmd --add-port=4800/udp --add-port=4801/udp --add-port=4801/tcp --add-port=4802/tcp --add-port=9010/tcp", note: "no rules are written: open UDP 4800, TCP and UDP 4801, TCP 4802 (replication) and TCP 9010 between the servers", run: says(1)},
		{words: "boundcmd", args: "seconds command…", now: "in Lua: exec{ …, timeout = \"10s\" }", note: "ends with 2 when the time is over, and kills the command with its children; also $SAFEBIN/boundcmd", run: boundCommand},
		{words: "xpathGet", args: "[-m AM] XPATH", now: "<var name=\"NAME\" value=\"%MACRO%\"/> in <user>, then $NAME", note: "prints what an XPath finds in the module's active configuration, macros replaced and defaults filled in, one a line (attributes and texts as their value, elements as XML), and fails if that is nothing; also $SAFEBIN/xpathGet; the file is conf/safeconf.xml of the module", run: getXPath},
		{words: "gencron", args: "del|add user command -c text", now: "a systemd timer that start_both starts and stop_both stops", note: "comments the lines of the user's crontab that have the command in them, or all, out and in again; the text marks them; also $SAFEBIN/gencron", run: switchCron},

		{words: "sleep", args: "seconds", now: "in Lua: sleep(\"10s\")", note: windowsTool, run: sleepOld},
		{words: "exitcode", args: "code", now: "exit /b CODE", note: windowsTool + "; ends with that code", run: exitOld},
		{words: "sync", note: windowsTool + "; whoever writes has to see to it that it is on the disk", run: says(0)},
		{words: "namealias", args: "[rest…]", note: windowsTool + "; names for a virtual address belong into DNS", run: says(1)},
		{words: "netnames", args: "[rest…]", now: "ip link; getmac /v", note: windowsTool, run: says(1)},

		{words: "help", note: "shows these commands", run: showOldHelp},
		{words: "-h", note: "the same", run: showOldHelp},
		{words: "--help", note: "the same", run: showOldHelp},
	}
}
