package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

// Scripts find the configuration as it holds, that of a change without a stop as well.
func TestExpandedConfigurationIsWritten(t *testing.T) {
	dir := t.TempDir()
	for _, port := range []string{"80", "81"} {
		files := fstest.MapFS{"conf/userconfig.xml": {Data: []byte(`<safe><macro name="PORT"/><service mode="light"><user><var name="P" value="%PORT%"/></user></service></safe>`)}}
		conf, problems := config.Parse(files, "web", config.Options{Set: map[string]string{"PORT": port}})
		if conf == nil {
			t.Fatal(problems)
		}
		if err := writeGenerated(dir, "/var/lib/it's", conf); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "conf", "safeconf.xml"))
		if err != nil || !strings.Contains(string(text), `<var name="P" value="`+port+`"/>`) {
			t.Errorf("%v in\n%s", err, text)
		}
		script, err := os.ReadFile(filepath.Join(dir, "bin", "web_start_wrapper.sh"))
		if want := "ORCHESTRATOR_HOME='/var/lib/it'\\''s' exec '/var/lib/it'\\''s/bin/orchestrator' bare start 'web'\n"; runtime.GOOS != "windows" && (err != nil || !strings.HasSuffix(string(script), want)) {
			t.Errorf("the script is %q: %v", script, err)
		}
	}
}
