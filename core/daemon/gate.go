package daemon

import (
	"context"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// gateGroup is the only group of a mirror's filter: all that comes to its addresses.
const gateGroup = "primary"

// gateGroups are the rules of a mirror, in the words of a farm's: the primary takes
// everything.
func gateGroups() []config.Group {
	return []config.Group{{Name: gateGroup, Rules: []config.Rule{
		{Proto: "tcp", Filter: "on_addr"}, {Proto: "udp", Filter: "on_addr"}, {Proto: "arp", Filter: "on_addr"},
	}}}
}

// gate lets in what comes to the addresses of a mirror on this node. It is a farm's
// filter with a table in which one node owns everything: so what holds for a farm's
// addresses holds here, that above all which needs no daemon: when the lease runs out
// nothing is let in, and nobody answers for the address.
type gate struct {
	module string
	self   core.NodeID
	set    func(context.Context, sdk.FilterTable) error
	ctx    context.Context

	mu     sync.Mutex // held while a table is given
	up     bool       // the network is set up
	open   bool       // wanted
	behind bool       // the filter does not know it yet
	macs   []share.MAC
	epoch  uint64
}

// start opens the gate of a network that is just set up; of one that is only set
// up anew it stays as it was.
func (g *gate) start(macs []share.MAC) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.up {
		g.open = true
	}
	g.up, g.macs = true, macs
	return g.give()
}

// reopen opens the gate, if there is a network. On an error the filter is to be
// asked again.
func (g *gate) reopen() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.up {
		return nil
	}
	g.open = true
	return g.give()
}

// shut shuts the gate also while the network is on its way out: the table of a filter that
// is still there must not come to life with the next lease.
func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
	up := g.up
	err := g.give()
	if !up {
		g.behind = false
		return nil
	}
	return err
}

// again repeats the last word, if the filter may not know it.
func (g *gate) again() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.up {
		return nil
	}
	return g.give()
}

// halt forgets the network, which is to go.
func (g *gate) halt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.up, g.open, g.behind = false, false, false
}

// late says that the filter does not know the last word.
func (g *gate) late() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.behind
}

// serves says that the addresses are served here.
func (g *gate) serves() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.up && g.open && !g.behind
}

func (g *gate) give() error {
	ctx, cancel := context.WithTimeout(g.ctx, tableTime)
	defer cancel()
	err := g.set(ctx, g.table())
	g.behind = err != nil
	return err
}

// table is one in which this node owns everything, or nobody anything.
func (g *gate) table() sdk.FilterTable {
	g.epoch++
	rows := make([]sdk.Row, share.Buckets)
	if g.open {
		for i := range rows {
			rows[i] = sdk.Row(share.MakeRow(g.self))
		}
	}
	t := sdk.FilterTable{
		Module: g.module, Epoch: g.epoch, Accept: g.open, Agreed: g.open,
		Groups: map[string][]sdk.Row{gateGroup: rows}, MACs: map[uint8][]sdk.MAC{},
	}
	for _, mac := range g.macs {
		t.MACs[uint8(g.self)] = append(t.MACs[uint8(g.self)], sdk.MAC(mac))
	}
	return t
}

// warmFilter has the filter's process started before this node becomes primary: a take-over
// is not the time for that, nor for the programs that the process then loads by itself.
func (mod *module) warmFilter(ctx context.Context) {
	if mod.gate == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, networkTime)
	defer cancel()
	if _, err := mod.m.d.filter.State(ctx); err != nil && ctx.Err() == nil {
		mod.m.log.Debug("start the filter in advance", "module", mod.conf.Name, "error", err)
	}
}
