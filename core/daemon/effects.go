package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/hook"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
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
		go mod.answerNetwork(answer, mod.networkUp)
	case core.ActNetworkDown:
		go mod.answerNetwork(answer, mod.networkDown)
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
		Vars: mod.conf.User.Vars, Program: d.opt.Program, Output: out,
	})
	if err := out.Close(); err != nil {
		d.log.Warn("close a hook's output", "file", path, "error", err)
	}
	text, level := fmt.Sprintf("Hook %s took %s.", call.Name, result.Took.Round(time.Millisecond)), "info"
	if !result.OK {
		text, level = fmt.Sprintf("Hook %s failed after %s: %s.", call.Name, result.Took.Round(time.Millisecond), result.Reason), "error"
	}
	d.noteModule(mod.conf.Name, "output", level, text, map[string]any{"hook": call.Name, "file": filepath.Base(path), "trace": result.Trace}, cause)
	answer(core.Event{Kind: core.EventHook, Name: call.Name, OK: result.OK, Reason: result.Reason})
}

// keptOutputs is how many files of hook output are kept a module.
const keptOutputs = 200

// outputFile begins the file for one run, and forgets the oldest ones.
func (mod *module) outputFile(call core.HookCall) (string, *os.File, error) {
	dir := mod.m.d.path("output", mod.conf.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the folder for hook output: %w", err)
	}
	if old, err := os.ReadDir(dir); err == nil && len(old) >= keptOutputs {
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

// interfaces finds where the module's addresses belong.
func (mod *module) interfaces() ([]sdk.FilterInterface, []heldAddress, error) {
	var list []sdk.FilterInterface
	var held []heldAddress
	for _, i := range mod.conf.Interfaces {
		f := sdk.FilterInterface{Name: i.Name, Directed: i.Directed}
		for _, a := range i.Addresses {
			on, err := vip.Find(a.Addr, i.Name)
			if err != nil {
				return nil, nil, err
			}
			if f.Name != "" && f.Name != on.Name {
				return nil, nil, fmt.Errorf("the virtual addresses of one interface belong on different ones here: %s on %s, others on %s; write an <interface> for each", a.Addr, on.Name, f.Name)
			}
			f.Name = on.Name
			f.Addresses = append(f.Addresses, a.Addr)
			held = append(held, heldAddress{on, a})
		}
		list = append(list, f)
	}
	return list, held, nil
}

// networkUp attaches the filter with its gate closed, then sets the addresses:
// in this order the node never answers for an address by itself.
func (mod *module) networkUp(ctx context.Context) error {
	d := mod.m.d
	interfaces, held, err := mod.interfaces()
	if err != nil {
		return err
	}
	if err := d.cleanLeftovers(ctx); err != nil {
		return err
	}
	if err := mod.laying(held); err != nil {
		return err
	}
	st, err := d.filter.Configure(ctx, mod.filterConfig(interfaces))
	if err != nil {
		return fmt.Errorf("attach the packet filter: %w", err)
	}
	mod.m.lease.use(st.Lease)
	for i, h := range held {
		if err := d.holder.Add(h.on, h.addr.Addr); err != nil {
			for _, done := range held[:i] {
				if err := d.holder.Remove(done.on, done.addr.Addr); err != nil {
					d.log.Warn("take back an address", "error", err)
				}
			}
			return err
		}
	}
	mod.mu.Lock()
	mod.held = held
	mod.mu.Unlock()
	var macs []share.MAC
	for _, i := range interfaces {
		for _, h := range held {
			if h.on.Name == i.Name {
				macs = append(macs, share.MAC(h.on.MAC))
				break
			}
		}
	}
	mod.sharing.put(share.Started{MACs: macs}, 0)
	return nil
}

func (mod *module) networkDown(ctx context.Context) error {
	d := mod.m.d
	mod.sharing.halt()
	mod.mu.Lock()
	held := mod.held
	mod.held = nil
	mod.mu.Unlock()
	var first error
	for _, h := range held {
		d.speaker.Cancel(h.on.Index, h.addr.Addr)
		if err := d.holder.Remove(h.on, h.addr.Addr); err != nil && first == nil {
			first = err
		}
	}
	if err := d.filter.Remove(ctx, mod.conf.Name); err != nil && first == nil {
		first = fmt.Errorf("detach the packet filter: %w", err)
	}
	if first == nil {
		first = removeIf(d.laidFile(mod.conf.Name))
	}
	return first
}
