package ebpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

var _ sdk.Filter = (*Filter)(nil)

// errClosed is returned by every method after Close.
var errClosed = errors.New("the packet filter is closed; make a new one")

// Filter keeps a node's share of the connections in the kernel. Its methods may
// be called at the same time.
type Filter struct {
	walk     sync.Mutex // held while sockets are counted; before mu
	mu       sync.Mutex
	log      *slog.Logger
	root     string   // the directory that New was given
	pins     string   // where this layout pins, empty if nothing is pinned
	unpinned string   // why not
	order    []string // ways to attach, in which they are tried; nil: what suits the interface
	objs     objects
	verdicts map[string]*verdict // by kind of link
	iters    []*link.Iter        // over the kernel's TCP and UDP sockets
	lease    *bpf.Memory
	members  map[string]*member
	memory   stateValue // what the map states holds
	attached map[int]*attachment
	closed   bool
}

// New brings the filter's maps into the kernel. What an earlier Filter pinned under
// pinDir (a directory on a BPF file system, made if missing) is taken over as it
// is: its modules go on with the tables and the lease in force. Where nothing
// can be pinned the filter works without, and the notes of its attachments say
// so. Nothing is attached, nothing is pinned until Configure, which loads the
// programs that its interfaces need, unless Warm did.
func New(pinDir string, log *slog.Logger) (*Filter, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("lift the limit of locked memory: %w; the packet filter needs root", err)
	}
	f := &Filter{
		log: log, root: pinDir,
		members: map[string]*member{}, attached: map[int]*attachment{}, verdicts: map[string]*verdict{linkXDP: {}, linkIn: {}},
	}
	if err := preparePins(pinDir); err != nil {
		f.unpinned = err.Error()
		log.Warn("packet filter is not pinned, a restart interrupts traffic", "reason", err)
	} else {
		f.pins = filepath.Join(pinDir, layoutName(layoutVersion))
	}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// Close lets go of the kernel's objects. Pinned modules stay in force; without
// pins the filter ends here.
func (f *Filter) Close() error {
	f.walk.Lock()
	defer f.walk.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	var errs []error
	for _, a := range f.attached {
		for _, l := range a.links {
			errs = append(errs, l.Close())
		}
	}
	for _, i := range f.iters {
		errs = append(errs, i.Close())
	}
	for _, v := range f.verdicts {
		errs = append(errs, v.drop(true))
	}
	errs = append(errs, f.objs.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the packet filter: %w", err)
	}
	return nil
}

// Describe presents the filter.
func (f *Filter) Describe() sdk.Description {
	return describe()
}

// Renew lets the filter serve until deadline (CLOCK_BOOTTIME, ns); 0 ends it at
// once. It is one store into memory shared with the kernel, no system call.
func (f *Filter) Renew(deadline uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], deadline)
	if _, err := f.lease.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	return nil
}

// State shows how interfaces are filtered, the counters that are not zero, the
// lease, and who claimed a virtual address in the last five minutes.
func (f *Filter) State(ctx context.Context) (sdk.FilterState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return sdk.FilterState{}, errClosed
	}
	return f.state()
}

func (f *Filter) state() (sdk.FilterState, error) {
	s := sdk.FilterState{Modules: slices.Sorted(maps.Keys(f.members)), Counters: map[string]uint64{}}
	if f.pins != "" && len(f.members) > 0 {
		s.Lease = filepath.Join(f.pins, filterMapLease)
	}
	for _, i := range slices.Sorted(maps.Keys(f.attached)) {
		s.Attachments = append(s.Attachments, f.describe(f.attached[i]))
	}
	for _, name := range s.Modules {
		list, err := readCounts(f.objs.Counters, f.members[name])
		if err != nil {
			return s, err
		}
		s.Packets = append(s.Packets, list...)
		sums(s.Counters, name+"/", list)
	}
	var err error
	if s.Strangers, err = f.strangers(); err != nil {
		return s, err
	}
	var b [8]byte
	if _, err := f.lease.ReadAt(b[:], 0); err != nil {
		return s, fmt.Errorf("read the lease: %w", err)
	}
	s.LeaseUntil = binary.NativeEndian.Uint64(b[:])
	return s, nil
}

// Sockets counts this network namespace's connections to the module's
// addresses, by group and bucket. Listeners, connections in TIME_WAIT, and UDP
// sockets that are not connected to a client do not count. It walks the kernel's table of sockets, which costs about
// half a microsecond a socket, and holds up no packet, nor any other method but Close.
func (f *Filter) Sockets(ctx context.Context, module string) (map[string][]uint32, error) {
	f.walk.Lock()
	defer f.walk.Unlock()
	groups, slots, err := f.counted(module)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, slot := range slots {
		if err := f.objs.Sockets.Put(uint32(slot), &tableValue{}); err != nil {
			return nil, fmt.Errorf("clear the connection counts: %w", err)
		}
	}
	if err := f.walkSockets(); err != nil {
		return nil, fmt.Errorf("walk the kernel's sockets: %w", err)
	}
	counts := map[string][]uint32{}
	for name, slot := range groups {
		var t tableValue
		if err := f.objs.Sockets.Lookup(uint32(slot), &t); err != nil {
			return nil, fmt.Errorf("read the connection counts of group %s: %w", name, err)
		}
		counts[name] = t[:]
	}
	return counts, nil
}

// counted are the groups of a module, and all table slots in use.
func (f *Filter) counted(module string) (map[string]uint16, []uint16, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, errClosed
	}
	m, ok := f.members[module]
	if !ok {
		return nil, nil, fmt.Errorf("count the connections of module %s: the filter does not know it; configure it first", module)
	}
	return maps.Clone(m.Groups), f.slots(), nil
}

// slots are the table slots in use.
func (f *Filter) slots() []uint16 {
	var all []uint16
	for _, m := range f.members {
		all = slices.AppendSeq(all, maps.Values(m.Groups))
	}
	return all
}

func (f *Filter) walkSockets() error {
	for _, i := range f.iters {
		r, err := i.Open()
		if err != nil {
			return err
		}
		// The program prints nothing; reading is what makes it run.
		_, err = io.Copy(io.Discard, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// endLease stops serving; a later module starts without a lease.
func (f *Filter) endLease() error {
	_, err := f.lease.WriteAt(make([]byte, 8), 0)
	return err
}
