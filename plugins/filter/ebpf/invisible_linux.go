package ebpf

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// checkVirtualMACs says what is wrong with the virtual Ethernet addresses of an
// interface.
func checkVirtualMACs(module string, i sdk.FilterInterface) []error {
	if i.Directed {
		return nil
	}
	if len(i.MACs) != len(i.Addresses) {
		return []error{fmt.Errorf("module %s gives %d virtual MAC addresses for the %d virtual addresses on %s; each needs one in vmac_invisible", module, len(i.MACs), len(i.Addresses), i.Name)}
	}
	var errs []error
	for n, mac := range i.MACs {
		if mac == (sdk.MAC{}) || mac[0]&1 != 0 {
			errs = append(errs, fmt.Errorf("module %s gives %s the virtual MAC address %s, which is none or a group's; take one of a single station, as 5a:fe:…", module, i.Addresses[n], macText(mac)))
		}
	}
	return errs
}

// invisible says whether any address of the module is in invisible mode.
func (m *member) invisible() bool {
	for _, i := range m.Config.Interfaces {
		if !i.Directed {
			return true
		}
	}
	return false
}

// seesAll says whether an interface is to get frames for virtual Ethernet
// addresses, for a module that is known or the one that is about to be.
func (f *Filter) seesAll(index int, next *member) bool {
	sees := func(m *member) bool {
		for n, i := range m.Config.Interfaces {
			if !i.Directed && m.Links[n].Index == index {
				return true
			}
		}
		return false
	}
	for _, m := range f.members {
		if (next == nil || m.Config.Module != next.Config.Module) && sees(m) {
			return true
		}
	}
	return next != nil && sees(next)
}

// handRows are the rows of a group as the kernel gets them: with the part that
// this node has in the hand-over of each bucket, if the module is in invisible mode.
func (f *Filter) handRows(m *member, slot uint16, t sdk.FilterTable, rows []sdk.Row) (*tableValue, error) {
	var next tableValue
	for n, r := range rows {
		next[n] = uint32(r)
	}
	if !m.invisible() {
		return &next, nil
	}
	var before tableValue
	if err := f.objs.Tables.Lookup(uint32(slot)*2+uint32(m.live&liveHalf), &before); err != nil {
		return nil, fmt.Errorf("read the rows in force: %w", err)
	}
	self := share.Row(m.Config.Self).Owner()
	c := share.Change{Planned: t.Epoch != m.epoch, Moved: m.live&liveMoving != 0, Moving: t.Moving, Agreed: t.Agreed}
	for n, row := range next {
		next[n] = withHand(row, share.Handover(self, share.Row(before[n]&rowNodes), handOf(before[n]), share.Row(row), c))
	}
	return &next, nil
}

// bootTime is CLOCK_BOOTTIME in ns.
func bootTime() (uint64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	return uint64(ts.Nano()), nil
}

// strangerAge is for how long a stranger is shown after it was seen.
const strangerAge = 5 * time.Minute

// strangers lists who claimed a virtual address of this node lately.
func (f *Filter) strangers() ([]sdk.FilterStranger, error) {
	now, err := bootTime()
	if err != nil {
		return nil, err
	}
	var list []sdk.FilterStranger
	var (
		k strangerKey
		v strangerValue
	)
	entries := f.objs.Strangers.Iterate()
	for entries.Next(&k, &v) {
		if s, ok := f.stranger(k, v); ok && now-min(now, v.Seen) < uint64(strangerAge) {
			list = append(list, s)
		}
	}
	if err := entries.Err(); err != nil {
		return nil, fmt.Errorf("read who claims virtual addresses: %w", err)
	}
	slices.SortFunc(list, func(a, b sdk.FilterStranger) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Address.Compare(b.Address))
	})
	return list, nil
}

// stranger tells of an entry, if its address and interface still are the filter's.
func (f *Filter) stranger(k strangerKey, v strangerValue) (sdk.FilterStranger, bool) {
	a := f.attached[int(k.Ifindex)]
	s := sdk.FilterStranger{Address: netip.AddrFrom16(k.Address).Unmap(), MAC: macFrom(v.MAC), Seen: v.Seen}
	if a == nil {
		return s, false
	}
	s.Interface = a.name
	for _, m := range f.members {
		for n, i := range m.Config.Interfaces {
			if m.Links[n].Index == a.index && slices.ContainsFunc(i.Addresses, func(x netip.Addr) bool { return x.Unmap() == s.Address }) {
				return s, true
			}
		}
	}
	return s, false
}
