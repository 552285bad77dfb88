package daemon

import (
	"context"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// step hands news of the other node to the state machine. When that is lost, what the
// witnesses said may be older than the cut: they are asked anew, and the state machine
// waits for them.
func (mod *module) step(e core.Event) error {
	if all := mod.config().SplitBrain; e.Kind == core.EventPeerLost && all != nil {
		mod.m.d.checks.Again(mod.conf.Name, all.Resources())
	}
	return mod.runner.Deliver(e)
}

// followWitnesses publishes what all witnesses together say, if there are some, until
// ctx ends.
func followWitnesses(ctx context.Context, witnesses func() []config.Checker, watch func() (<-chan core.Instance, func()), post func(core.Event)) {
	updates, stop := watch()
	defer stop()
	var last core.Resource
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-updates:
			all := witnesses()
			next := reached(in, all)
			if len(all) == 0 || next.Value == last.Value && next.Reason == last.Reason {
				continue
			}
			last = next
			post(core.Event{Kind: core.EventResource, Resource: next})
		}
	}
}

// reached judges the witnesses of a mirror: as long as the peer is heard they do not
// matter; when it is not, one that answers is enough.
func reached(in core.Instance, witnesses []config.Checker) core.Resource {
	r := core.Resource{Name: config.WitnessReached, Value: core.ResUp}
	if in.Pair.Link == core.LinkHeard {
		return r
	}
	waits, silent := false, []string{}
	for _, w := range witnesses {
		switch seen := in.Resources[w.Resource()]; seen.Value {
		case core.ResUp:
			return r
		case core.ResInit, "":
			waits = true
		default:
			silent = append(silent, w.Ident)
		}
	}
	if waits {
		r.Value, r.Reason = core.ResInit, "no witness has answered yet"
		return r
	}
	r.Value, r.Reason = core.ResDown, "the peer is not heard, nor is a witness reached: "+strings.Join(silent, ", ")
	return r
}
