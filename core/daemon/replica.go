package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/control"
)

// replica keeps the copy of a mirror's data on this node. What it finds out without
// being asked it tells as an EventReplica whose Name is one of core.ReplicaNews.
type replica interface {
	// Order begins to carry out an order and returns at once. answer is called once,
	// with an EventReplica whose Name is the order. full copies everything, whatever is
	// known to be the same.
	Order(order core.ReplicaOrder, full bool, answer func(core.Event))
	// Said takes what this node says of itself, when that has changed.
	Said(core.PeerState)
	// Change takes over what may be changed while replication runs.
	Change(*config.Module) error
	// Trouble is why nothing can be written on a primary any more; nil if it can.
	Trouble() error
	// Forced says that the operator wants this node primary whatever its copy is worth.
	Forced()
	Status() *control.Replication
	// Verify compares both copies; Estimate says what bringing the other up to date would
	// take.
	Verify(ctx context.Context) (control.Verification, error)
	Estimate() (control.ResyncEstimate, error)
	// Release gives the folders their files back: the module goes.
	Release() error
	Close()
}

// replicate carries out an order, if this module has something to replicate.
func (mod *module) replicate(a core.Action, answer func(core.Event)) {
	if mod.replica == nil {
		answer(core.Event{Kind: core.EventReplica, Name: string(a.Replica), Reason: cmp.Or(mod.unreplicated, "this system replicates nothing: it needs Linux")})
		return
	}
	mod.replica.Order(a.Replica, a.Full, answer)
}

// replicated is the replica of an installed module.
func (d *Daemon) replicated(name string) (replica, error) {
	mod, err := d.module(name)
	if err != nil {
		return nil, err
	}
	if mod.replica == nil {
		return nil, &control.Refusal{Kind: control.ErrRefused, Text: name + " replicates nothing"}
	}
	return mod.replica, nil
}

// Verify compares both copies of a mirror's data: the primary does, and is asked to by the secondary.
func (d *Daemon) Verify(ctx context.Context, name string) (v control.Verification, err error) {
	mod, err := d.module(name)
	if err != nil || mod.replica == nil || mod.runner.Snapshot().State != core.Second {
		return d.verify(ctx, name)
	}
	raw, err := mod.askPrimary(ctx, "verify")
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		err = &control.Refusal{Kind: control.ErrRefused, Text: fmt.Sprintf("%s cannot be verified: %v", name, err)}
	}
	return v, err
}

// verify is Verify on the primary.
func (d *Daemon) verify(ctx context.Context, name string) (control.Verification, error) {
	r, err := d.replicated(name)
	if err != nil {
		return control.Verification{}, err
	}
	v, err := r.Verify(ctx)
	if err != nil {
		return control.Verification{}, &control.Refusal{Kind: control.ErrRefused, Text: name + " cannot be verified from this node: " + err.Error()}
	}
	return v, nil
}

// primaryTime is the longest that a primary may take to answer.
const primaryTime = 24 * time.Hour

// askPrimary has the other node of a mirror answer, for as long as it is heard.
func (mod *module) askPrimary(ctx context.Context, kind string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, primaryTime)
	defer cancel()
	updates, stop := mod.runner.Subscribe()
	defer stop()
	go func() {
		for {
			select {
			case in := <-updates:
				if in.State != core.Second || in.Pair.Link != core.LinkHeard {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return mod.m.cluster.Call(ctx, mod.runner.Snapshot().Module.Mirror.Peer, kind, []byte(mod.conf.Name))
}

// EstimateResync says what bringing the other node up to date would take.
func (d *Daemon) EstimateResync(_ context.Context, name string) (control.ResyncEstimate, error) {
	r, err := d.replicated(name)
	if err != nil {
		return control.ResyncEstimate{}, err
	}
	e, err := r.Estimate()
	if err != nil {
		return control.ResyncEstimate{}, &control.Refusal{Kind: control.ErrRefused, Text: "nothing can be estimated for " + name + " on this node: " + err.Error()}
	}
	return e, nil
}
