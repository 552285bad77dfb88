package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/hook"
)

// networkTime limits setting up or removing addresses and filter.
const networkTime = 15 * time.Second

// Do carries out what the module's state machine asks for; see runner.Effects.
func (mod *module) Do(ctx context.Context, a core.Action, cause int64, answer func(core.Event)) {
	switch a.Kind {
	case core.ActHook:
		run, cancel := context.WithCancel(ctx)
		mod.mu.Lock()
		mod.cancel = cancel
		mod.mu.Unlock()
		go func() {
			defer cancel()
			mod.runHook(run, a.Hook, cause, answer)
		}()
	case core.ActCancel:
		mod.mu.Lock()
		defer mod.mu.Unlock()
		if mod.cancel != nil {
			mod.cancel()
		}
	case core.ActNetworkUp:
		go mod.answerNetwork(answer, mod.network.up)
	case core.ActNetworkDown:
		go mod.answerNetwork(answer, mod.network.down)
	case core.ActPublish:
		mod.pair.say(*a.Peer)
		if mod.replica != nil {
			mod.replica.Said(*a.Peer)
		}
	case core.ActReplicate:
		go mod.replicate(a, answer)
	case core.ActNetworkNew:
		go mod.answerNetwork(answer, mod.renewNetwork)
	case core.ActReboot:
		go mod.reboot(ctx, a.Reason, cause)
	case core.ActRenew:
		mod.renew(a.Version, cause)
	case core.ActShare:
		mod.sharing.order(a.Share, cause, answer)
	case core.ActChecks:
		mod.check(a.When, a.Start)
	case core.ActResource, core.ActTimer:
	}
}

// runHook runs one hook with its output in a file of its own.
func (mod *module) runHook(ctx context.Context, call core.HookCall, cause int64, answer func(core.Event)) {
	d := mod.m.d
	path, out, err := mod.outputFile(call)
	if err != nil {
		answer(core.Event{Kind: core.EventHook, Name: call.Name, Reason: err.Error()})
		return
	}
	result := d.hooks.Run(ctx, hook.Run{
		Module: mod.conf.Name, Dir: mod.dir, Args: call, Node: mod.m.name(mod.m.id.Node.Number),
		Vars: mod.config().User.Vars, Program: d.opt.Program, Output: out, Host: mod.config().Hostname(roleOf(call)),
		Words: callbackWords(call),
	})
	if err := out.Close(); err != nil {
		d.log.Warn("close a hook's output", "file", path, "error", err)
	}
	mod.hooks.count(call.Name, result.OK, result.Took)
	text, level := fmt.Sprintf("Hook %s took %s.", call.Name, result.Took.Round(time.Millisecond)), "info"
	if !result.OK {
		text, level = fmt.Sprintf("Hook %s failed after %s: %s.", call.Name, result.Took.Round(time.Millisecond), result.Reason), "error"
	}
	d.noteModule(mod.conf.Name, "output", level, text, map[string]any{"hook": call.Name, "file": filepath.Base(path), "trace": result.Trace}, cause)
	answer(core.Event{Kind: core.EventHook, Name: call.Name, OK: result.OK, Reason: result.Reason})
}

// keptOutputs is how many files of hook output are kept a module.
const keptOutputs = 200

// outputName is the name of a file with a hook's output.
var outputName = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d{6}\.\d{6}_[\w.-]+\.log$`)

// outputFile begins the file for one run, and forgets the oldest ones.
func (mod *module) outputFile(call core.HookCall) (string, *os.File, error) {
	dir := mod.m.d.path("output", mod.conf.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the folder for hook output: %w", err)
	}
	old, err := os.ReadDir(dir)
	old = slices.DeleteFunc(old, func(e os.DirEntry) bool { return !outputName.MatchString(e.Name()) }) // scripts know the folder as SAFEUSERVAR
	if err == nil && len(old) >= keptOutputs {
		for _, e := range old[:len(old)-keptOutputs+1] { // names begin with the time
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				mod.m.log.Warn("remove old hook output", "error", err)
			}
		}
	}
	name := call.Name
	if call.Force {
		name += "_force"
	}
	path := filepath.Join(dir, time.Now().UTC().Format("2006-01-02T150405.000000")+"_"+name+".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("open the file for hook output: %w", err)
	}
	return path, f, nil
}

func (mod *module) answerNetwork(answer func(core.Event), do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(mod.m.d.ctx, networkTime)
	defer cancel()
	e := core.Event{Kind: core.EventNetwork, OK: true}
	if err := do(ctx); err != nil {
		e.OK, e.Reason = false, err.Error()
	}
	answer(e)
}
