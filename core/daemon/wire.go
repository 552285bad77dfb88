package daemon

import (
	"context"
	"net/netip"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// wire is what a module's network needs of the node.
type wire struct {
	find      func(addr netip.Addr, name string) (vip.Interface, error)
	prepare   func(context.Context, []heldAddress) error // before the first change; refuses addresses that others have
	lay       func([]heldAddress) error                  // notes what is about to be changed
	unlay     func() error                               // when nothing is left
	configure func(context.Context, []sdk.FilterInterface) error
	unfilter  func(context.Context) error
	attached  func(context.Context) ([]sdk.FilterAttachment, error)
	table     func()      // gives the filter its table again
	owns      func() bool // this node has a share of the connections
	first     func() bool // it acts for all that share the module
	holder    holder
	source    func([]heldAddress) error // of these, some are what this node's own connections come from
	announce  func(...vip.Target)
	cancel    func(index int, addr netip.Addr)
	share     func(in share.Input, cause int64)
	halt      func() // takes this node out, before the filter goes
	resource  func(core.Resource)
	note      func(level, text string) int64
	patrol    func(context.Context, []heldAddress) // now and then, while the addresses are reached
}

// holder puts addresses on interfaces; see vip.Holder.
type holder interface {
	Add(on vip.Interface, addr netip.Addr, invisible bool) error
	Remove(on vip.Interface, addr netip.Addr) error
	Look(on vip.Interface, addrs []netip.Addr) (vip.Look, error)
}

// stateTime limits how long a look at a network waits for a filter that is just being
// started again.
const stateTime = time.Second

func (mod *module) wire() wire {
	d, name := mod.m.d, mod.conf.Name
	w := wire{
		find: vip.Find,
		prepare: func(ctx context.Context, held []heldAddress) error {
			if err := d.cleanLeftovers(ctx); err != nil {
				return err
			}
			return mod.refuseTaken(ctx, held)
		},
		lay:   func(held []heldAddress) error { return d.laying(name, held, mod.goesOn()) },
		unlay: func() error { return removeIf(d.laidFile(name)) },
		configure: func(ctx context.Context, interfaces []sdk.FilterInterface) error {
			st, err := mod.rules.configure(ctx, interfaces)
			if err == nil {
				mod.m.lease.use(st.Lease)
			}
			return err
		},
		unfilter: func(ctx context.Context) error { mod.rules.down(); return d.filter.Remove(ctx, name) },
		attached: func(ctx context.Context) ([]sdk.FilterAttachment, error) {
			ctx, cancel := context.WithTimeout(ctx, stateTime)
			defer cancel()
			st, err := d.filter.State(ctx)
			return st.Attachments, err
		},
		first:    mod.first,
		holder:   d.holder,
		source:   func(held []heldAddress) error { return d.holder.SetSources(name, sources(held), mod.m.addresses()) },
		announce: d.speaker.Announce,
		cancel:   d.speaker.Cancel,
		resource: mod.publishResource,
		note: func(level, text string) int64 {
			return d.noteModule(name, "network", level, text, nil, 0)
		},
		patrol: mod.patrol,
	}
	if mod.gate != nil {
		w.owns, w.share, w.halt = mod.gate.serves, mod.networked, mod.gate.halt
		w.table = func() {
			if err := mod.gate.again(); err != nil {
				mod.m.log.Warn("give the filter its table again", "module", name, "error", err)
			}
		}
		return w
	}
	w.table, w.share, w.halt = mod.sharing.again, mod.sharing.put, mod.sharing.halt
	w.owns = func() bool { return mod.sharing.current().Owned(mod.m.id.Node.Number) > 0 }
	return w
}
