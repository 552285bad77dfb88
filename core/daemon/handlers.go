package daemon

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/hook"
)

// enable switches a class of processes that is the module's own. settle is held.
func (mod *module) enable(class string, on bool, by string) {
	next := maps.Clone(mod.classes) // who reads the old one is not disturbed
	if next == nil {
		next = map[string]bool{}
	}
	next[class] = on
	mod.classes = next
	word := map[bool]string{true: "enables", false: "disables"}[on]
	mod.m.d.noteModule(mod.conf.Name, "command", "info", fmt.Sprintf("%s %s class %s of %s.", by, word, class, mod.conf.Name), map[string]any{"class": class, "on": on, "by": by}, 0)
	mod.watch(mod.parts())
}

// handlers are the programs of a module that run because a process failed, by resource.
type handlers struct {
	mu      sync.Mutex
	running map[string]context.CancelFunc
}

// begin runs one, unless it runs already.
func (h *handlers) begin(ctx context.Context, resource string, run func(context.Context)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running[resource] != nil {
		return
	}
	if h.running == nil {
		h.running = map[string]context.CancelFunc{}
	}
	ctx, cancel := context.WithCancel(ctx)
	h.running[resource] = cancel
	go func() {
		defer func() {
			cancel()
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.running, resource)
		}()
		run(ctx)
	}()
}

// stop ends all of them.
func (h *handlers) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, cancel := range h.running {
		cancel()
	}
}

// failed calls the handler of a process that went down, if it has one.
func (mod *module) failed(r core.Resource) {
	if r.Value != core.ResDown || !strings.HasPrefix(r.Name, "proc.") {
		return
	}
	for _, p := range mod.config().Procs {
		if p.Handler != "" && p.Resource() == r.Name {
			mod.handlers.begin(mod.m.d.ctx, r.Name, func(ctx context.Context) {
				handle(ctx, p.Poll, r,
					func(ctx context.Context, r core.Resource) string { return mod.runHandler(ctx, p, r) },
					func() core.Resource { return mod.runner.Snapshot().Resources[r.Name] },
					mod.runner.Post)
			})
		}
	}
}

// handle runs the handler of a process, and again each poll as long as the process is
// down. If it fails, the module is stopped and started.
func handle(ctx context.Context, poll time.Duration, res core.Resource, run func(context.Context, core.Resource) string, now func() core.Resource, post func(core.Event)) {
	for {
		if why := run(ctx, res); why != "" && ctx.Err() == nil {
			post(core.Event{Kind: core.EventCommand, Verb: core.VerbStopStart, Identity: res.Name, Reason: why, Cause: res.Cause})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(poll):
		}
		if res = now(); res.Value != core.ResDown {
			return
		}
	}
}

// runHandler runs the program once; empty if it ended well.
func (mod *module) runHandler(ctx context.Context, p config.Proc, res core.Resource) string {
	d, name := mod.m.d, mod.conf.Name
	call := core.HookCall{Name: strings.TrimSuffix(path.Base(filepath.ToSlash(p.Handler)), path.Ext(p.Handler))}
	file, out, err := mod.outputFile(call)
	if err != nil {
		return err.Error()
	}
	in := mod.runner.Snapshot()
	call.From, call.To = in.State, in.State
	result := d.hooks.Run(ctx, hook.Run{
		Module: name, Dir: mod.dir, Args: call, Node: mod.m.name(mod.m.id.Node.Number), Vars: mod.config().User.Vars,
		Program: d.opt.Program, Output: out, File: path.Join("bin", strings.ReplaceAll(p.Handler, `\`, "/")), Words: []string{name, p.Resource()},
	})
	if err := out.Close(); err != nil {
		d.log.Warn("close a handler's output", "file", file, "error", err)
	}
	text, level := fmt.Sprintf("Handler %s of %s (%s) took %s.", p.Handler, p.Resource(), res.Reason, result.Took.Round(time.Millisecond)), "info"
	if !result.OK {
		text, level = fmt.Sprintf("Handler %s of %s (%s) failed: %s.", p.Handler, p.Resource(), res.Reason, result.Reason), "error"
	}
	d.noteModule(name, "output", level, text, map[string]any{"handler": p.Handler, "file": filepath.Base(file)}, res.Cause)
	if result.OK {
		return ""
	}
	return fmt.Sprintf("handler %s of %s failed: %s", p.Handler, p.Resource(), result.Reason)
}
