package modules_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/archive"
	"github.com/orchestrator-ha/orchestrator/core/hook"
)

// noSystemd starts nothing.
type noSystemd struct{}

func (noSystemd) Start(context.Context, string, string, json.RawMessage) error      { return nil }
func (noSystemd) Stop(context.Context, string, string, json.RawMessage, bool) error { return nil }
func (noSystemd) Status(context.Context, string, string, json.RawMessage) (bool, string, error) {
	return false, "", nil
}
func (noSystemd) Available(plugin string) (bool, string) { return plugin == "process", "no systemd" }

// What nginx says is wrong is the reason that people see, not its last words.
func TestNginxTellsWhatIsWrong(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program that stands in for nginx is a shell script")
	}
	dir := filepath.Join(t.TempDir(), "nginx_farm")
	if err := archive.Extract(builtin(t, "nginx_farm"), dir); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "nginx")
	says := `#!/bin/sh
echo 'nginx: the configuration file /etc/nginx/nginx.conf syntax is ok' >&2
echo 'nginx: [emerg] mkdir() "/var/lib/nginx/body" failed (2: No such file or directory)' >&2
echo 'nginx: configuration file /etc/nginx/nginx.conf test failed' >&2
exit 1
`
	if err := os.WriteFile(program, []byte(says), 0o755); err != nil {
		t.Fatal(err)
	}
	r := hook.New(hook.Options{Applications: noSystemd{}, Home: t.TempDir()}).Run(t.Context(), hook.Run{
		Module: "nginx_farm", Dir: dir, Node: "n1", Vars: map[string]string{"PORT": "80", "PROGRAM": program},
		Args: core.HookCall{Name: "start_both", From: core.Wait, To: core.Up, Verb: core.VerbStart, Timeout: time.Minute},
	})
	if want := `nginx refuses its configuration: mkdir() "/var/lib/nginx/body" failed (2: No such file or directory)`; r.OK || !strings.HasSuffix(r.Reason, want) {
		t.Errorf("got %q, want %q", r.Reason, want)
	}
}
