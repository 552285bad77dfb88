package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/journal"
)

func TestRoleOf(t *testing.T) {
	for _, c := range []struct {
		name           string
		from, to, want core.State
	}{
		{"start_prim", core.Wait, core.Prim, core.Prim}, {"stop_prim", core.Prim, core.Wait, core.Prim}, {"stop_second", core.Second, core.Alone, core.Second},
		{"start_prim", core.Second, core.Alone, core.Alone}, {"prestart", core.Stop, core.Wait, core.Wait}, {"poststop", core.Wait, core.Stop, core.Stop},
		{"stop_prim", core.Wait, core.Stop, core.Prim}, {"stop_second", core.Stop, core.Wait, core.Second}, {"stop_both", core.Wait, core.Stop, core.Up},
		{"update", core.Up, core.Up, core.Up},
	} {
		if got := roleOf(core.HookCall{Name: c.name, From: c.from, To: c.to}); got != c.want {
			t.Errorf("%s from %s to %s belongs to %s, not %s", c.name, c.from, c.to, got, c.want)
		}
	}
}

// TestVirtualHost: the hooks of a module that runs have its host name, those around it the
// machine's, and scripts may read the envfile as they do with SafeKit.
func TestVirtualHost(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := alone(t)
	said := filepath.Join(t.TempDir(), "said")
	script := "#!/bin/sh\n. \"$SAFEUSERBIN/env/web.env\" || exit 1\necho \"$SAFEHOOK $(hostname) $(uname -n) $HOSTNAME\" >>" + said + "\n"
	files := map[string]string{"conf/userconfig.xml": `<safe><service mode="light"><user/>
  <vhost><virtualhostname name="web.example.org" envfile="env/web.env" when="prim"/></vhost>
</service></safe>`, "bin/prestart": script, "bin/start_prim": script, "bin/stop_prim": script, "bin/poststop": script}
	if _, err := d.Install(t.Context(), "root", control.InstallRequest{Name: "app", Archive: packModule(t, files, said)}); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []core.Verb{core.VerbStart, core.VerbStop} {
		if _, err := d.Do(t.Context(), "root", "app", verb, control.VerbRequest{Wait: control.Duration(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	own, others := " web.example.org web.example.org web.example.org\n", " "+machine+" "+machine+" "+machine+"\n"
	want := "prestart" + others + "start_prim" + own + "stop_prim" + own + "stop_prim" + own + "poststop" + others
	if text, err := os.ReadFile(said); err != nil || string(text) != want {
		t.Errorf("%v, the hooks said\n%swant\n%s", err, text, want)
	}
	d.tellHostname("process", "app/web")
	d.tellHostname("systemd", "app/nginx")
	d.tellHostname("systemd", "other/nginx")
	entries, err := d.journal.Query(t.Context(), journal.Filter{Module: "app", Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	var warned []string
	for _, e := range entries {
		warned = append(warned, e.Text)
	}
	if len(warned) != 1 || warned[0] != `nginx sees the machine's host name whatever <vhost> says: plugin systemd cannot give it another one, application("process") and exec can.` {
		t.Errorf("the journal warns: %q", warned)
	}
}
