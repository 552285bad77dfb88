package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// reannounceInterval is how often the addresses are announced without a reason.
// Some neighbours keep an old entry for hours if they missed the announcements
// after a take-over.
const reannounceInterval = time.Minute

// refuseTaken fails if a machine that is no node of the cluster has one of the
// addresses. While another node has the module nobody is asked: its claim is ours.
func (mod *module) refuseTaken(ctx context.Context, held []heldAddress) error {
	if mod.elsewhere() {
		return nil
	}
	found := mod.claimed(ctx, held)
	if len(found) == 0 || mod.elsewhere() { // it may have begun meanwhile, and answer already
		return nil
	}
	c := found[0]
	return fmt.Errorf("%s is in use by %s on %s, which is no node of this cluster; free the address there, or choose another", c.addr, macText(c.mac), c.on)
}

// elsewhere says that another node has the module started.
func (mod *module) elsewhere() bool {
	return slices.ContainsFunc(mod.m.digests.heard(), func(n core.NodeID) bool {
		return mod.m.digests.of(n, mod.conf.Name).Present
	})
}

// claimed asks the network who has the addresses and answers the strangers.
func (mod *module) claimed(ctx context.Context, held []heldAddress) []claim {
	found := make([][]claim, len(held))
	var all sync.WaitGroup
	for i, h := range held {
		all.Go(func() {
			macs, err := vip.Probe(ctx, h.on, h.addr.Addr)
			if err != nil {
				mod.m.log.Warn("probe a virtual address", "module", mod.conf.Name, "error", err)
				return
			}
			known := mod.known(h)
			for _, mac := range macs {
				if !slices.ContainsFunc(known, func(k net.HardwareAddr) bool { return bytes.Equal(k, mac) }) {
					found[i] = append(found[i], claim{h.addr.Addr, h.on.Name, sdk.MAC(mac)})
				}
			}
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

// known are the MAC addresses that may answer for an address: its virtual one,
// those of the nodes that share the module, and those that nodes of the cluster
// have as neighbours.
func (mod *module) known(h heldAddress) []net.HardwareAddr {
	list := []net.HardwareAddr{h.on.MAC}
	if h.invisible() {
		list = append(list, h.addr.MAC[:])
	}
	for _, mem := range mod.sharing.current().Members {
		for _, mac := range mem.MACs {
			list = append(list, mac[:])
		}
	}
	var nodes []netip.Addr
	for _, n := range mod.m.settings().Nodes {
		for _, a := range n.Addresses {
			nodes = append(nodes, a)
		}
	}
	near, err := vip.Neighbours(h.on.Index, nodes)
	if err != nil {
		mod.m.log.Debug("look for the nodes' MAC addresses", "error", err)
	}
	return append(list, near...)
}

// first says that this node is the one to act for all that share the module.
func (mod *module) first() bool {
	return mod.sharing.current().First() == mod.m.id.Node.Number
}

// patrol looks for strangers who claim the module's addresses, and now and then
// announces them. One node asks and announces for all; all hear.
func (mod *module) patrol(ctx context.Context, held []heldAddress) {
	ctx, cancel := context.WithTimeout(ctx, patrolInterval/2)
	defer cancel()
	now := time.Now()
	if mod.first() {
		for _, c := range mod.claimed(ctx, held) {
			mod.claims.hear(now, c)
		}
		if now.Sub(mod.announced) >= reannounceInterval {
			mod.announced = now
			mod.reannounce(held)
		}
	}
	var addrs []netip.Addr
	for _, h := range held {
		addrs = append(addrs, h.addr.Addr)
	}
	if st, err := mod.m.d.filter.State(ctx); err == nil {
		mod.claims.filtered(now, slices.DeleteFunc(st.Strangers, func(s sdk.FilterStranger) bool { return !slices.Contains(addrs, s.Address) }))
	}
	for _, r := range mod.claims.news(now, addrs) {
		if r.Value == core.ResDown {
			mod.m.log.Warn("a stranger claims a virtual address", "module", mod.conf.Name, "resource", r.Name, "reason", r.Reason)
		}
		mod.publishResource(r)
	}
}

// reannounce sends one announcement of each address.
func (mod *module) reannounce(held []heldAddress) {
	for _, h := range held {
		if err := vip.Announce(h.target()); err != nil {
			mod.m.log.Debug("announce a virtual address again", "module", mod.conf.Name, "error", err)
		}
	}
}

// publishResource hands what was seen to the module.
func (mod *module) publishResource(r core.Resource) {
	mod.runner.Post(core.Event{Kind: core.EventResource, Resource: r})
}
