package ebpf

import (
	"context"
	"errors"
	"fmt"
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
	before := *m
	m.macs = map[uint8][]sdk.MAC{}
	for node, list := range t.MACs {
		m.macs[node] = slices.Clone(list)
	}
	if err := f.switchTables(m, t); err != nil {
		*m = before
		return err
	}
	return nil
}

// switchTables writes the half that is not in use, then switches.
func (f *Filter) switchTables(m *member, t sdk.FilterTable) error {
	half := m.live&liveHalf ^ 1
	for name, slot := range m.Groups {
		rows, err := f.handRows(m, slot, t, t.Groups[name])
		if err != nil {
			return err
		}
		if err := f.objs.Tables.Put(uint32(slot)*2+uint32(half), rows); err != nil {
			return fmt.Errorf("write the rows of group %s: %w", name, err)
		}
	}
	if err := f.writeLinks(m, half); err != nil {
		return err
	}
	m.live, m.epoch, m.silent = half, t.Epoch, t.Silent
	if t.Accept {
		m.live |= liveAccept
	}
	if t.Agreed {
		m.live |= liveAgreed
	}
	if t.Moving {
		m.live |= liveMoving
	}
	return f.writeModule(m)
}

func (f *Filter) writeLinks(m *member, half uint8) error {
	for n, b := range m.Links {
		l, err := m.buildLink(n)
		if err != nil {
			return err
		}
		if err := f.objs.Links.Put(uint32(b.Slot)*2+uint32(half), l); err != nil {
			return fmt.Errorf("write the nodes' addresses on %s: %w", b.Name, err)
		}
	}
	return nil
}

func isMissing(err error) bool { return errors.Is(err, bpf.ErrKeyNotExist) }
