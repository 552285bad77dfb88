package ebpf

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Read looks at what the filter that pins under pinDir has in the kernel, and
// changes nothing. It wraps ErrNothing if that is nothing, and fails if it is of
// another version of the program.
func Read(pinDir string) (*Snapshot, error) {
	r := reader{dir: filepath.Join(pinDir, layoutName(layoutVersion)), s: &Snapshot{
		Layout: layoutVersion, Attachments: []PinnedAttachment{}, Modules: []PinnedModule{}, Addresses: []PinnedAddress{}, MACs: []PinnedMAC{},
		Strangers: []PinnedStranger{},
	}}
	if _, err := os.Stat(r.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, notRead(pinDir)
	} else if err != nil {
		return nil, fmt.Errorf("look for the packet filter: %w; root is needed", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return nil, fmt.Errorf("read the clock: %w", err)
	}
	r.s.Now = uint64(now.Nano())
	for _, step := range []func() error{r.members, r.lease, r.links, r.modules, r.index, r.macs, r.strangers} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("read the packet filter in %s: %w", r.dir, err)
		}
	}
	return r.s, nil
}

func notRead(pinDir string) error {
	others, err := filepath.Glob(filepath.Join(pinDir, "layout*"))
	if err != nil || len(others) == 0 {
		return ErrNothing
	}
	return fmt.Errorf("the packet filter in the kernel was made by another version of this program (%s, this one makes %s); restart the daemon, or remove it with: orchestrator filter clean",
		filepath.Base(others[0]), layoutName(layoutVersion))
}

// reader collects a snapshot.
type reader struct {
	dir    string
	s      *Snapshot
	state  stateValue
	known  []member
	bySlot map[uint8]string
	groups map[uint16]string
}

// each visits the entries of a pinned map.
func each[K, V any](r *reader, name string, visit func(K, V)) error {
	m, err := bpf.LoadPinnedMap(filepath.Join(r.dir, name), &bpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("open the map %s: %w", name, err)
	}
	defer m.Close()
	var (
		k K
		v V
	)
	entries := m.Iterate()
	for entries.Next(&k, &v) {
		visit(k, v)
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("read the map %s: %w", name, err)
	}
	return nil
}

func (r *reader) members() error {
	r.bySlot, r.groups = map[uint8]string{}, map[uint16]string{}
	var broken error
	err := each(r, filterMapConfigs, func(slot uint32, v savedValue) {
		var m member
		if err := json.Unmarshal(v.JSON[:min(v.Len, maxSaved)], &m); err != nil {
			broken = fmt.Errorf("read the saved configuration in slot %d: %w", slot, err)
			return
		}
		r.known = append(r.known, m)
		r.bySlot[m.Slot] = m.Config.Module
		for name, at := range m.Groups {
			r.groups[at] = name
		}
	})
	slices.SortFunc(r.known, func(a, b member) int { return cmp.Compare(a.Config.Module, b.Config.Module) })
	return cmp.Or(err, broken)
}

func (r *reader) lease() error {
	return each(r, filterMapLease, func(_ uint32, until uint64) { r.s.Lease = until })
}

func (r *reader) links() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	byIndex := map[int]*PinnedAttachment{}
	for _, e := range entries {
		var index int
		kind, number, ok := strings.Cut(e.Name(), "_")
		if _, err := fmt.Sscan(number, &index); !ok || err != nil {
			continue // a map
		}
		if byIndex[index] == nil {
			byIndex[index] = &PinnedAttachment{Index: index, Programs: []string{}, Note: r.note(index)}
		}
		l, err := link.LoadPinnedLink(filepath.Join(r.dir, e.Name()), nil)
		if err != nil {
			return fmt.Errorf("open the link %s: %w", e.Name(), err)
		}
		if bound(l) == index {
			byIndex[index].Programs = append(byIndex[index].Programs, programName(kind, index))
		}
		l.Close()
	}
	for _, a := range byIndex {
		if i, err := net.InterfaceByIndex(a.Index); err == nil && len(a.Programs) > 0 {
			a.Interface = i.Name
		}
		slices.Sort(a.Programs)
		r.s.Attachments = append(r.s.Attachments, *a)
	}
	slices.SortFunc(r.s.Attachments, func(a, b PinnedAttachment) int { return cmp.Compare(a.Index, b.Index) })
	return nil
}

// note is what was written down when the interface was attached.
func (r *reader) note(index int) string {
	for _, m := range r.known {
		for _, b := range m.Links {
			if b.Index == index {
				return strings.Join(b.Notes, "; ")
			}
		}
	}
	return ""
}

// programName tells a program of an interface by the kind of its link.
func programName(kind string, index int) string {
	if kind != linkXDP {
		return "tcx-" + kind
	}
	if _, native, err := attachedXDP(index); err == nil && native {
		return howNative
	}
	return howGeneric
}

func (r *reader) modules() error {
	if err := each(r, filterMapStates, func(_ uint32, v stateValue) { r.state = v }); err != nil {
		return err
	}
	tables := map[uint32]tableValue{}
	if err := each(r, filterMapTables, func(at uint32, v tableValue) { tables[at] = v }); err != nil {
		return err
	}
	counters, err := bpf.LoadPinnedMap(filepath.Join(r.dir, filterMapCounters), &bpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("open the map %s: %w", filterMapCounters, err)
	}
	defer counters.Close()
	for _, m := range r.known {
		state := r.state.Module[m.Slot]
		p := PinnedModule{
			Name: m.Config.Module, Self: state.Self, Fence: state.Fence != 0,
			Accept: state.Live&liveAccept != 0, Agreed: state.Live&liveAgreed != 0, Epoch: state.Epoch,
			Counters: map[string]uint64{}, Packets: []CountedPackets{},
		}
		for _, g := range m.Config.Groups {
			slot := m.Groups[g.Name]
			table := tables[uint32(slot)*2+uint32(state.Live&liveHalf)]
			p.Groups = append(p.Groups, PinnedGroup{Name: g.Name, Slot: slot, Rows: alike(table[:])})
		}
		list, err := readCounts(counters, &m)
		if err != nil {
			return err
		}
		sums(p.Counters, "", list)
		for _, c := range list {
			p.Packets = append(p.Packets, CountedPackets{c.Group, c.Class, c.Reason, c.Packets})
		}
		r.s.Modules = append(r.s.Modules, p)
	}
	return nil
}

// index reads the addresses, and the rules for single ports.
func (r *reader) index() error {
	var x indexValue
	if err := each(r, filterMapIndexes, func(half uint32, v indexValue) {
		if half == r.state.Index {
			x = v
		}
	}); err != nil {
		return err
	}
	for _, v := range x.Vip {
		if v.Address == (address{}) {
			continue
		}
		a := PinnedAddress{
			Address: netip.AddrFrom16(v.Address).Unmap(), Interface: int(v.Ifindex),
			Module: r.bySlot[v.Module], MAC: macText(v.MAC), Rules: []PinnedRule{},
		}
		if v.VMAC != ([6]byte{}) {
			a.Virtual = macText(v.VMAC)
		}
		for _, rule := range x.Rule {
			if rule.Key != 0 && rule.Key>>17 == uint32(v.Ports) {
				a.Rules = append(a.Rules, r.rule(map[uint32]string{0: "tcp", 1: "udp"}[rule.Key>>16&1], uint16(rule.Key), rule.Share))
			}
		}
		for protocol, s := range map[string]shareValue{"tcp": v.TCP, "udp": v.UDP, "arp": v.ARP} {
			if s.Set != 0 {
				a.Rules = append(a.Rules, r.rule(protocol, 0, s))
			}
		}
		slices.SortFunc(a.Rules, func(a, b PinnedRule) int {
			return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
		})
		r.s.Addresses = append(r.s.Addresses, a)
	}
	slices.SortFunc(r.s.Addresses, func(a, b PinnedAddress) int { return a.Address.Compare(b.Address) })
	return nil
}

func (r *reader) rule(protocol string, port uint16, s shareValue) PinnedRule {
	hash := map[uint8]sdk.HashMode{byAddress: sdk.HashAddress, byPort: sdk.HashPort, byIPID: sdk.HashIPID}[s.By]
	return PinnedRule{Protocol: protocol, Port: port, Group: r.groups[s.Group], Hash: hash}
}

func (r *reader) macs() error {
	links := map[uint32]linkValue{}
	if err := each(r, filterMapLinks, func(at uint32, v linkValue) { links[at] = v }); err != nil {
		return err
	}
	for _, m := range r.known {
		for _, b := range m.Links {
			l := links[uint32(b.Slot)*2+uint32(r.state.Module[m.Slot].Live&liveHalf)]
			for node := range maxNode + 1 {
				if l.MAC[node] != 0 {
					r.s.MACs = append(r.s.MACs, PinnedMAC{
						Interface: b.Index, Module: m.Config.Module, Node: node, MAC: macText(macFrom(l.MAC[node])),
					})
				}
			}
		}
	}
	return nil
}

func (r *reader) strangers() error {
	err := each(r, filterMapStrangers, func(k strangerKey, v strangerValue) {
		r.s.Strangers = append(r.s.Strangers, PinnedStranger{
			Address: netip.AddrFrom16(k.Address).Unmap(), Interface: int(k.Ifindex), MAC: macText(macFrom(v.MAC)), Seen: v.Seen,
		})
	})
	slices.SortFunc(r.s.Strangers, func(a, b PinnedStranger) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Interface, b.Interface))
	})
	return err
}

// alike puts a table into ranges.
func alike(rows []uint32) []RowsAlike {
	var all []RowsAlike
	for n, r := range rows {
		if n > 0 && r == rows[n-1] {
			all[len(all)-1].Last = n
			continue
		}
		pure := share.Row(r & rowNodes)
		row := RowsAlike{First: n, Last: n, Owner: int(pure.Owner()), Row: pure.String()}
		if h := handOf(r); h != share.Steady {
			row.Hand = [...]string{share.Expects: "expects", share.Gives: "gives", share.Takes: "takes"}[h]
		}
		for _, p := range pure.Previous() {
			row.Previous = append(row.Previous, int(p))
		}
		all = append(all, row)
	}
	return all
}
