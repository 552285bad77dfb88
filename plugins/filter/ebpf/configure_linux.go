package ebpf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Configure attaches to the module's interfaces. A module that is new accepts
// nothing until SetTable; one that was configured before keeps the tables of
// the groups that stay. It fails, with everything wrong named at once and
// nothing changed, if the configuration cannot be done here: an interface is
// missing or nothing works on it, an address belongs to another module, a rule
// is not possible. Call it again when an interface's own addresses change, when it
// was made anew, or when State shows that it is not filtered any more.
func (f *Filter) Configure(ctx context.Context, c sdk.FilterConfig) (sdk.FilterState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return sdk.FilterState{}, errClosed
	}
	if err := ctx.Err(); err != nil {
		return sdk.FilterState{}, err
	}
	next, err := f.propose(c)
	if err != nil {
		return sdk.FilterState{}, err
	}
	if err := f.change(c.Module, next); err != nil {
		return sdk.FilterState{}, fmt.Errorf("set up module %s: %w", c.Module, err)
	}
	f.log.Info("packet filter configured", "module", c.Module, "groups", len(next.Groups), "interfaces", len(next.Links))
	return f.state()
}

// propose makes the member that c asks for, touching nothing.
func (f *Filter) propose(c sdk.FilterConfig) (*member, error) {
	if err := check(c, f.members); err != nil {
		return nil, err
	}
	m := &member{Config: c, Groups: map[string]uint16{}, macs: map[uint8][]sdk.MAC{}}
	virtual := virtualAddresses(c, f.members)
	var errs []error
	for _, i := range c.Interfaces {
		b, err := bind(i.Name, i.Addresses, virtual)
		if err != nil {
			errs = append(errs, fmt.Errorf("module %s: %w", c.Module, err))
		}
		if !i.Directed && slices.Contains(i.MACs, b.MAC) {
			errs = append(errs, fmt.Errorf("module %s gives an address on %s the virtual MAC address %s, which is the interface's own; take another", c.Module, i.Name, macText(b.MAC)))
		}
		m.Links = append(m.Links, b)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	old := f.members[c.Module]
	m.Slot = f.freeSlot()
	if old != nil {
		m.Slot, m.live, m.epoch, m.silent, m.macs = old.Slot, old.live, old.epoch, old.silent, carryMACs(old, m)
	}
	f.placeGroups(m, old)
	f.placeLinks(m, old)
	return m, nil
}

func virtualAddresses(c sdk.FilterConfig, members map[string]*member) map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	collect := func(c sdk.FilterConfig) {
		for _, i := range c.Interfaces {
			for _, a := range i.Addresses {
				all[a.Unmap()] = true
			}
		}
	}
	collect(c)
	for _, m := range members {
		collect(m.Config)
	}
	return all
}

func (f *Filter) freeSlot() uint8 {
	used := map[uint8]bool{}
	for _, m := range f.members {
		used[m.Slot] = true
	}
	var n uint8
	for used[n] {
		n++
	}
	return n
}

// placeGroups gives each group a table slot; a group that stays keeps its own.
func (f *Filter) placeGroups(m, old *member) {
	used := map[uint16]bool{}
	for _, s := range f.slots() {
		used[s] = true
	}
	for _, g := range m.Config.Groups {
		if old != nil {
			if s, ok := old.Groups[g.Name]; ok {
				m.Groups[g.Name] = s
				continue
			}
		}
		var n uint16
		for used[n] {
			n++
		}
		// Slots of groups that go are not reused before they are gone, so
		// there may be none left though the count is within the limit.
		m.Groups[g.Name], used[n] = n, true
	}
}

// placeLinks gives each interface a place in the map links; one that stays keeps
// its own.
func (f *Filter) placeLinks(m, old *member) {
	used := map[uint16]bool{}
	for _, o := range f.members {
		for _, b := range o.Links {
			used[b.Slot] = true
		}
	}
	for n := range m.Links {
		b := &m.Links[n]
		if old != nil {
			if at := slices.IndexFunc(old.Links, func(o boundInterface) bool { return o.Index == b.Index }); at >= 0 {
				b.Slot = old.Links[at].Slot
				continue
			}
		}
		for used[b.Slot] {
			b.Slot++
		}
		used[b.Slot] = true
	}
}

// carryMACs keeps what is known of other nodes on interfaces that stay, or were
// made anew.
func carryMACs(old, next *member) map[uint8][]sdk.MAC {
	macs := map[uint8][]sdk.MAC{}
	for node, list := range old.macs {
		moved := make([]sdk.MAC, len(next.Links))
		for n, b := range next.Links {
			at := slices.IndexFunc(old.Links, func(o boundInterface) bool { return o.Index == b.Index || o.Name == b.Name })
			if at >= 0 && at < len(list) {
				moved[n] = list[at]
			}
		}
		macs[node] = moved
	}
	return macs
}

// change replaces a module by next, or takes everything back.
func (f *Filter) change(module string, next *member) (err error) {
	for _, slot := range next.Groups {
		if slot >= maxGroups {
			return fmt.Errorf("no table is free for its groups while the old ones are in use; remove the module first")
		}
	}
	for _, b := range next.Links {
		if b.Slot >= maxLinks {
			return fmt.Errorf("the modules of this node name %d interfaces together, at most %d are possible", b.Slot+1, maxLinks)
		}
	}
	old, had := f.members[module]
	if len(f.members) == 0 {
		if err := f.pinMaps(); err != nil {
			return errors.Join(err, f.unpinMaps())
		}
	}
	added, err := f.attachAll(next)
	if err == nil {
		if err = f.clearNew(next, old); err == nil {
			f.members[module] = next
			err = f.write(next)
		}
	}
	if err != nil {
		delete(f.members, module)
		if had {
			f.members[module] = old
			err = errors.Join(err, f.write(old))
		} else {
			err = errors.Join(err, f.forget(next))
		}
		for _, a := range added {
			delete(f.attached, a.index)
			err = errors.Join(err, f.detach(a))
		}
		if len(f.members) == 0 {
			err = errors.Join(err, f.unpinMaps())
		}
		return err
	}
	return f.detachUnused()
}

// attachAll attaches to the interfaces of m that are not attached yet and
// returns what it added; on error it has added nothing.
func (f *Filter) attachAll(m *member) ([]*attachment, error) {
	var added []*attachment
	for n := range m.Links {
		b := &m.Links[n]
		if a := f.attached[b.Index]; a != nil {
			if a.broken() == "" {
				if err := f.mend(a, f.seesAll(b.Index, m)); err != nil {
					f.log.Warn("mend the packet filter", "interface", b.Name, "reason", err)
				}
				a.name, a.mac, b.Notes = b.Name, b.MAC, a.notes
				continue
			}
			delete(f.attached, b.Index)
			if err := f.detach(a); err != nil {
				f.log.Warn("left-over packet filter", "interface", b.Name, "reason", err)
			}
		}
		a, err := f.attach(*b, f.seesAll(b.Index, m))
		if err != nil {
			for _, a := range added {
				delete(f.attached, a.index)
				err = errors.Join(err, f.detach(a))
			}
			return nil, err
		}
		f.attached[b.Index], b.Notes = a, a.notes
		added = append(added, a)
	}
	return added, nil
}

// clearNew empties the tables and counters of groups that m did not have, and for a
// new module the other counters, before anything refers to them.
func (f *Filter) clearNew(m, old *member) error {
	for name, slot := range m.Groups {
		if old != nil {
			if _, ok := old.Groups[name]; ok {
				continue
			}
		}
		for half := range uint32(2) {
			if err := f.objs.Tables.Put(uint32(slot)*2+half, &tableValue{}); err != nil {
				return fmt.Errorf("clear the table of group %s: %w", name, err)
			}
		}
		if err := f.clearCounters(placesOfGroup(name, slot)); err != nil {
			return err
		}
	}
	if old != nil {
		return nil
	}
	return f.clearCounters(placesOf(m))
}

// write puts m into the maps, what others refer to first.
func (f *Filter) write(m *member) error {
	if err := f.writeLinks(m, m.live&liveHalf); err != nil {
		return err
	}
	if err := f.writeModule(m); err != nil {
		return err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("save the configuration: %w", err)
	}
	if len(b) > maxSaved {
		return fmt.Errorf("the configuration is too long by %d bytes; use fewer addresses or rules", len(b)-maxSaved)
	}
	saved := savedValue{Len: uint32(len(b))}
	copy(saved.JSON[:], b)
	if err := f.objs.Configs.Put(uint32(m.Slot), &saved); err != nil {
		return fmt.Errorf("save the configuration: %w", err)
	}
	return f.writeIndex()
}

func (f *Filter) writeModule(m *member) error {
	v := moduleValue{Mixer: share.Key(m.Config.HashKey).Mixer(), Self: m.Config.Self, Live: m.live, Epoch: m.epoch, Silent: m.silent}
	if m.Config.Fence {
		v.Fence = 1
	}
	if m.Config.Hash == sdk.HashLowBits {
		v.LowBits = 1
	}
	return f.writeState(func(s *stateValue) { s.Module[m.Slot] = v })
}

// writeState changes the map states. The kernel copies all of it, but what stays
// the same is never seen otherwise, and what changes at once is one byte.
func (f *Filter) writeState(change func(*stateValue)) error {
	next := f.memory
	change(&next)
	if err := f.objs.States.Put(uint32(0), &next); err != nil {
		return fmt.Errorf("write the filter's state: %w", err)
	}
	f.memory = next
	return nil
}

// writeIndex puts the addresses and rules of all modules in force in one step.
func (f *Filter) writeIndex() error {
	x, err := buildIndex(plan(f.members))
	if err != nil {
		return err
	}
	half := f.memory.Index ^ 1
	if err := f.objs.Indexes.Put(half, x); err != nil {
		return fmt.Errorf("write the virtual addresses: %w", err)
	}
	return f.writeState(func(s *stateValue) { s.Index = half })
}

// Remove forgets a module; one that is not known is no error. The last module
// to go takes the filter off all interfaces and leaves nothing pinned.
func (f *Filter) Remove(ctx context.Context, module string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	m, ok := f.members[module]
	if !ok {
		return nil
	}
	delete(f.members, module)
	err := errors.Join(f.forget(m), f.detachUnused())
	if len(f.members) == 0 {
		err = errors.Join(err, f.unpinMaps())
		err = errors.Join(err, f.endLease())
	}
	if err != nil {
		return fmt.Errorf("remove module %s from the packet filter: %w", module, err)
	}
	f.log.Info("packet filter removed", "module", module)
	return nil
}

// forget takes a module that is no member any more out of the maps.
func (f *Filter) forget(m *member) error {
	err := f.writeIndex()
	if e := f.objs.Configs.Delete(uint32(m.Slot)); e != nil && !isMissing(e) {
		err = errors.Join(err, fmt.Errorf("delete the saved configuration: %w", e))
	}
	return errors.Join(err, f.writeState(func(s *stateValue) { s.Module[m.Slot] = moduleValue{} }))
}

func (f *Filter) detachUnused() error {
	used := map[int]bool{}
	for _, m := range f.members {
		for _, b := range m.Links {
			used[b.Index] = true
		}
	}
	var errs []error
	for _, index := range slices.Collect(maps.Keys(f.attached)) {
		switch a := f.attached[index]; {
		case !used[index]:
			errs = append(errs, f.detach(a))
			delete(f.attached, index)
		case a.links[linkHost] != nil && !f.seesAll(index, nil):
			errs = append(errs, f.detachKind(a, linkHost))
		}
	}
	return errors.Join(errs...)
}
