package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// Leave takes this node out of its cluster. With force it does so although no other node
// can take note.
func (d *Daemon) Leave(_ context.Context, by string, force bool) (control.Outcome, error) {
	d.found.Lock()
	defer d.found.Unlock()
	m := d.current()
	if m == nil {
		return control.Outcome{}, errNoCluster
	}
	for _, mod := range m.all() {
		if in := mod.runner.Snapshot(); in.State != core.Stop {
			return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s is %s here: stop it first with: orchestrator stop %s --node %s", mod.conf.Name, in.Status(), mod.conf.Name, m.name(m.id.Node.Number))}
		}
	}
	conf, err := m.readConfig()
	if err != nil {
		return control.Outcome{}, err
	}
	name, rest := m.name(m.id.Node.Number), ""
	if len(conf.Nodes) > 1 {
		err := m.tellLeave(conf, by)
		if err != nil && !force {
			return control.Outcome{}, err
		}
		if err != nil {
			rest = "; no other server could take note, so type on one of them when they can be reached: orchestrator cluster remove " + name
		}
	}
	if err := d.depart(m); err != nil {
		return control.Outcome{}, err
	}
	return control.Outcome{Text: name + " left the cluster" + rest}, nil
}

// tellLeave has another node take this one out of the cluster document, so
// that the change survives this node.
func (m *member) tellLeave(conf cluster.Config, by string) error {
	ctx, cancel := context.WithTimeout(m.ctx, joinTime)
	defer cancel()
	var all error
	for _, n := range conf.Nodes {
		if n.Number == m.id.Node.Number {
			continue
		}
		_, err := m.cluster.Call(ctx, n.Number, "leave", []byte(by))
		if err == nil {
			return nil
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", n.Name, err))
	}
	return &control.Refusal{Kind: control.ErrRefused, Text: "no other server could take note, --force leaves all the same: " + all.Error()}
}

// Remove takes a node out of the cluster that is gone and cannot leave by itself. If it
// comes back it finds that out, and departs.
func (d *Daemon) Remove(_ context.Context, by, name string) (control.Outcome, error) {
	d.found.Lock()
	defer d.found.Unlock()
	m := d.current()
	if m == nil {
		return control.Outcome{}, errNoCluster
	}
	nodes, err := m.chosen([]string{name})
	if err != nil {
		return control.Outcome{}, err
	}
	n := nodes[0]
	switch {
	case n.Number == m.id.Node.Number:
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: n.Name + " is this server itself: to take it out type: orchestrator cluster leave"}
	case m.alive(n.Number):
		return control.Outcome{}, &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s is alive: to take it out type there: orchestrator cluster leave", n.Name)}
	}
	if err := m.removeNode(n.Number, by); err != nil {
		return control.Outcome{}, err
	}
	d.note("member", "warn", fmt.Sprintf("%s was taken out of the cluster by %s.", n.Name, by), map[string]any{"node": n.Number, "by": by}, 0)
	return control.Outcome{Text: fmt.Sprintf("%s is no server of the cluster any more; should it come back, it stops its modules and forgets the cluster", n.Name)}, nil
}

// removeNode takes a node out of the cluster document.
func (m *member) removeNode(n core.NodeID, by string) error {
	conf, err := m.readConfig()
	if err != nil {
		return err
	}
	next, err := conf.RemoveNode(n)
	if err != nil {
		return err
	}
	content, err := json.Marshal(next)
	if err != nil {
		return err
	}
	_, err = m.catalog.Put(clusterItem, content, nil, by)
	return err
}

// removed departs after another node has taken this one out of the cluster.
func (d *Daemon) removed(m *member) {
	d.found.Lock()
	defer d.found.Unlock()
	if d.current() != m {
		return
	}
	d.note("member", "warn", "This server was taken out of the cluster: its modules are stopped, and the cluster is forgotten.", nil, 0)
	d.log.Warn("this node was taken out of the cluster")
	if err := d.depart(m); err != nil {
		d.log.Error("forget the cluster", "error", err)
	}
}

var errTakenOut = errors.New("this node was taken out of the cluster")

// depart stops the modules and removes all that this node has of its cluster. Replicated
// folders get their files back.
func (d *Daemon) depart(m *member) error {
	m.pauseModules(shutdownTime)
	var replicas []replica
	for _, mod := range m.all() {
		if err := mod.beside(hookDeconfig); err != nil {
			d.noteModule(mod.conf.Name, "config", "error", fmt.Sprintf("%s goes with the cluster, but its %v.", mod.conf.Name, err), nil, 0)
		}
		if mod.replica != nil {
			replicas = append(replicas, mod.replica)
		}
	}
	all := d.stopMember(shutdownTime)
	for _, r := range replicas {
		if err := r.Release(); err != nil {
			d.note("replica", "error", fmt.Sprintf("Replicated files were left where they are: %v.", err), nil, 0)
		}
	}
	return errors.Join(all, d.forget())
}

// forget removes all that this node has of its cluster.
func (d *Daemon) forget() error {
	if err := d.forgetCluster(); err != nil {
		return err
	}
	for _, dir := range []string{"active", "modules", "state"} {
		if err := errors.Join(os.RemoveAll(d.path(dir)), os.MkdirAll(d.path(dir), 0o700)); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
	}
	return nil
}

// pauseModules stops all modules within limit; what is wanted of them stays as it is.
func (m *member) pauseModules(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	m.together(func(mod *module) {
		if mod.runner.Snapshot().State == core.Stop {
			return
		}
		if err := mod.pauseHere(ctx, "the end of its membership"); err != nil {
			m.log.Warn("stop a module", "module", mod.conf.Name, "error", err)
		}
	})
}
