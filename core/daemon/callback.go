package daemon

import (
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
)

// rfsCallback is the script of SafeKit's modules that is told of what happens to the
// replicated folders, with scripts="on".
const rfsCallback = "_rfs_callback"

// What it is told: its first argument, in Lua ctx.action.
const (
	rfsStartSync    core.Verb = "_rfs_startsynch" // secondary: its files are about to be overwritten
	rfsPrimToSecond core.Verb = "_rfs_pritoscd"   // the primary becomes secondary
)

// callbackTime limits it.
const callbackTime = 5 * time.Minute

// callback tells the module's script. Replication does not wait for it.
func (mod *module) callback(what core.Verb) {
	conf := mod.config()
	if conf.Rfs == nil || !conf.Rfs.Scripts {
		return
	}
	state := mod.runner.Snapshot().State
	call := core.HookCall{Name: rfsCallback, From: state, To: state, Verb: what, Timeout: callbackTime}
	go mod.runHook(mod.m.d.ctx, call, 0, func(core.Event) {})
}

// callbackWords are the arguments of a call that is no hook's; nil for hooks.
func callbackWords(call core.HookCall) []string {
	if call.Name == rfsCallback {
		return []string{string(call.Verb)}
	}
	return nil
}
