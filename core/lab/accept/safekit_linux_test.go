package accept_test

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/lab"
)

// safekitModule is a farm module in SafeKit's own form: its scripts call
// $SAFE/safekit and $SAFEBIN/boundcmd, stop the module themselves when the
// application cannot start, and old things lie beside them in the archive.
func safekitModule() files {
	f := shellModule()
	f[userconfig] = strings.Replace(f[userconfig], `addr="127.0.0.1" port="80" interval="10"`, `addr="localhost" port="80" interval="1"`, 1)
	f[userconfig] = strings.Replace(f[userconfig], "</check>", `<custom ident="beat" when="both" exec="beat" arg="one two" action="noaction"/></check>`, 1)
	f["bin/beat"] = `#!/bin/sh
while true; do
  $SAFE/safekit set -r "$2" -v up -i "$1 $3 $4"
  sleep 1
done
`
	f[userconfig] = strings.Replace(f[userconfig], "<check>", `<errd polltimer="1"><proc name="sleep" argregex="98765" class="helper" action="bring-back.sh"/></errd><check>`, 1)
	f["bin/bring-back.sh"] = `#!/bin/sh
sleep 98765 >/dev/null 2>&1 &
`
	delete(f, "bin/stop_both.sh")
	f["bin/prestart"] = `#!/bin/sh
$SAFE/safekit printi "prestart $*"
$SAFEUSERBIN/stop_both STOP WAIT start
$SAFEUSERBIN/stop_both force STOP WAIT start
exit 0
`
	f["bin/start_both"] = `#!/bin/sh
$SAFE/safekit printi "start_both $*"
if [ -e "$SAFEVAR/broken" ]; then
  $SAFE/safekit printe "the database is not there"
  $SAFE/safekit stop -i start_both
  exit 1
fi
$SAFEBIN/orchestrator web --listen ":$PORT" --node-name safekit >/dev/null 2>&1 &
echo $! > "$SAFEVAR/$SAFEMODULE.pid"
$SAFEBIN/boundcmd 20 sh -c "until curl -s -o /dev/null http://127.0.0.1:$PORT/; do sleep 0.1; done" || exit 1
$SAFE/safekit set -r custom.app -v up -i start_both || exit 1
$SAFE/private/bin/safekit printi "through private/bin" || exit 1
exit 0
`
	f["bin/stop_both"] = `#!/bin/sh
signal=15
[ "$1" = force ] && signal=9
$SAFE/safekit printi "stop_both $*"
[ -f "$SAFEVAR/$SAFEMODULE.pid" ] || exit 0
kill -$signal $(cat "$SAFEVAR/$SAFEMODULE.pid")
rm -f "$SAFEVAR/$SAFEMODULE.pid"
exit 0
`
	return f
}

// A module in SafeKit's own form is installed, started, restarted and stopped, by
// SafeKit's own commands.
func TestSafekitModule(t *testing.T) {
	s := build(t, "accsafekit", "legacy")
	home := s.Status().Nodes[0].Home
	old := func(code int, args ...string) string {
		t.Helper()
		r := s.call(t, "n1", filepath.Join(home, "bin", "safekit"), args...)
		if r.code != code {
			t.Fatalf("safekit %s ends with code %d, not %d:\n%s", strings.Join(args, " "), r.code, code, r.text())
		}
		return r.text()
	}
	m := []string{"-m", s.module}
	archive := filepath.Join(s.root, "legacy.safe")
	if err := os.WriteFile(archive, safekitModule().zip(t), 0o600); err != nil {
		t.Fatal(err)
	}
	old(0, "module", "install", "-m", s.module, archive)
	old(0, "state", "-lq", "-m", s.module)
	for _, n := range everybody {
		old(0, "-H", n, "start", "-m", s.module)
	}
	old(0, append([]string{"waitstate"}, append(m, "UP")...)...)
	s.whole(t, everybody...)
	old(2, "state", "-lq", "-m", s.module)
	if out := old(0, "get", "-m", s.module, "-r", "custom.app"); out != "up\n" {
		t.Errorf("start_both set custom.app up, and it is %q", out)
	}

	eventually(t, "the checker of the module has set its resource", func() string {
		out := old(0, "state", "-v", "-m", s.module)
		if !strings.Contains(out, "custom.beat up (said by legacy one two)") {
			return out
		}
		return ""
	})

	s.rescued(t, old)
	first := s.processesOf(t, "n1", " web ")
	for i := range 3 {
		old(0, "restart", "-m", s.module, "-i", "watchdog")
		old(0, append([]string{"waitstate"}, append(m, "UP")...)...)
		if out := old(min(i/2, 1), "checkloop", "-m", s.module); !strings.HasPrefix(out, string(rune('1'+i))+" of 3 automatic actions") {
			t.Errorf("after %d restarts of a script: %s", i+1, out)
		}
	}
	if again := s.processesOf(t, "n1", " web "); len(first) != 1 || len(again) != 1 || first[0] == again[0] {
		t.Errorf("the application was %v before the restarts, and is %v after them", first, again)
	}
	old(1, "incloop", "-m", s.module, "-i", "handler")
	old(0, "restart", "-m", s.module, "-i", "watchdog") // one too many
	old(0, append([]string{"waitstate"}, append(m, "STOP")...)...)
	s.whole(t, "n2", "n3")

	broken := filepath.Join(home, "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old(1, "waitstart", "-m", s.module)
	old(0, "state", "-lq", "-m", s.module)
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	old(0, "waitstart", "-m", s.module)
	s.muted(t, old)
	s.snapshot(t)
	s.console(t)
	old(0, "-H", "*", "waitstop", "-m", s.module)
	story := old(0, "log", "-m", s.module, "-s", "1000")
	for _, line := range []string{
		"message          prestart STOP WAIT start", "message          start_both WAIT UP start", "message          stop_both UP UP restart", "message          stop_both UP WAIT stop",
		"message          stop_both force WAIT STOP stop", "message    error the database is not there", "message          through private/bin", "start_both asks for stop of legacy", "stopped after 3 automatic restarts",
	} {
		if !strings.Contains(story, line) {
			t.Errorf("the log has no %q:\n%s", line, story)
		}
	}
	for _, node := range everybody {
		for _, what := range []string{" web ", "bin/beat"} {
			if pids := s.processesOf(t, node, what); len(pids) > 0 {
				t.Errorf("%s still runs%s, %v, after the stop", node, what, pids)
			}
		}
	}
	old(0, "module", "uninstall", "-m", s.module)
}

// muted switches the checks of the module off: the application may die, and nothing
// happens until they are on again.
// rescued has a class of the module's own watched, with a program that brings a process
// back.
func (s *stage) rescued(t *testing.T, old func(int, ...string) string) {
	t.Helper()
	old(0, "errd", "enable", "helper", "-m", s.module)
	watched := func(was int) string {
		pids := s.processesOf(t, "n1", "sleep 98765")
		if out := old(0, "get", "-m", s.module, "-r", "proc.sleep"); out != "up\n" || len(pids) != 1 || pids[0] == was {
			return fmt.Sprintf("proc.sleep is %s, processes %v", out, pids)
		}
		return ""
	}
	eventually(t, "a class of the module's own is watched, and its program has started what was missing", func() string { return watched(0) })
	was := s.processesOf(t, "n1", "sleep 98765")[0]
	if err := syscall.Kill(was, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it was brought back", func() string { return watched(was) })
	if out := old(0, "checkloop", "-m", s.module); !strings.HasPrefix(out, "0 of 3") {
		t.Errorf("what the program did was counted: %s", out)
	}
	old(0, "errd", "disable", "helper", "-m", s.module)
	if out := old(0, "get", "-m", s.module, "-r", "proc.sleep"); out != "unknown\n" {
		t.Errorf("a class that is switched off says %q", out)
	}
	for _, pid := range s.processesOf(t, "n1", "sleep 98765") {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	old(1, "errd", "enable", "others", "-m", s.module)
}

func (s *stage) muted(t *testing.T, old func(int, ...string) string) {
	t.Helper()
	old(0, "checker", "off", "-m", s.module)
	if out := old(0, "get", "-m", s.module, "-r", "tcp.web"); out != "unknown\n" {
		t.Errorf("a check that is switched off says %q", out)
	}
	before := s.processesOf(t, "n1", " web ")
	if len(before) != 1 {
		t.Fatalf("the application is %v", before)
	}
	if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	old(2, "state", "-lq", "-m", s.module)
	old(0, "checker", "on", "-m", s.module)
	eventually(t, "the application is restarted", func() string {
		now := s.processesOf(t, "n1", " web ")
		if len(now) != 1 || now[0] == before[0] {
			return fmt.Sprint(now)
		}
		return ""
	})
	old(0, "waitstate", "-m", s.module, "UP")
}

// snapshot packs a server that runs, and looks for what must be in the archive and
// what must not.
func (s *stage) snapshot(t *testing.T) {
	t.Helper()
	file := filepath.Join(s.root, "n1.zip")
	s.do(t, "n1", "snapshot", file, "--anonymize")
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close() //nolint:errcheck // it is only read
	var all strings.Builder
	for _, f := range z.File {
		fmt.Fprintln(&all, f.Name)
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, there := range []string{"journal.jsonl", "status.json", "filter.json", "plugins.json", "active/module-1/bin/start_both", "the database is not there", "modulekey.p12: may hold keys"} {
		if !strings.Contains(all.String(), there) {
			t.Errorf("the snapshot lacks %q", there)
		}
	}
	for _, not := range []string{".missing\n", "PRIVATE KEY", vip, lab.NodeAddress(1).String(), s.module + " goes from"} {
		if strings.Contains(all.String(), not) {
			t.Errorf("the snapshot tells %q", not)
		}
	}
}
