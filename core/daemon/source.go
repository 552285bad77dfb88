package daemon

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// sources are the addresses that connections of this node come from: where="one_side".
func sources(held []heldAddress) []vip.Source {
	var list []vip.Source
	for _, h := range held {
		if h.addr.Where == "one_side" {
			list = append(list, vip.Source{Index: h.on.Index, Addr: h.addr.Addr})
		}
	}
	return list
}

// addresses are those of all nodes.
func (m *member) addresses() []netip.Addr {
	var list []netip.Addr
	for _, n := range m.settings().Nodes {
		list = slices.AppendSeq(list, maps.Values(n.Addresses))
	}
	return list
}

// comeFrom has connections of this node come from its virtual addresses where that is
// asked for. The addresses serve all the same if it cannot be, and the next look tries
// again.
func (n *network) comeFrom(held []heldAddress) {
	why := ""
	if err := n.wire.source(held); err != nil {
		why = err.Error()
	}
	if why != "" && why != n.sourceless {
		n.wire.note("warn", fmt.Sprintf("Connections of this node do not come from %s's virtual address: %s.", n.module, why))
	}
	n.sourceless = why
}
