package ebpf

import (
	"net"
	"slices"
	"sync"

	bpf "github.com/cilium/ebpf"
)

// verdict is one form of the verdict, in the kernel from when it is first needed.
type verdict struct {
	mu      sync.Mutex // held while it is loaded, which Filter.mu need not be
	program *bpf.Program
	closed  bool
}

// get is the program; the first time load brings it into the kernel.
func (v *verdict) get(load func() (*bpf.Program, error)) (*bpf.Program, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, errClosed
	}
	if v.program == nil {
		p, err := load()
		if err != nil {
			return nil, notLoadable(err)
		}
		v.program = p
	}
	return v.program, nil
}

// loaded says that the kernel has it.
func (v *verdict) loaded() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.program != nil
}

// drop lets go of the program; after the last time it is not loaded again.
func (v *verdict) drop(last bool) (err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.program != nil {
		err = v.program.Close()
	}
	v.program, v.closed = nil, last
	return err
}

// Warm loads what the first Configure on this machine will most likely need, so that a
// take-over does not wait for the verifier: nothing if something was taken over from an
// earlier Filter, else the form of the verdict that suits the interfaces with an address.
// Other methods may be called meanwhile; what fails is told by Configure.
func (f *Filter) Warm() {
	for _, v := range f.verdicts {
		if v.loaded() {
			return
		}
	}
	for _, kind := range f.likely() {
		if _, err := f.program(kind); err != nil {
			f.log.Debug("load the packet filter in advance", "program", verdictPrograms[kind], "reason", err)
		}
	}
}

// likely are the kinds of link by which the interfaces of this machine are most likely
// attached to.
func (f *Filter) likely() (kinds []string) {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	f.mu.Lock()
	order := f.order
	f.mu.Unlock()
	for _, i := range all {
		if len(i.HardwareAddr) != 6 || !addressed(i) {
			continue
		}
		first := order
		if first == nil {
			sort, err := kindOf(i.Index)
			if err != nil {
				continue // it is gone
			}
			first = attachOrder(sort)
		}
		if kind := linkKind(first[0]); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// addressed says that an interface has an address that others can reach.
func addressed(i net.Interface) bool {
	addrs, err := i.Addrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, is := a.(*net.IPNet)
		return is && n.IP.IsGlobalUnicast()
	})
}

// linkKind is the kind of link that a way to attach makes.
func linkKind(how string) string {
	if how == howTCX {
		return linkIn
	}
	return linkXDP
}
