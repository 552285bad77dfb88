package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// remoteTime is added to what a command may take, for the way there and back.
const remoteTime = 5 * time.Second

// order is a verb for a module on its way to another node.
type order struct {
	Module   string                 `json:"module"`
	Verb     core.Verb              `json:"verb"`
	By       string                 `json:"by"`
	Identity string                 `json:"identity,omitempty"`
	Switch   *control.SwitchRequest `json:"switch,omitempty"` // instead of a verb
	Renew    *arrival               `json:"renew,omitempty"`  // likewise: stop, take over that configuration, start
	Pause    bool                   `json:"pause,omitempty"`  // stop, but what the operator wants stays as it is
	Wait     control.Duration       `json:"wait"`
	All      bool                   `json:"all,omitempty"` // no node was named: what is so already is done
}

// handlers registers what other nodes may ask of this one.
func (m *member) handlers() {
	m.cluster.Handle("share", func(_ context.Context, from core.NodeID, payload []byte) ([]byte, error) {
		var l letter
		if err := json.Unmarshal(payload, &l); err != nil {
			return nil, fmt.Errorf("read a share message: %w", err)
		}
		m.mu.Lock()
		mod := m.modules[l.Module]
		m.mu.Unlock()
		if mod != nil && mod.sharing != nil {
			mod.sharing.put(share.Received{From: from, Message: l.Message}, 0)
		}
		return nil, nil
	})
	m.cluster.Handle("order", func(ctx context.Context, _ core.NodeID, payload []byte) ([]byte, error) {
		var o order
		if err := json.Unmarshal(payload, &o); err != nil {
			return nil, fmt.Errorf("read an order: %w", err)
		}
		return json.Marshal(m.obey(ctx, o))
	})
	m.cluster.Handle("status", func(ctx context.Context, _ core.NodeID, payload []byte) ([]byte, error) {
		return json.Marshal(m.localStatus(ctx, string(payload)))
	})
	m.cluster.Handle("verify", func(ctx context.Context, _ core.NodeID, payload []byte) ([]byte, error) {
		v, err := m.d.verify(ctx, string(payload))
		if err != nil {
			return nil, err
		}
		return json.Marshal(v)
	})
	m.cluster.Handle("arrived", func(ctx context.Context, from core.NodeID, payload []byte) ([]byte, error) {
		return nil, m.arrived(ctx, from, payload)
	})
	m.cluster.Open(catalog.KindGet)
	m.cluster.Handle("leave", func(_ context.Context, from core.NodeID, payload []byte) ([]byte, error) {
		return nil, m.removeNode(from, string(payload))
	})
}

// Do carries out a verb on the nodes that are asked for.
func (d *Daemon) Do(ctx context.Context, by, name string, verb core.Verb, r control.VerbRequest) (control.Outcome, error) {
	mod, err := d.module(name)
	if err != nil {
		return control.Outcome{}, err
	}
	if verb == core.VerbDrain && len(r.Nodes) == 0 && !r.Here && len(mod.m.settings().Nodes) > 1 {
		return control.Outcome{}, &control.Refusal{Kind: control.ErrInput, Text: "drain wants to know which node: --node NAME; all at once would leave nobody to serve"}
	}
	if err := mod.m.aimed(mod, verb, &r); err != nil {
		return control.Outcome{}, err
	}
	o := order{Module: name, Verb: verb, By: by, Identity: r.Identity, Wait: r.Wait, All: len(r.Nodes) == 0 && !r.Here}
	if r.Identity != "" {
		o.By = "" // who typed it does not matter: a script did
	}
	return mod.m.each(ctx, r.Nodes, r.Here, o)
}

// each has nodes obey, side by side; a restart goes from node to node, so that the
// service stays.
func (m *member) each(ctx context.Context, names []string, here bool, o order) (control.Outcome, error) {
	if here {
		names = []string{m.name(m.id.Node.Number)}
	}
	nodes, err := m.chosen(names)
	if err != nil {
		return control.Outcome{}, err
	}
	out := control.Outcome{Nodes: make([]control.NodeOutcome, len(nodes))}
	var all sync.WaitGroup
	for i, n := range nodes {
		one := func() { out.Nodes[i] = m.send(ctx, n, o) }
		if o.Verb == core.VerbRestart || o.Verb == core.VerbStopStart {
			one()
		} else {
			all.Go(one)
		}
	}
	all.Wait()
	done := doneNodes(out.Nodes)
	what := string(o.Verb)
	if o.Switch != nil {
		what = o.Switch.Name + " " + o.Switch.To
	}
	out.Text = fmt.Sprintf("%s of %s on %d of %d nodes", what, o.Module, done, len(nodes))
	return out, nil
}

// doneNodes counts the nodes on which something was done, or was so already. If all there
// is to tell is that the module is not started anywhere, it failed.
func doneNodes(list []control.NodeOutcome) (done int) {
	idle := 0
	for _, n := range list {
		switch {
		case n.Idle:
			idle++
		case n.OK:
			done++
		}
	}
	for i := range list {
		if idle == len(list) {
			list[i].OK, list[i].Idle = false, false
		}
	}
	return done
}

// chosen finds nodes by name; none means all.
func (m *member) chosen(names []string) ([]cluster.Node, error) {
	conf := m.settings()
	if len(names) == 0 {
		return conf.Nodes, nil
	}
	var list []cluster.Node
	for _, name := range names {
		n, ok := conf.NodeNamed(name)
		if !ok {
			var known []string
			for _, k := range conf.Nodes {
				known = append(known, k.Name)
			}
			return nil, &control.Refusal{Kind: control.ErrNotFound, Text: fmt.Sprintf("there is no node %q in the cluster%s nodes: %s", name, meant(name, known), strings.Join(known, ", "))}
		}
		if !slices.ContainsFunc(list, func(x cluster.Node) bool { return x.Number == n.Number }) {
			list = append(list, n)
		}
	}
	return list, nil
}

// send has one node obey.
func (m *member) send(ctx context.Context, n cluster.Node, o order) control.NodeOutcome {
	if n.Number == m.id.Node.Number {
		return m.obey(ctx, o)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Wait)+remoteTime)
	defer cancel()
	payload, err := json.Marshal(o)
	if err != nil {
		return control.NodeOutcome{Node: n.Name, Text: err.Error()}
	}
	raw, err := m.cluster.Call(ctx, n.Number, "order", payload)
	var out control.NodeOutcome
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		text := "it cannot be asked: " + err.Error()
		if !m.alive(n.Number) {
			text = m.silence(n.Number) + ": its daemon does not run there, or no network leads to it"
		}
		return control.NodeOutcome{Node: n.Name, Text: text}
	}
	return out
}

// obey carries out an order on this node.
func (m *member) obey(ctx context.Context, o order) control.NodeOutcome {
	out := control.NodeOutcome{Node: m.name(m.id.Node.Number)}
	select {
	case <-m.ready: // a node that is starting obeys when it has its modules
	case <-ctx.Done():
		out.Text = "the node is still starting"
		return out
	}
	mod, err := m.standing(o.Module)
	if err != nil {
		out.Text = err.Error()
		return out
	}
	if o.Pause {
		return mod.obeyPause(ctx, o)
	}
	mod.frozen.Store(false) // it was paused, perhaps, for nothing
	if o.Renew != nil {
		return m.obeyRenew(ctx, mod, o)
	}
	if o.Switch != nil {
		if err := mod.turn(*o.Switch, o.By); err != nil {
			out.Text = err.Error()
			return out
		}
		out.OK, out.State = true, mod.runner.Snapshot().Status()
		return out
	}
	if mod.pair != nil && o.Verb != core.VerbStop && o.Verb != core.VerbForceStop {
		if err := m.inPair(o.Module); err != nil {
			out.Text = err.Error()
			return out
		}
	}
	out.OK, out.Text = mod.drive(ctx, o, &out.Idle)
	out.State = mod.runner.Snapshot().Status()
	return out
}

// drive carries out a verb, waits for its end if the order says so, and answers whether
// the module came to where it leads; if not, why. idle says that there is nothing to do here.
func (mod *module) drive(ctx context.Context, o order, idle *bool) (bool, string) {
	if o.Verb == core.VerbPrimForce && mod.replica != nil {
		mod.replica.Forced()
	}
	before := mod.runner.Snapshot().State
	if err := mod.runner.Command(ctx, o.Verb, o.Identity, o.By); err != nil {
		already, stopped := new(core.Already), new(core.NotStarted)
		*idle = o.All && errors.As(err, &stopped)
		return *idle || o.All && errors.As(err, &already), err.Error()
	}
	if o.Wait <= 0 {
		return true, ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Wait))
	defer cancel()
	in, err := mod.runner.WaitSettled(ctx)
	if err != nil {
		return false, "still under way: " + in.Status()
	}
	if o.Verb == core.VerbSwap {
		if in = mod.awaitSwap(ctx, before); in.State == before {
			return false, "the roles were not swapped; status and why tell more"
		}
	}
	mod.awaitShare(ctx, in)
	return judge(o.Verb, in)
}

// awaitSwap waits until a mirror has another role than before, or has given up the wish
// for it.
func (mod *module) awaitSwap(ctx context.Context, before core.State) core.Instance {
	updates, stop := mod.runner.Subscribe()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return mod.runner.Snapshot()
		case in := <-updates:
			wished := in.Pair.Self.Ask || in.Pair.Self.Yield
			if in.Settled() && (in.State != before && in.Phase == core.Ready || !wished) {
				return in
			}
		}
	}
}

// judge says whether a module has come to where a verb leads.
func judge(verb core.Verb, in core.Instance) (bool, string) {
	active := []core.State{core.Up, core.Alone, core.Prim, core.Second}
	leading := []core.State{core.Alone, core.Prim}
	want := map[core.Verb][]core.State{
		core.VerbStart: active, core.VerbRestart: active, core.VerbStopStart: active,
		core.VerbStop: {core.Stop}, core.VerbForceStop: {core.Stop}, core.VerbWait: {core.Wait}, core.VerbWakeup: active,
		core.VerbPrim: leading, core.VerbPrimForce: leading, core.VerbSecond: {core.Second}, core.VerbSecondForce: {core.Second},
	}
	switch targets, known := want[verb]; {
	case known && !slices.Contains(targets, in.State):
		return false, strings.Join(slices.DeleteFunc([]string{in.LastReason, in.BlockedBy}, func(s string) bool { return s == "" }), "; ")
	case verb == core.VerbDrain && !in.Drained:
		return false, in.LastReason
	}
	return true, ""
}

// shareTime is how long a start waits for its share of the connections, which
// the other nodes have to agree upon.
const shareTime = 2 * time.Second

// awaitShare waits until a module that came up has its share.
func (mod *module) awaitShare(ctx context.Context, in core.Instance) {
	if mod.sharing == nil || in.State != core.Up || in.Drained {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, shareTime)
	defer cancel()
	again := time.NewTicker(busyTick)
	defer again.Stop()
	for mod.sharing.current().Owned(mod.m.id.Node.Number) == 0 {
		select {
		case <-again.C:
		case <-ctx.Done():
			return // a power of 0, or the others do not answer: status shows it
		}
	}
}
