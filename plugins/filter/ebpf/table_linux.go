package ebpf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	bpf "github.com/cilium/ebpf"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// SetTable puts a table in force, for all groups of the module and together with
// Accept in one step: the tables are written to the half that is not in use, then
// one byte is switched. It fails with nothing changed if a group is missing or
// unknown, a table has not one row a bucket, or a node's number is too high.
func (f *Filter) SetTable(ctx context.Context, t sdk.FilterTable) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	m, ok := f.members[t.Module]
	if !ok {
		return fmt.Errorf("set the table of module %s: the filter does not know it; configure it first", t.Module)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkTable(m, t); err != nil {
		return fmt.Errorf("set the table of module %s: %w", t.Module, err)
	}
	if err := f.setTable(m, t); err != nil {
		return fmt.Errorf("set the table of module %s: %w", t.Module, err)
	}
	return nil
}

func checkTable(m *member, t sdk.FilterTable) error {
	var errs []error
	for name := range m.Groups {
		if _, ok := t.Groups[name]; !ok {
			errs = append(errs, fmt.Errorf("it has no rows for group %q", name))
		}
	}
	for name, rows := range t.Groups {
		if _, ok := m.Groups[name]; !ok {
			errs = append(errs, fmt.Errorf("group %q is not configured", name))
		}
		if len(rows) != share.Buckets {
			errs = append(errs, fmt.Errorf("group %q has %d rows instead of %d", name, len(rows), share.Buckets))
		}
		for bucket, row := range rows {
			for r := row; r != 0; r >>= 8 {
				if r&0xff > maxNode {
					errs = append(errs, fmt.Errorf("group %q names node %d in bucket %d; a farm has at most %d nodes", name, r&0xff, bucket, maxNode))
				}
			}
			if len(errs) > 8 {
				return errors.Join(errs...)
			}
		}
	}
	for node, macs := range t.MACs {
		if node < 1 || node > maxNode {
			errs = append(errs, fmt.Errorf("it has addresses of node %d; numbers go from 1 to %d, a farm has at most %d nodes", node, maxNode, maxNode))
		}
		if len(macs) > len(m.Links) {
			errs = append(errs, fmt.Errorf("it has %d addresses of node %d, but %d interfaces are configured", len(macs), node, len(m.Links)))
		}
	}
	return errors.Join(errs...)
}

func (f *Filter) setTable(m *member, t sdk.FilterTable) error {
	before := m.macs
	m.macs = map[uint8][]sdk.MAC{}
	for node, list := range t.MACs {
		m.macs[node] = slices.Clone(list)
	}
	macs, peers := planMACs(f.members)
	err := errors.Join(syncMap(f.objs.Macs, macs, false), syncMap(f.objs.Peers, peers, false))
	if err == nil {
		err = f.switchTables(m, t)
	}
	if err != nil {
		m.macs = before
		return err
	}
	return errors.Join(syncMap(f.objs.Macs, macs, true), syncMap(f.objs.Peers, peers, true))
}

func (f *Filter) switchTables(m *member, t sdk.FilterTable) error {
	half := uint32(m.live&liveHalf) ^ 1
	for name, slot := range m.Groups {
		var rows tableValue
		for n, r := range t.Groups[name] {
			rows[n] = uint32(r)
		}
		if err := f.objs.Tables.Put(uint32(slot)*2+half, &rows); err != nil {
			return fmt.Errorf("write the rows of group %s: %w", name, err)
		}
	}
	live := m.live
	m.live = uint8(half)
	if t.Accept {
		m.live |= liveAccept
	}
	if t.Agreed {
		m.live |= liveAgreed
	}
	if err := f.writeModule(m); err != nil {
		m.live = live
		return err
	}
	return nil
}

// syncMap writes what m lacks or has differently, then, if prune is set, deletes
// what is not wanted. Entries that are right are never touched.
func syncMap[K, V comparable](m *bpf.Map, want map[K]V, prune bool) error {
	have := make(map[K]V, len(want))
	var (
		k K
		v V
	)
	entries := m.Iterate()
	for entries.Next(&k, &v) {
		have[k] = v
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("read the map %s: %w", mapName(m), err)
	}
	for k, v := range want {
		if old, ok := have[k]; ok && old == v {
			continue
		}
		if err := m.Put(k, v); err != nil {
			return fmt.Errorf("write the map %s: %w", mapName(m), err)
		}
	}
	if !prune {
		return nil
	}
	for k := range maps.Keys(have) {
		if _, ok := want[k]; ok {
			continue
		}
		if err := m.Delete(k); err != nil && !isMissing(err) {
			return fmt.Errorf("delete from the map %s: %w", mapName(m), err)
		}
	}
	return nil
}

func isMissing(err error) bool { return errors.Is(err, bpf.ErrKeyNotExist) }

func mapName(m *bpf.Map) string {
	info, err := m.Info()
	if err != nil {
		return "?"
	}
	return info.Name
}

func (f *Filter) clearCounters(slot uint8) error {
	zero := make([]uint64, bpf.MustPossibleCPU())
	for n := range uint32(maxReasons) {
		if err := f.objs.Counters.Put(uint32(slot)*maxReasons+n, zero); err != nil {
			return fmt.Errorf("clear the counters: %w", err)
		}
	}
	return nil
}
