package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A module's scripts find the program under its old names, also after the program
// has moved.
func TestToolsForScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links of Windows are made in another way")
	}
	home := t.TempDir()
	dir := filepath.Join(home, "bin")
	for _, file := range []string{"active/web/conf/userconfig.xml", "modules/web/conf/userconfig.xml"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(home, filepath.Dir(file)), 0o700), os.WriteFile(filepath.Join(home, file), []byte(file), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"/opt/old/orchestrator-1", "/opt/new/orchestrator"} {
		if err := linkTools(dir, program); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"safekit", "boundcmd", "firewallcfg", "private/bin/safekit", "orchestrator", filepath.Base(program)} {
			if to, err := os.Readlink(filepath.Join(dir, name)); err != nil || to != program {
				t.Errorf("%s leads to %q: %v", name, to, err)
			}
		}
		for old, now := range map[string]string{"private/modules": "active", "modules": "modules"} { // as $SAFE/modules/AM/conf
			if text, err := os.ReadFile(filepath.Join(dir, old, "web/conf/userconfig.xml")); err != nil || string(text) != now+"/web/conf/userconfig.xml" {
				t.Errorf("$SAFE/%s leads to %q: %v", old, text, err)
			}
		}
	}
}
