package ebpf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// pinnedMaps are the maps that outlive the process, by name in the object file.
var pinnedMaps = [...]string{
	filterMapStates, filterMapIndexes, filterMapTables, filterMapLinks,
	filterMapLease, filterMapCounters, filterMapConfigs, filterMapStrangers,
}

// objects are what every start loads: all but the verdict.
type objects struct {
	filterMaps
	CountDatagram *bpf.Program `ebpf:"count_datagram"`
	CountSockets  *bpf.Program `ebpf:"count_sockets"`
	FilterHost    *bpf.Program `ebpf:"filter_host"`
	FilterOut     *bpf.Program `ebpf:"filter_out"`
}

func (o *objects) Close() error {
	return errors.Join(o.CountDatagram.Close(), o.CountSockets.Close(), o.FilterHost.Close(), o.FilterOut.Close(), o.filterMaps.Close())
}

// verdictPrograms are the forms of the verdict, by kind of link.
var verdictPrograms = map[string]string{linkXDP: filterProgFilterXdp, linkIn: filterProgFilterIn}

// program is what runs on a kind of link. The verdict is loaded when it is first
// asked for, or by Warm: the kernel takes a tenth of a second or more to verify either
// form of it, and nearly every machine needs only one.
func (f *Filter) program(kind string) (*bpf.Program, error) {
	switch kind {
	case linkHost:
		return f.objs.FilterHost, nil
	case linkOut:
		return f.objs.FilterOut, nil
	}
	return f.verdicts[kind].get(func() (*bpf.Program, error) { return f.loadVerdict(verdictPrograms[kind]) })
}

// loadVerdict loads one program, on the maps that are there.
func (f *Filter) loadVerdict(name string) (*bpf.Program, error) {
	spec, err := loadFilter()
	if err != nil {
		return nil, err
	}
	spec.Programs = map[string]*bpf.ProgramSpec{name: spec.Programs[name]}
	c, err := bpf.NewCollectionWithOptions(spec, bpf.CollectionOptions{MapReplacements: f.maps()})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.DetachProgram(name), nil
}

func notLoadable(err error) error {
	return fmt.Errorf("load the packet filter: %w; root and Linux 5.18 or newer with BTF are needed", err)
}

// load brings maps and programs into the kernel, on pinned maps if there are any.
func (f *Filter) load() error {
	kept, err := f.pinned()
	if err == nil && kept != nil {
		err = f.loadWith(kept)
		for _, m := range kept {
			m.Close()
		}
		if err == nil {
			// Without a module they are what one that was killed while it set up the first
			// has left.
			if err = f.adopt(); err == nil && len(f.members) > 0 {
				return nil
			}
			f.drop()
		}
	}
	if err != nil {
		f.log.Warn("pinned packet filter cannot be taken over, starting afresh", "reason", err)
	}
	if f.pins != "" {
		if err := cleanLayouts(f.root); err != nil {
			return err
		}
	}
	return f.loadWith(nil)
}

// drop lets go of everything that loading made.
func (f *Filter) drop() {
	for _, a := range f.attached {
		for _, l := range a.links {
			l.Close()
		}
	}
	clear(f.attached)
	clear(f.members)
	f.memory = stateValue{}
	f.closeIters()
	for _, v := range f.verdicts {
		_ = v.drop(false)
	}
	f.objs.Close()
}

// pinned opens the pinned maps; nil if there are none.
func (f *Filter) pinned() (map[string]*bpf.Map, error) {
	if f.pins == "" {
		return nil, nil
	}
	found := map[string]*bpf.Map{}
	for _, name := range pinnedMaps {
		m, err := bpf.LoadPinnedMap(filepath.Join(f.pins, name), nil)
		if err == nil {
			found[name] = m
			continue
		}
		for _, m := range found {
			m.Close()
		}
		if errors.Is(err, fs.ErrNotExist) && len(found) == 0 {
			return nil, nil
		}
		return nil, fmt.Errorf("open the pinned map %s: %w", name, err)
	}
	return found, nil
}

func (f *Filter) loadWith(kept map[string]*bpf.Map) error {
	opts := &bpf.CollectionOptions{MapReplacements: kept}
	if err := loadFilterObjects(&f.objs, opts); err != nil {
		return notLoadable(err)
	}
	for _, p := range []*bpf.Program{f.objs.CountSockets, f.objs.CountDatagram} {
		i, err := link.AttachIter(link.IterOptions{Program: p})
		if err != nil {
			f.closeIters()
			f.objs.Close()
			return fmt.Errorf("load the counter of connections: %w", err)
		}
		f.iters = append(f.iters, i)
	}
	mem, err := f.objs.Lease.Memory()
	if err != nil {
		f.closeIters()
		f.objs.Close()
		return fmt.Errorf("map the lease into memory: %w", err)
	}
	f.lease = mem
	return nil
}

func (f *Filter) closeIters() {
	for _, i := range f.iters {
		i.Close()
	}
	f.iters = nil
}

// pinMaps pins what must outlive the process; called before the first module
// is set up, so that a filter without modules leaves nothing.
func (f *Filter) pinMaps() error {
	if f.pins == "" {
		return nil
	}
	if err := os.MkdirAll(f.pins, 0o700); err != nil {
		return fmt.Errorf("make the directory for pinned maps: %w", err)
	}
	all := f.maps()
	for _, name := range pinnedMaps {
		if err := all[name].Pin(filepath.Join(f.pins, name)); err != nil {
			return fmt.Errorf("pin the map %s: %w", name, err)
		}
	}
	return nil
}

func (f *Filter) unpinMaps() error {
	if f.pins == "" {
		return nil
	}
	var errs []error
	all := f.maps()
	for _, name := range pinnedMaps {
		if err := all[name].Unpin(); err != nil {
			errs = append(errs, fmt.Errorf("unpin the map %s: %w", name, err))
		}
	}
	return errors.Join(append(errs, cleanLayouts(f.root))...)
}

// maps are all maps, by name in the object file.
func (f *Filter) maps() map[string]*bpf.Map {
	o := &f.objs
	return map[string]*bpf.Map{
		filterMapStates: o.States, filterMapIndexes: o.Indexes, filterMapTables: o.Tables, filterMapLinks: o.Links,
		filterMapLease: o.Lease, filterMapCounters: o.Counters, filterMapConfigs: o.Configs,
		filterMapStrangers: o.Strangers, filterMapFragments: o.Fragments, filterMapProofs: o.Proofs, filterMapSockets: o.Sockets,
	}
}

// adopt reads back what the pinned maps say and replaces the programs on the
// pinned links by its own.
func (f *Filter) adopt() error {
	var (
		slot  uint32
		value savedValue
	)
	if err := f.objs.States.Lookup(uint32(0), &f.memory); err != nil {
		return fmt.Errorf("read the filter's state: %w", err)
	}
	entries := f.objs.Configs.Iterate()
	for entries.Next(&slot, &value) {
		m := &member{macs: map[uint8][]sdk.MAC{}}
		if err := json.Unmarshal(value.JSON[:min(value.Len, maxSaved)], m); err != nil {
			return fmt.Errorf("read the saved configuration in slot %d: %w", slot, err)
		}
		if uint32(m.Slot) != slot || len(m.Links) != len(m.Config.Interfaces) {
			return fmt.Errorf("saved configuration of module %s contradicts itself", m.Config.Module)
		}
		if slot >= maxModules {
			return fmt.Errorf("module %s has the slot %d of %d", m.Config.Module, slot, maxModules)
		}
		state := f.memory.Module[slot]
		m.live, m.epoch, m.silent = state.Live, state.Epoch, state.Silent
		f.members[m.Config.Module] = m
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("read the saved configurations: %w", err)
	}
	if err := f.adoptMACs(); err != nil {
		return err
	}
	for _, m := range f.members {
		for _, b := range m.Links {
			f.adoptLinks(b)
		}
	}
	return f.removeStrays()
}

// adoptMACs reads the nodes' addresses from the half in force.
func (f *Filter) adoptMACs() error {
	for _, m := range f.members {
		for n, b := range m.Links {
			var l linkValue
			if err := f.objs.Links.Lookup(uint32(b.Slot)*2+uint32(m.live&liveHalf), &l); err != nil {
				return fmt.Errorf("read the nodes' addresses on %s: %w", b.Name, err)
			}
			for node := uint8(1); node <= maxNode; node++ {
				if l.MAC[node] == 0 {
					continue
				}
				if m.macs[node] == nil {
					m.macs[node] = make([]sdk.MAC, len(m.Links))
				}
				m.macs[node][n] = macFrom(l.MAC[node])
			}
		}
	}
	return nil
}

// adoptLinks takes over the pinned links of an interface. What is missing or
// broken is left to the next Configure.
func (f *Filter) adoptLinks(b boundInterface) {
	if f.attached[b.Index] != nil {
		return
	}
	a := &attachment{name: b.Name, index: b.Index, mac: b.MAC, notes: b.Notes, links: map[string]link.Link{}}
	for _, kind := range []string{linkXDP, linkIn, linkHost, linkOut} {
		l, err := link.LoadPinnedLink(linkPin(f.pins, kind, b.Index), nil)
		if err != nil {
			continue
		}
		program, err := f.program(kind)
		if err == nil {
			err = l.Update(program)
		}
		if err != nil {
			f.log.Warn("packet filter on an interface cannot be taken over", "interface", b.Name, "reason", err)
			l.Close()
			continue
		}
		a.links[kind] = l
	}
	switch _, native, err := attachedXDP(b.Index); {
	case a.links[linkIn] != nil:
		a.how = howTCX
	case a.links[linkXDP] != nil && err == nil && native:
		a.how = howNative
	case a.links[linkXDP] != nil:
		a.how = howGeneric
	default:
		for _, l := range a.links {
			l.Close()
		}
		return
	}
	f.attached[b.Index] = a
}

// removeStrays unpins links that no module uses.
func (f *Filter) removeStrays() error {
	entries, err := os.ReadDir(f.pins)
	if err != nil {
		return fmt.Errorf("list pinned objects: %w", err)
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), "_") || f.uses(e.Name()) {
			continue
		}
		if err := removePin(filepath.Join(f.pins, e.Name())); err != nil {
			return fmt.Errorf("remove a pinned object that nobody uses: %w", err)
		}
	}
	return nil
}

func (f *Filter) uses(pin string) bool {
	for index, a := range f.attached {
		for kind := range a.links {
			if linkPin("", kind, index) == pin {
				return true
			}
		}
	}
	return false
}
