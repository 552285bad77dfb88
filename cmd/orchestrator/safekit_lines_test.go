package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oldLines are the command lines of SafeKit, each way to write them once.
const oldLines = `
start -m AM
start
waitstart -m AM
stop -m AM
stop -i start_prim
waitstop -m AM
shutdown
waitstate -m AM STOP
waitstate -m AM ALONE
waitstate -m AM UP
waitstate -m AM PRIM
waitstate -m AM SECOND
restart -m AM -i checker
stopstart -m AM -i checker
forcestop -m AM
swap -m AM
swap -m AM nosync
swap nosync -m AM -i checker
prim -m AM
prim -m AM fullsync
second -m AM
second fullsync -m AM
primforce -m AM
secondforce -m AM -d 2026-01-01
update -m AM
wait -m AM
wakeup -m AM
get -m AM -r rfs.uptodate
set -m AM -r custom.x -v up -i custom.x
set -r custom.x -v down -n
set -r rfs.syncat -v up -l
level
level -m AM
state
state -m AM
state -m AM -v
state -m AM -lq
log -m AM
log -m AM -s 300 -A -l fr
log -m AM -s=300
logview -m AM -A -s 10 -l en
logsave -m AM -A -l ja /tmp/log
printi -m AM message of words
printe message
printi message -m AM
printw message
cmdlog
config -m AM
deconfig -m AM
confinfo -m AM
confcheck -m AM
module install -m AM
module install -m AM -M 2 -r AM.safe
module package -m AM /tmp/new.safe
module uninstall -m AM
module list
module listid
module getports -m AM
module getports -i 1
module genkey -m AM
module delkey -m AM
-H n1,n2 -E AM
-H * -E AM
-H * -G
-H [https:9453],n1,n2 start -m AM
-H https://n1:9453,http://n2:9010 state -m AM
cluster config
cluster config /tmp/cluster.xml
cluster config /tmp/cluster.zip lock
cluster config lock
cluster confcheck /tmp/cluster.xml
cluster confinfo
cluster deconfig
cluster state
cluster genkey
cluster delkey
cluster create 10.0.0.1 10.0.0.2
errd off -m AM
errd on -m AM
errd suspend -m AM
errd resume -m AM
errd enable class -m AM
errd disable class
errd list -m AM
checker off -m AM
checker on -m AM
boot on -m AM
boot off -m AM
boot status -m AM
boot webon
boot weboff
boot webstatus
boot snmpon
boot snmpoff
boot snmpstatus
failover on -m AM
failover off -m AM
rfsverify -m AM
rfsdiff -m AM
rfssync external prim uid -m AM
rfssync external second uid
rfssync -d prim uid
rfssync full
rfssync
rfssync -m AM
snapshot -m AM /tmp/x.zip
dump -m AM
clean -m AM
clean all -m AM
clean log
clean process
clean resource
incloop -m AM -i handler
resetloop -m AM -i handler
checkloop -m AM -i handler
kill -name=app -level=test
kill -argregex=^app -level=9
kill -name=app -argregex=x -level=terminate
-p
-r vip_if_ctrl -l
-r saferpc_send vipd SETGROUPS all all all
-r saferpc_send vipd SETGROUPS none none none
-r errdpoll_running
-r healthcheck.sh
-r anontool anonymize-snapshot in.zip out.zip
-r safeenc -e password
-r safeenc -d password
-r printcert /tmp/cert
-r processtree list
-r processtree list all
-r processtree kill all regex
-r processtree kill app
webserver restart
webservercfg -passwd pwd
webservercfg -passwd pwd -user admin
webservercfg -rcmdpasswd pwd -rcmduser rcmdadmin
notification enable
notification disable
notification status
safeagent start
safeagent stop
safeagent restart
safeagent check
uninstall
uninstall -all
firewallcfg add
firewallcfg del AM
boundcmd 10 ls -l /tmp
xpathGet //user/var/@value
sleep 5
exitcode 3
sync
namealias add name
netnames
gencron del root job -c text
gencron add root all -c text
`

// Each is found in the table with its arguments, as a script of a module writes it: the
// module stands in the environment where -m does not say it.
func TestEveryOldLineIsUnderstood(t *testing.T) {
	s := &safekit{app: &app{env: env{lookup: func(name string) (string, bool) { return "AM", name == "SAFEMODULE" }}}, name: "safekit"}
	seen := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(oldLines)) {
		line = strings.TrimSpace(line)
		c, err := s.parse(strings.Fields(line))
		if err != nil {
			t.Errorf("safekit %s: %v", line, err)
			continue
		}
		seen[c.old.words] = true
		if c.old.needsModule() && c.module() != "AM" {
			t.Errorf("safekit %s is about module %q", line, c.module())
		}
	}
	for _, o := range oldCommands {
		if !seen[o.words] && o.run != nil && !strings.HasPrefix(o.note, "the same") && o.words != "help" {
			t.Errorf("no line has %s", o.words)
		}
	}
}

// Each is also run, by a script of this package.
func TestEveryOldCommandIsRun(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range scripts {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, o := range oldCommands {
		run := regexp.MustCompile(`(?m)^.*(exec|exits \d+) (safekit( -H \S+)? )?` + regexp.QuoteMeta(o.words) + `( |$)`)
		if !run.MatchString(all.String()) {
			t.Errorf("no script in testdata runs safekit %s", o.words)
		}
	}
}
