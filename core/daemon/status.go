package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// status is what this node tells of the module.
func (mod *module) status(ctx context.Context) control.ModuleNode {
	in := mod.runner.Snapshot()
	n := control.ModuleNode{
		State: in.State, Phase: in.Phase, Since: in.Since, Reason: in.LastReason, Drained: in.Drained,
		Signature: mod.now.Load().head.Signature.Short(),
		Muted:     mod.muted(), Boot: mod.atBoot(),
		Loop: control.Loop{Count: in.Counted(time.Now()), Max: in.Module.MaxLoop, Interval: control.Duration(in.Module.LoopInterval)},
	}
	if counted := n.Loop.Count; counted > 0 {
		n.Loop.Since = in.Failures[len(in.Failures)-counted] // the latest are at the end
	}
	if in.BlockedBy != "" {
		n.Reason = in.BlockedBy
	}
	for _, name := range slices.Sorted(maps.Keys(in.Resources)) {
		if in.Network || !ofNetwork(name) || isCheck(mod.config(), name) {
			n.Resources = append(n.Resources, in.Resources[name])
		}
	}
	if mod.pair != nil {
		n.Pair = mod.pairStatus(in)
	}
	if mod.widowed() {
		n.Reason = strings.TrimPrefix(n.Reason+"; the other server is another one now: stop and start the module here, so that they find each other", "; ")
	}
	if mod.network == nil || !in.Network {
		return n
	}
	if off := mod.network.unreached(); off != "" {
		n.Reason = off
	}
	mod.shareStatus(&n)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if groups, err := mod.connections(ctx); err == nil {
		for _, c := range groups {
			n.Connections += c
		}
	}
	mod.filterStatus(ctx, &n)
	return n
}

// shareStatus adds this node's share of the connections.
func (mod *module) shareStatus(n *control.ModuleNode) {
	if mod.gate != nil {
		if mod.gate.serves() {
			n.Share = 1
		}
		return
	}
	view, self := mod.sharing.current(), mod.m.id.Node.Number
	n.Shares = map[string]float64{}
	for i, t := range view.Tables {
		n.Shares[t.Name] = t.Share(self)
		if i == 0 {
			n.Share = t.Share(self)
		}
	}
	n.Held = view.Held(self)
}

// filterStatus adds how the module's interfaces are filtered, and its counters.
func (mod *module) filterStatus(ctx context.Context, n *control.ModuleNode) {
	st, err := mod.m.d.filter.State(ctx)
	if err != nil {
		n.Filter = []string{"the filter cannot be asked: " + err.Error()}
		return
	}
	for _, i := range byInterface(mod.network.holds()) {
		n.Filter = append(n.Filter, filterText(i, st.Attachments))
		for _, h := range i.held {
			if h.invisible() {
				n.Filter = append(n.Filter, fmt.Sprintf("%s %s is reached at the virtual MAC %s", h.on.Name, h.addr.Addr, h.target().MAC))
			}
		}
	}
	n.Counters = map[string]uint64{}
	for name, v := range st.Counters {
		if reason, ok := strings.CutPrefix(name, mod.conf.Name+"/"); ok {
			n.Counters[reason] = v
		}
	}
	for _, c := range st.Packets {
		if c.Module == mod.conf.Name {
			n.Packets = append(n.Packets, control.PacketCount{Group: c.Group, Class: c.Class, Reason: c.Reason, Packets: c.Packets})
		}
	}
}

// filterText says how an interface is filtered, and why not faster or at all.
func filterText(i heldOn, list []sdk.FilterAttachment) string {
	if why := unfiltered(i.on, list); why != "" {
		return fmt.Sprintf("%s is not filtered: %s", i.on.Name, why)
	}
	a := list[slices.IndexFunc(list, func(a sdk.FilterAttachment) bool { return a.Index == i.on.Index })]
	text := a.Interface + " " + a.How
	if slices.ContainsFunc(i.held, heldAddress.invisible) {
		text += ", in promiscuous mode"
	}
	if a.Note != "" {
		text += " (" + a.Note + ")"
	}
	return text
}

// ofNetwork says that a resource is about the network, which is of interest while it
// is set up.
func ofNetwork(resource string) bool {
	return strings.HasPrefix(resource, "intf.") || strings.HasPrefix(resource, "ip.")
}

// Serving says whether a module takes connections on this node; and since when, or
// why not.
func (d *Daemon) Serving(name string) (bool, string) {
	mod, err := d.module(name)
	if err != nil {
		return false, err.Error()
	}
	in := mod.runner.Snapshot()
	if in.State != core.Up && !in.State.Primary() || in.Phase != core.Ready || in.Drained {
		return false, name + " is " + in.Status()
	}
	return true, in.Since.UTC().Format(time.RFC3339Nano)
}
