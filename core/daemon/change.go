package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// proposal is a configuration that is to be the next one of a module.
type proposal struct {
	name  string
	conf  *config.Module
	hosts hosts // that were looked up
	control.Diff
}

// propose tells what a configuration would change, and where the module runs.
func (m *member) propose(ctx context.Context, conf *config.Module, files fs.FS) (proposal, error) {
	p := proposal{name: conf.Name, conf: conf}
	p.Module, p.Changes, p.Effect = conf.Name, []control.Change{}, string(config.EffectNone)
	mod, err := m.module(conf.Name)
	if err != nil {
		return p, nil // it is new
	}
	changes, changed, err := mod.differences(conf, files)
	if err != nil {
		return p, err
	}
	all := append(changes, changed...)
	for _, c := range all {
		p.Changes = append(p.Changes, control.Change{Path: c.Path, Old: c.Old, New: c.New, Effect: string(c.Effect), Why: c.Why})
	}
	p.Effect = string(all.Effect())
	p.Stops = !all.Effect().Live()
	p.Running = m.runningOn(ctx, conf.Name)
	return p, nil
}

// runningOn are the nodes on which a module is not stopped, in the cluster's order,
// each with its state.
func (m *member) runningOn(ctx context.Context, name string) []control.Running {
	nodes := m.settings().Nodes
	found := make([]control.Running, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			if node, ok := m.askStatus(ctx, n, name)[name]; ok && node.State != core.Stop {
				found[i] = control.Running{Node: n.Name, State: fmt.Sprintf("%s %s", node.State, node.Phase)}
			}
		})
	}
	all.Wait()
	return slices.DeleteFunc(found, func(r control.Running) bool { return r.Node == "" })
}

// refused says why a change cannot be made now; nil if it can.
func (p proposal) refused(stopstart bool) error {
	if !p.Stops || len(p.Running) == 0 || stopstart {
		return nil
	}
	var where, what []string
	for _, r := range p.Running {
		where = append(where, fmt.Sprintf("%s on %s", r.State, r.Node))
	}
	for _, c := range p.Changes {
		if c.Effect == p.Effect {
			what = append(what, c.Path)
		}
	}
	text := fmt.Sprintf("%s is %s, and what changes needs a stop: %s", p.name, strings.Join(where, ", "), strings.Join(what, ", "))
	how := "on one node after the other"
	if p.together() {
		how = "on all of them at once, because nodes with the old and the new configuration must not run together"
	}
	return &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s; add --stopstart to stop it, take that over and start it, %s; nothing was changed", text, how)}
}

// together says that nodes with the old and the new configuration must not run at
// the same time.
func (p proposal) together() bool { return p.Effect == string(config.EffectStop) }

// strangers refuses new addresses that machines outside of the cluster have, where
// this node can see that.
func (p proposal) strangers(ctx context.Context, m *member) error {
	mod, err := m.module(p.name)
	if err != nil || mod.network == nil || len(mod.network.holds()) == 0 {
		return nil // the start asks
	}
	next := newPlace(mod.network, p.conf.Interfaces)
	_, held, err := next.place()
	if err != nil {
		return &control.Refusal{Kind: control.ErrRefused, Text: err.Error() + "; nothing was changed"}
	}
	if found := mod.claimed(ctx, checked(without(held, mod.network.holds())), probesAtStart); len(found) > 0 {
		c := found[0]
		return &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s is in use by %s on %s, which is no node of this cluster; free the address there, or choose another; nothing was changed", c.addr, macText(c.mac), c.on)}
	}
	return nil
}

// newPlace is a network that is never set up, to find where addresses belong.
func newPlace(of *network, conf []config.Interface) *network {
	return &network{module: of.module, conf: conf, wire: of.wire}
}

// pause stops a module on all nodes where it runs, for a configuration that must not
// run beside the old one. If one does not stop, the others are started again.
func (m *member) pause(ctx context.Context, p proposal, by string) error {
	done := m.orders(ctx, p, order{Module: p.name, Verb: core.VerbStop, Pause: true, By: by, Wait: control.Duration(cycleTime)})
	failed := failedNodes(done)
	if len(failed) == 0 {
		return nil
	}
	at := slices.IndexFunc(done, func(o control.NodeOutcome) bool { return !o.OK })
	m.orders(ctx, p, order{Module: p.name, Verb: core.VerbStart, By: by})
	return &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s did not stop on %s (%s), so it goes on everywhere as it was; nothing was changed", p.name, strings.Join(failed, ", "), done[at].Text)}
}

// orders has all nodes obey where a module runs, side by side.
func (m *member) orders(ctx context.Context, p proposal, o order) []control.NodeOutcome {
	out := make([]control.NodeOutcome, len(p.Running))
	var all sync.WaitGroup
	for i, r := range p.Running {
		all.Go(func() {
			out[i] = control.NodeOutcome{Node: r.Node, State: r.State, Text: "it is no node of the cluster any more"}
			if n, ok := m.settings().NodeNamed(r.Node); ok {
				out[i] = m.send(ctx, n, o)
			}
		})
	}
	all.Wait()
	return out
}

// cycle brings a module with its new configuration up again where it ran: on all
// nodes side by side if it was paused, else on one node after the other, so that the
// service stays. That ends at the first node that does not come back.
func (m *member) cycle(ctx context.Context, p proposal, a arrival, by string) []control.NodeOutcome {
	o := order{Module: p.name, Renew: &a, By: by, Wait: control.Duration(cycleTime)}
	if p.together() {
		return m.orders(ctx, p, o)
	}
	var out []control.NodeOutcome
	for _, r := range primaryLast(p.Running) {
		if len(failedNodes(out)) > 0 {
			out = append(out, control.NodeOutcome{Node: r.Node, State: r.State, Text: "left as it is, with the old configuration: a node before it did not come back"})
			continue
		}
		one := p
		one.Running = []control.Running{r}
		out = append(out, m.orders(ctx, one, o)...)
	}
	return out
}

// primaryLast is the order in which nodes are stopped and started: of a mirror the
// secondary first, so that its address moves once.
func primaryLast(list []control.Running) []control.Running {
	primary := func(r control.Running) bool {
		return strings.HasPrefix(r.State, "PRIM ") || strings.HasPrefix(r.State, "ALONE ")
	}
	return slices.SortedStableFunc(slices.Values(list), func(a, b control.Running) int {
		switch {
		case primary(a) == primary(b):
			return 0
		case primary(a):
			return 1
		}
		return -1
	})
}

// cycleTime is how long a node may take to stop and start a module.
const cycleTime = 10 * time.Minute

// merged has one line for each node: what was done there, or else what it said.
func merged(nodes []cluster.Node, done, said []control.NodeOutcome) []control.NodeOutcome {
	var out []control.NodeOutcome
	for _, n := range nodes {
		for _, list := range [][]control.NodeOutcome{done, said} {
			if at := slices.IndexFunc(list, func(o control.NodeOutcome) bool { return o.Node == n.Name }); at >= 0 {
				out = append(out, list[at])
				break
			}
		}
	}
	return out
}

// renewed waits until a version that was taken over is in force as a whole, as long as
// it is in time to tell.
func (mod *module) renewed(ctx context.Context) error {
	if _, err := mod.runner.WaitSettled(ctx); err != nil {
		return nil // it uses it; hooks take their time
	}
	if wrong := mod.renewals.wrong(); wrong != "" {
		return fmt.Errorf("it could not take over all of it: %s", wrong)
	}
	return nil
}

// holding waits until this node has a version of a module.
func (m *member) holding(ctx context.Context, a arrival) error {
	for {
		item, err := m.catalog.Get(moduleItem(a.Module))
		if err == nil && item.Signature == a.Signature {
			return nil
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return errors.New("the new configuration has not come to this node")
		}
	}
}

// pauseHere stops a module; what the operator wants of it stays as it is, also over a
// crash.
func (mod *module) pauseHere(ctx context.Context, by string) error {
	mod.frozen.Store(true)
	in := mod.runner.Snapshot()
	err := error(nil)
	if in.State != core.Stop {
		err = mod.runner.Command(ctx, core.VerbStop, "", by)
	}
	if err == nil {
		in, err = mod.runner.WaitSettled(ctx)
	}
	if err == nil && in.State != core.Stop {
		err = fmt.Errorf("it did not stop: it is %s", in.Status())
	}
	if err != nil {
		mod.frozen.Store(false)
	}
	return err
}

// renewStopped stops a module here, takes over the configuration that waits for
// that, and starts it again.
func (m *member) renewStopped(ctx context.Context, mod *module, a arrival, by string) error {
	if mod.now.Load().head.Signature != a.Signature {
		if err := mod.pauseHere(ctx, by); err != nil {
			if next, gone := m.standing(a.Module); gone != nil || next == mod {
				return err
			} // it stopped, and whoever waited for that has taken the configuration over before this was told
		}
	}
	if err := m.load(a.Module); err != nil {
		return err
	}
	next, err := m.standing(a.Module)
	if err != nil {
		return err
	}
	if next.runner.Snapshot().State != core.Stop {
		return nil // started already, because that is what was wanted of it
	}
	identity := ""
	if next.runner.Snapshot().Held != "" {
		identity = "config apply" // an operator's start would end that it is held back
	}
	err = next.runner.Command(ctx, core.VerbStart, identity, by)
	if err != nil && next.runner.Snapshot().State != core.Stop {
		return nil
	}
	return err
}

// obeyPause carries out the order to pause.
func (mod *module) obeyPause(ctx context.Context, o order) control.NodeOutcome {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Wait))
	defer cancel()
	err := mod.pauseHere(ctx, o.By)
	out := control.NodeOutcome{Node: mod.m.name(mod.m.id.Node.Number), OK: err == nil, State: mod.runner.Snapshot().Status()}
	if err != nil {
		out.Text = err.Error()
	}
	return out
}

// obeyRenew carries out the order to stop a module, to take over the configuration
// that waits, and to start it again.
func (m *member) obeyRenew(ctx context.Context, mod *module, o order) control.NodeOutcome {
	out := control.NodeOutcome{Node: m.name(m.id.Node.Number)}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Wait))
	defer cancel()
	var err error
	if from := o.Renew.From; from != m.id.Node.Number {
		err = m.syncer.RemoteDigest(from, o.Renew.Digest)
	}
	if err == nil {
		err = m.holding(ctx, *o.Renew)
	}
	if err == nil {
		err = m.renewStopped(ctx, mod, *o.Renew, o.By)
	}
	next, gone := m.standing(o.Module)
	if gone != nil {
		next = mod
	}
	in := next.runner.Snapshot()
	if err == nil {
		if in, err = next.runner.WaitSettled(ctx); err == nil {
			verb := core.VerbStart
			if in.Held != "" {
				verb = core.VerbWait
			}
			out.OK, out.Text = judge(verb, in)
			next.awaitShare(ctx, in)
		}
	}
	if err != nil {
		out.Text = err.Error()
	}
	out.State = in.Status()
	return out
}
