package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// The application of a stopped module, with its addresses but without the module: nothing is
// checked, restarted or taken over. SafeKit makes a script for each module that does so.

// Bare starts or stops a module's application that way on this node.
func (d *Daemon) Bare(ctx context.Context, by, name string, r control.BareRequest) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	mod.bare.Lock()
	defer mod.bare.Unlock()
	if in := mod.runner.Snapshot(); in.State != core.Stop || !in.Settled() {
		return control.Outcome{}, notNow("%s is %s on this node; without the module its application is started and stopped only while the module is STOP", name, in.Status())
	}
	do, done := mod.bareStop, "stopped"
	if r.Start {
		do, done = mod.bareStart, "started"
	}
	d.noteModule(name, "command", "warn", fmt.Sprintf("The application of %s is %s without the module, for %s.", name, done, by), nil, 0)
	if err := do(ctx); err != nil {
		return control.Outcome{}, err
	}
	return control.Outcome{Text: fmt.Sprintf("the application of %s is %s on this node, without the module", name, done)}, nil
}

func notNow(format string, args ...any) error {
	return &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf(format, args...)}
}

// bareHooks are those of a node that serves alone, in the order of a start.
var bareHooks = []string{"start_both", "start_prim", "start_sec"}

func (mod *module) bareStart(ctx context.Context) error {
	conf := mod.config()
	if conf.Rfs != nil {
		return notNow("%s has replicated folders, which are there only while the module runs; start it, and switch off what may disturb: orchestrator mute %s, orchestrator failover %s off", conf.Name, conf.Name, conf.Name)
	}
	if runs := mod.m.runningOn(ctx, conf.Name); len(runs) > 0 {
		return notNow("%s is %s on %s: stop it everywhere first", conf.Name, runs[0].State, runs[0].Node)
	}
	if mod.network != nil {
		if err := mod.bareAddresses(ctx, conf); err != nil {
			return err
		}
	}
	for _, name := range bareHooks {
		if err := mod.bareHook(ctx, name, false); err != nil {
			return errors.Join(err, mod.bareStop(ctx))
		}
	}
	return nil
}

// bareAddresses sets the module's addresses, if nobody at all answers for them.
func (mod *module) bareAddresses(ctx context.Context, conf *config.Module) error {
	_, held, err := newPlace(mod.network, conf.Interfaces).place()
	if err != nil {
		return notNow("%v", err)
	}
	for _, on := range byInterface(held) {
		claims, err := vip.Probe(ctx, on.on, on.addrs(), probesAtStart)
		if err != nil {
			return fmt.Errorf("ask who has the addresses of %s: %w", conf.Name, err)
		}
		if len(claims) > 0 {
			return notNow("%s is in use by %s on %s: free it there first", claims[0].Addr, claims[0].MAC, on.on.Name)
		}
	}
	return mod.network.bare(held)
}

// bareStop stops the application as a stop of the module would, twice, whatever was started.
func (mod *module) bareStop(ctx context.Context) error {
	var all error
	for i := range bareHooks {
		name := strings.Replace(bareHooks[len(bareHooks)-1-i], "start_", "stop_", 1)
		all = errors.Join(all, mod.bareHook(ctx, name, false), mod.bareHook(ctx, name, true))
	}
	if mod.network != nil {
		all = errors.Join(all, mod.network.unbare())
	}
	return all
}

// bareHook calls a hook, if the module has it, with the arguments that it gets otherwise.
func (mod *module) bareHook(ctx context.Context, name string, force bool) error {
	conf := mod.config()
	if !conf.Core().Hooks[name] {
		return nil
	}
	up := core.Up
	if conf.Mode == core.Mirror {
		up = core.Alone
	}
	call := core.HookCall{Name: name, Force: force, From: core.Wait, To: up, Verb: core.VerbStart, Timeout: conf.User.StartTimeout}
	if strings.HasPrefix(name, "stop_") {
		call.From, call.To, call.Verb, call.Timeout = up, core.Wait, core.VerbStop, conf.User.NiceTimeout
	}
	if force {
		call.Timeout = conf.User.ForceTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, call.Timeout+time.Second)
	defer cancel()
	var ended core.Event
	mod.runHook(ctx, call, 0, func(ev core.Event) { ended = ev })
	if !ended.OK {
		return fmt.Errorf("hook %s failed: %s", name, ended.Reason)
	}
	return nil
}

// bare sets addresses without a filter: the module is stopped everywhere, so all that comes to
// them is for this node.
func (n *network) bare(held []heldAddress) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	if len(n.holds()) > 0 {
		return notNow("%s was started meanwhile", n.module)
	}
	if err := n.wire.lay(held); err != nil {
		return err
	}
	for i, h := range held {
		if err := n.wire.holder.Add(h.on, h.addr.Addr, h.invisible()); err != nil {
			return errors.Join(err, n.takeOff(held[:i]))
		}
	}
	n.comeFrom(held)
	n.wire.announce(targets(held)...)
	return nil
}

// unbare removes the addresses, unless the module was started meanwhile.
func (n *network) unbare() error {
	n.changing.Lock()
	defer n.changing.Unlock()
	if len(n.holds()) > 0 {
		return nil
	}
	_, held, err := n.place()
	if err != nil {
		return err
	}
	return n.takeOff(held)
}

// takeOff removes addresses and the note of them.
func (n *network) takeOff(held []heldAddress) error {
	all := n.wire.source(nil)
	for _, h := range held {
		n.wire.cancel(h.on.Index, h.addr.Addr)
		all = errors.Join(all, n.wire.holder.Remove(h.on, h.addr.Addr))
	}
	if all == nil {
		all = n.wire.unlay()
	}
	return all
}
