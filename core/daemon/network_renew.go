package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// renew makes the network that of another configuration. What stays is not
// touched; an address that goes is taken off its interface before the filter lets
// go of it, and one that comes is set after the filter knows it, so that the
// kernel never answers for one by itself. On an error all is as it was before.
func (n *network) renew(ctx context.Context, conf []config.Interface) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	old, before := n.conf, n.holds()
	n.conf = conf
	if len(before) == 0 {
		return nil
	}
	interfaces, held, err := n.place()
	come, gone := without(held, before), without(before, held)
	if err == nil && len(come) > 0 {
		err = n.wire.prepare(ctx, come)
	}
	if err != nil {
		n.conf = old
		return err
	}
	n.comeFrom(without(before, gone))
	if err = n.remove(gone); err == nil {
		n.hold(without(before, gone))
		err = n.lay(ctx, interfaces, held)
	}
	if err != nil {
		n.conf = old
		n.restore(ctx, before, come)
		return err
	}
	n.settle(held)
	n.wire.table()
	n.poke()
	if n.wire.first() {
		n.wire.announce(targets(come)...)
	}
	return nil
}

// reconfigure notes the interfaces of another configuration for the next time that
// the network is set up; while it is up, see renew.
func (n *network) reconfigure(conf []config.Interface) {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.conf = conf
}

// without are those of list that others does not have at the same place.
func without(list, others []heldAddress) []heldAddress {
	return slices.DeleteFunc(slices.Clone(list), func(h heldAddress) bool {
		return slices.ContainsFunc(others, func(o heldAddress) bool { return o.on.Index == h.on.Index && o.addr.Addr == h.addr.Addr })
	})
}

func (n *network) hold(held []heldAddress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = held
}

// remove takes addresses off their interfaces.
func (n *network) remove(list []heldAddress) error {
	for _, h := range list {
		n.wire.cancel(h.on.Index, h.addr.Addr)
		if err := n.wire.holder.Remove(h.on, h.addr.Addr); err != nil {
			return err
		}
	}
	return nil
}

// restore puts back what was there before a change that failed half way. What it
// cannot put back the next look will.
func (n *network) restore(ctx context.Context, before, come []heldAddress) {
	n.hold(before)
	if err := n.remove(come); err != nil {
		n.wire.note("warn", fmt.Sprintf("An address that could not be used is left: %v.", err))
	}
	if err := n.wire.configure(ctx, n.interfaces); err != nil {
		n.wire.note("error", fmt.Sprintf("The packet filter could not be set back: %v.", err))
	}
	for _, h := range before {
		if err := n.wire.holder.Add(h.on, h.addr.Addr, h.invisible()); err != nil {
			n.wire.note("error", fmt.Sprintf("%s could not be put back: %v.", h.addr.Addr, err))
		}
	}
	n.wire.table()
}

// targets are how addresses are announced.
func targets(held []heldAddress) []vip.Target {
	var list []vip.Target
	for _, h := range held {
		list = append(list, h.target())
	}
	return list
}
