package hook

import (
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Each kind of hook is run by its interpreter, with the same arguments.
func TestInterpreters(t *testing.T) {
	c := &call{path: "hook", run: Run{Args: core.HookCall{Force: true, From: core.Up, To: core.Wait, Verb: core.VerbWait, Services: "a, b"}}}
	for kind, want := range map[hookKind]string{
		kindPlain: "hook", kindSh: "/bin/sh hook", kindCmd: "cmd.exe /d /c hook", kindVBS: "cscript.exe //NoLogo //B hook",
		kindPS: "powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -File hook",
	} {
		cmd := c.programCommand(kind)
		if got := strings.Join(append([]string{cmd.path}, cmd.args...), " "); got != want+" force UP WAIT stopwait -Services a, b" {
			t.Errorf("%s: %s", kind, got)
		}
	}
	for _, name := range []string{".lua", ".exe", ".cmd", ".bat", ".ps1", ".vbs"} {
		found := false
		for _, s := range suffixes("windows") {
			found = found || s.end == name && s.kind != kindNone
		}
		if !found {
			t.Errorf("Windows runs no %s", name)
		}
	}
}
