package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// probeInterval is how often the network is asked who has an address, and how often it
// is announced against others: RFC 5227, 2.4 allows no more.
const probeInterval = 10 * time.Second

// How many times the network is asked who has an address: before it is set for the
// first time, and now and then.
const (
	probesAtStart = 3
	probesLater   = 1
)

// refuseTaken fails if a machine that is no node of the cluster has one of the
// addresses. While another node has the module nobody is asked: its claim is ours.
func (mod *module) refuseTaken(ctx context.Context, held []heldAddress) error {
	held = checked(held)
	if len(held) == 0 || mod.elsewhere() {
		return nil
	}
	found := mod.claimed(ctx, held, probesAtStart)
	if len(found) == 0 || mod.elsewhere() { // it may have begun meanwhile, and answer already
		return nil
	}
	c := found[0]
	return fmt.Errorf("%s is in use by %s on %s, which is no node of this cluster; free the address there, or choose another", c.addr, macText(c.mac), c.on)
}

// checked are the addresses that strangers are looked for.
func checked(held []heldAddress) []heldAddress {
	return slices.DeleteFunc(slices.Clone(held), func(h heldAddress) bool { return !h.addr.Check })
}

// elsewhere says that another node has the module started.
func (mod *module) elsewhere() bool {
	if mod.pair != nil { // who has just lost its peer takes over without asking
		return mod.runner.Snapshot().Pair.Link != core.LinkUnknown
	}
	return slices.ContainsFunc(mod.m.digests.heard(), func(n core.NodeID) bool {
		return mod.m.digests.of(n, mod.conf.Name).Present
	})
}

// claimed asks the network who has the addresses and answers the strangers.
func (mod *module) claimed(ctx context.Context, held []heldAddress, times int) []claim {
	on := byInterface(held)
	found := make([][]claim, len(on))
	var all sync.WaitGroup
	for i, o := range on {
		all.Go(func() {
			list, err := vip.Probe(ctx, o.on, o.addrs(), times)
			if err != nil {
				mod.m.log.Warn("probe virtual addresses", "module", mod.conf.Name, "error", err)
				return
			}
			known := mod.known(o)
			for _, c := range list {
				if k := (claim{c.Addr, o.on.Name, sdk.MAC(c.MAC)}); !known[k.mac] {
					found[i] = append(found[i], k)
				}
			}
		})
	}
	all.Wait()
	return slices.Concat(found...)
}

// known are the MAC addresses that may answer for addresses on an interface: the
// virtual ones, those of the nodes that share the module, and those that nodes of
// the cluster have as neighbours.
func (mod *module) known(i heldOn) map[sdk.MAC]bool {
	macs := map[sdk.MAC]bool{}
	for _, h := range i.held {
		macs[sdk.MAC(h.addr.MAC)] = h.invisible()
	}
	for _, mac := range mod.sharers() {
		macs[sdk.MAC(mac)] = true
	}
	near, err := vip.Neighbours(i.on.Index, mod.m.addresses())
	if err != nil {
		mod.m.log.Debug("look for the nodes' MAC addresses", "error", err)
	}
	for _, mac := range near {
		macs[sdk.MAC(mac)] = true
	}
	return macs
}

// first says that this node is the one to act for all that share the module.
func (mod *module) first() bool {
	if mod.gate != nil {
		return mod.gate.serves()
	}
	return mod.sharing.current().First() == mod.m.id.Node.Number
}

// sharers are the MAC addresses of the nodes that serve the module.
func (mod *module) sharers() []share.MAC {
	var macs []share.MAC
	if mod.gate != nil {
		return macs // this node's own, which never answers itself
	}
	for _, mem := range mod.sharing.current().Members {
		macs = append(macs, mem.MACs...)
	}
	return macs
}

// patrol looks for strangers who claim the module's addresses, and announces these
// against them, or when it is time to. One node asks and announces for all; all
// hear what their filters see.
func (mod *module) patrol(ctx context.Context, held []heldAddress) {
	ctx, cancel := context.WithTimeout(ctx, patrolInterval)
	defer cancel()
	now, first := time.Now(), mod.first()
	probe := now.Sub(mod.probedAt) >= probeInterval
	if probe {
		mod.probedAt = now
	}
	if first && probe {
		for _, c := range mod.claimed(ctx, mod.some(checked(held)), probesLater) {
			mod.claims.hear(now, c)
		}
	}
	var addrs []netip.Addr
	for _, h := range checked(held) {
		addrs = append(addrs, h.addr.Addr)
	}
	if st, err := mod.m.d.filter.State(ctx); err == nil {
		known := map[string]map[sdk.MAC]bool{}
		for _, o := range byInterface(held) {
			known[o.on.Name] = mod.known(o)
		}
		mod.claims.filtered(now, foreign(st.Strangers, addrs, known))
		// A node that began at the same time was a stranger until it was a member.
		mod.claims.clear(func(c claim) bool { return known[c.on][c.mac] })
	}
	for _, r := range mod.claims.news(now, addrs) {
		if r.Value == core.ResDown {
			mod.m.log.Warn("a stranger claims a virtual address", "module", mod.conf.Name, "resource", r.Name, "reason", r.Reason)
		}
		mod.publishResource(r)
	}
	due := mod.refresh.due(now, first, slices.ContainsFunc(held, heldAddress.invisible), time.Unix(0, mod.tookOver.Load()))
	for _, h := range held {
		if due || first && probe && mod.claims.about(h.addr.Addr) != "" {
			mod.reannounce(h)
		}
	}
}

// foreign are the strangers that claim one of addrs and are not known on their
// interface. To a filter that has no table yet, or whose table lacks a node that is
// just coming back, the announcement of a node is that of a stranger.
func foreign(list []sdk.FilterStranger, addrs []netip.Addr, known map[string]map[sdk.MAC]bool) []sdk.FilterStranger {
	return slices.DeleteFunc(slices.Clone(list), func(s sdk.FilterStranger) bool {
		return !slices.Contains(addrs, s.Address) || known[s.Interface][s.MAC]
	})
}

// maxProbed is how many addresses are asked for at a time.
const maxProbed = 16

// some are the next addresses to ask for, in turn, and those that are claimed.
func (mod *module) some(held []heldAddress) []heldAddress {
	if len(held) <= maxProbed {
		return held
	}
	list := slices.DeleteFunc(slices.Clone(held), func(h heldAddress) bool { return mod.claims.about(h.addr.Addr) == "" })
	for range maxProbed {
		list = append(list, held[mod.probed%len(held)])
		mod.probed++
	}
	return list
}

// reannounce sends one announcement of an address.
func (mod *module) reannounce(h heldAddress) {
	if !mod.m.d.mayAnnounce() {
		return
	}
	if err := vip.Announce(h.target()); err != nil {
		mod.m.log.Debug("announce a virtual address again", "module", mod.conf.Name, "error", err)
	}
}

// publishResource hands what was seen of the module's network to it. Where a check
// of the module is called the same, as with <ip ident="ADDRESS">, it keeps the
// name: the two say different things, and actions follow from the check's alone.
func (mod *module) publishResource(r core.Resource) {
	r.Name = ownName(mod.config(), r.Name)
	mod.runner.Post(core.Event{Kind: core.EventResource, Resource: r})
}

// ownName is what a resource of the daemon itself is called beside the checks.
func ownName(conf *config.Module, name string) string {
	if isCheck(conf, name) {
		return name + ".vip"
	}
	return name
}

func isCheck(conf *config.Module, resource string) bool {
	return slices.ContainsFunc(conf.Checks(), func(c core.Check) bool { return c.Resource == resource })
}
