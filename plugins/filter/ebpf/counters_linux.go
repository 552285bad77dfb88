package ebpf

import (
	"fmt"
	"slices"

	bpf "github.com/cilium/ebpf"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// place is where the frames of a module are counted: one for each class of buckets
// of each of its groups, and one for what no bucket had to do with.
type place struct {
	at    uint32
	group string
	class share.Class
}

// placesOf are the places of a module, that without a group first.
func placesOf(m *member) []place {
	all := []place{{at: maxGroups*numClasses + uint32(m.Slot)}}
	for _, g := range m.Config.Groups {
		all = append(all, placesOfGroup(g.Name, m.Groups[g.Name])...)
	}
	return all
}

func placesOfGroup(name string, slot uint16) []place {
	var all []place
	for n, class := range share.Classes() {
		all = append(all, place{uint32(slot)*numClasses + uint32(n), name, class})
	}
	return all
}

// readCounts tells what a module's frames came to; what is zero is left out.
func readCounts(counters *bpf.Map, m *member) ([]sdk.FilterCount, error) {
	var list []sdk.FilterCount
	for _, p := range placesOf(m) {
		var cpus []countsValue
		if err := counters.Lookup(p.at, &cpus); err != nil {
			return nil, fmt.Errorf("read the counters of module %s: %w", m.Config.Module, err)
		}
		for n, reason := range reasonNames {
			var sum uint64
			for _, c := range cpus {
				sum += c[n]
			}
			if sum > 0 {
				list = append(list, sdk.FilterCount{Module: m.Config.Module, Group: p.group, Class: string(p.class), Reason: reason, Packets: sum})
			}
		}
	}
	return list, nil
}

func (f *Filter) clearCounters(places []place) error {
	zero := make([]countsValue, bpf.MustPossibleCPU())
	for _, p := range places {
		if err := f.objs.Counters.Put(p.at, zero); err != nil {
			return fmt.Errorf("clear the counters: %w", err)
		}
	}
	return nil
}

// sums adds up by reason, with something before its name.
func sums(into map[string]uint64, prefix string, list []sdk.FilterCount) {
	for c := range slices.Values(list) {
		into[prefix+c.Reason] += c.Packets
	}
}
