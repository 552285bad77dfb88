package hostname

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Programs that start side by side have each its name, and this one keeps its own.
func TestStart(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	before, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, name := range strings.Fields("db web.example.org a b c d e f") {
		all.Go(func() {
			var out bytes.Buffer
			cmd := exec.Command("/bin/sh", "-c", "uname -n; cat /proc/sys/kernel/hostname; sh -c 'uname -n'; ps -o pgid= -p $$ | tr -d ' '; echo $$; exit 3")
			cmd.Stdout = &out
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := Start(cmd, name); err != nil {
				t.Error(err)
				return
			}
			err := cmd.Wait()
			got := strings.Fields(out.String())
			if len(got) != 5 || got[0] != name || got[1] != name || got[2] != name || got[3] != got[4] || cmd.ProcessState.ExitCode() != 3 {
				t.Errorf("%s: %v, %q", name, err, got)
			}
		})
	}
	all.Wait()
	for range 100 { // whatever thread it is
		if now, err := os.Hostname(); now != before || err != nil {
			t.Fatalf("the host is called %q, not %q: %v", now, before, err)
		}
	}
}

func TestStartFails(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if err := Start(exec.Command("/no/such/program"), "db"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	if err := Start(exec.Command("/bin/true"), strings.Repeat("x", 65)); err == nil || !strings.Contains(err.Error(), "cannot be given the host name xxx") {
		t.Errorf("a name that is too long: %v", err)
	}
}
