package daemon

import (
	"fmt"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
)

// roleOf is the state of the module that a hook belongs to: what it stops, or what it
// is on the way to. A stop hook that is called again when the role has gone, with
// force, belongs to the role of its name. Hooks before and after any role have Wait or
// Stop.
func roleOf(call core.HookCall) core.State {
	switch {
	case !strings.HasPrefix(call.Name, "stop_"):
		return call.To
	case call.From != core.Wait && call.From != core.Stop:
		return call.From
	case call.Name == "stop_prim":
		return core.Prim
	case call.Name == "stop_second":
		return core.Second
	}
	return core.Up // of whatever role: a name for both holds
}

// tellHostname notes that an application is started by a plugin that cannot give it the
// host name of the module: it starts no program itself, but asks the system to.
func (d *Daemon) tellHostname(plugin, instance string) {
	name, app, _ := strings.Cut(instance, "/")
	mod, err := d.module(name)
	if err != nil || plugin == "process" || len(mod.config().VirtualHosts) == 0 {
		return
	}
	d.noteModule(name, "hook", "warn", fmt.Sprintf("%s sees the machine's host name whatever <vhost> says: plugin %s cannot give it another one, application(\"process\") and exec can.", app, plugin), nil, 0)
}
