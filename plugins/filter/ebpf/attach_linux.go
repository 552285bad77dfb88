package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// The ways to attach, as FilterAttachment.How names them.
const (
	howNative  = "xdp-native"
	howTCX     = "tcx"
	howGeneric = "xdp-generic"
)

// attachOrder is best first, for a kind of interface. Generic XDP comes last: it sends
// merged packets (GRO) without splitting them again, which tcx does right at the same price.
//
// A veth, as containers have it, runs XDP, but what that sends back is lost unless the other
// end expects it, and has a checksum that nobody computed if the kernel made the frame
// itself. It gets tcx, which is not slower there: see BenchmarkRoundTrip.
func attachOrder(kind string) []string {
	if kind == "veth" {
		return []string{howTCX, howNative, howGeneric}
	}
	return []string{howNative, howTCX, howGeneric}
}

// Prefer names a way to attach that is to be tried before the others: xdp-native, tcx or
// xdp-generic. It is for drivers that run XDP badly, and for tests. What is attached
// already stays as it is.
func (f *Filter) Prefer(how string) error {
	ways := attachOrder("")
	i := slices.Index(ways, how)
	if i < 0 {
		return fmt.Errorf("attach the packet filter by %q: that is no way to do it; there are %s", how, strings.Join(ways, ", "))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = slices.Insert(slices.Delete(ways, i, i+1), 0, how)
	return nil
}

// attachment is an interface that runs the filter.
type attachment struct {
	name  string
	index int
	mac   sdk.MAC
	how   string
	notes []string
	links map[string]link.Link // by kind: xdp, in, host, out
}

const (
	linkXDP  = "xdp"
	linkIn   = "in"
	linkHost = "host"
	linkOut  = "out"
)

func linkPin(dir, kind string, ifindex int) string {
	return filepath.Join(dir, fmt.Sprintf("%s_%d", kind, ifindex))
}

// attach puts the filter on an interface, by the first way that works. Beside
// somebody else's XDP program, of which there can be only one, that is tcx: it
// gets what the other lets pass. host says that frames to virtual Ethernet
// addresses come in here.
func (f *Filter) attach(b boundInterface, host bool) (*attachment, error) {
	foreign, err := foreignXDP(b.Index)
	if err != nil {
		return nil, err
	}
	a := &attachment{name: b.Name, index: b.Index, mac: b.MAC, links: map[string]link.Link{}}
	order := f.order
	if order == nil {
		kind, err := kindOf(b.Index)
		if err != nil {
			return nil, err
		}
		order = attachOrder(kind)
	}
	var errs []error
	for _, how := range order {
		kind, l, err := "", link.Link(nil), error(nil)
		if foreign != "" && how != howTCX {
			err = fmt.Errorf("the interface runs %s, which goes on and gets the frames first", foreign)
		} else {
			kind, l, err = f.attachBy(how, b.Index)
		}
		if err == nil {
			a.how, a.links[kind] = how, l
			break
		}
		errs = append(errs, fmt.Errorf("%s: %w", how, err))
		a.notes = append(a.notes, fmt.Sprintf("%s: %v", how, err))
	}
	if a.how == "" {
		return nil, notAttachable(b.Name, foreign, errors.Join(errs...))
	}
	if a.how == howGeneric {
		a.notes = append(a.notes, "switch GRO off with: ethtool -K "+b.Name+" gro off")
	}
	f.attachOut(a)
	if host {
		f.attachHost(a)
	}
	if err := f.pinLinks(a); err != nil {
		return nil, errors.Join(err, f.detach(a))
	}
	return a, nil
}

func notAttachable(name, foreign string, err error) error {
	if foreign != "" {
		return fmt.Errorf("attach the filter to interface %s: it runs %s, and nothing works beside that here: %w; stop what uses the other program, or take it off with: ip link set dev %s xdp off", name, foreign, err, name)
	}
	return fmt.Errorf("attach the filter to interface %s: %w; an Ethernet interface and Linux 5.18 or newer are needed", name, err)
}

// note adds a note, once.
func (a *attachment) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.notes, text) {
		a.notes = append(a.notes, text)
	}
}

// attachOut puts the egress program on the interface; the filter works without,
// and a note says what then is to be set by hand.
func (f *Filter) attachOut(a *attachment) {
	out, err := link.AttachTCX(link.TCXOptions{Interface: a.index, Program: f.objs.FilterOut, Attach: bpf.AttachTCXEgress})
	if err != nil {
		a.note("what the kernel asks its neighbours in the name of a virtual address is not mended (%v); set net.ipv4.conf.%s.arp_announce=2", err, a.name)
		return
	}
	a.links[linkOut] = out
}

// attachHost puts the program on the interface that makes the kernel take what XDP
// has accepted for a virtual Ethernet address. Real network cards do not need it;
// a veth, which decides whose a frame is before it runs XDP, does.
func (f *Filter) attachHost(a *attachment) {
	if a.links[linkXDP] == nil {
		return // the filter itself does it
	}
	host, err := link.AttachTCX(link.TCXOptions{Interface: a.index, Program: f.objs.FilterHost, Attach: bpf.AttachTCXIngress, Anchor: link.Head()})
	if err != nil {
		a.note("frames to a virtual MAC address may get lost on a veth (%v)", err)
		return
	}
	a.links[linkHost] = host
}

func (f *Filter) attachBy(how string, ifindex int) (kind string, l link.Link, err error) {
	kind = linkKind(how)
	p, err := f.program(kind)
	if err != nil {
		return kind, nil, err
	}
	switch how {
	case howNative:
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: link.XDPDriverMode})
	case howGeneric:
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: link.XDPGenericMode})
	default:
		l, err = link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: p, Attach: bpf.AttachTCXIngress, Anchor: link.Head()})
	}
	return kind, l, err
}

func (f *Filter) pinLinks(a *attachment) error {
	for kind := range a.links {
		if err := f.pinLink(a, kind); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter) pinLink(a *attachment, kind string) error {
	if f.pins == "" {
		return nil
	}
	path := linkPin(f.pins, kind, a.index)
	if err := removePin(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a left-over pin for interface %s: %w", a.name, err)
	}
	if err := a.links[kind].Pin(path); err != nil {
		return fmt.Errorf("pin the filter of interface %s: %w", a.name, err)
	}
	return nil
}

// detach takes the filter off an interface, whoever else still holds the link.
func (f *Filter) detach(a *attachment) error {
	var errs []error
	for _, l := range a.links {
		// A link that was never pinned has nothing to unpin; one whose
		// interface went away is detached already.
		if err := l.Unpin(); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("unpin the filter of interface %s: %w", a.name, err))
		}
		if err := l.Detach(); err != nil && bound(l) != 0 {
			errs = append(errs, fmt.Errorf("take the filter off interface %s: %w", a.name, err))
		}
		if err := l.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the filter of interface %s: %w", a.name, err))
		}
	}
	return errors.Join(errs...)
}

// bound is the interface that a link is on, 0 if it went away.
func bound(l link.Link) int {
	info, err := l.Info()
	if err != nil {
		return 0
	}
	if x := info.XDP(); x != nil {
		return int(x.Ifindex)
	}
	if t := info.TCX(); t != nil {
		return int(t.Ifindex)
	}
	return 0
}

// broken says why the filter is not where it was put any more, empty if it is.
func (a *attachment) broken() string {
	for kind, l := range a.links {
		if (kind == linkXDP || kind == linkIn) && bound(l) == a.index {
			return ""
		}
	}
	now, err := net.InterfaceByName(a.name)
	switch {
	case err != nil:
		return fmt.Sprintf("interface %s is gone", a.name)
	case now.Index != a.index:
		return fmt.Sprintf("interface %s was made anew and is not filtered yet", a.name)
	}
	return fmt.Sprintf("somebody took the filter off interface %s; nothing is shared there", a.name)
}

// mend puts back what is missing beside the filter itself, which is not touched: a
// moment without it would let the kernel answer for others.
func (f *Filter) mend(a *attachment, host bool) error {
	var errs []error
	for _, kind := range []string{linkOut, linkHost} {
		if l := a.links[kind]; l != nil && bound(l) != a.index {
			errs = append(errs, f.detachKind(a, kind))
		}
	}
	before := maps.Clone(a.links)
	if a.links[linkOut] == nil {
		f.attachOut(a)
	}
	if host && a.links[linkHost] == nil {
		f.attachHost(a)
	}
	for kind := range a.links {
		if before[kind] == nil {
			errs = append(errs, f.pinLink(a, kind))
		}
	}
	return errors.Join(errs...)
}

// detachKind takes one program off.
func (f *Filter) detachKind(a *attachment, kind string) error {
	l := a.links[kind]
	delete(a.links, kind)
	return f.detach(&attachment{name: a.name, index: a.index, links: map[string]link.Link{kind: l}})
}

// foreignXDP names the XDP program that an interface runs, empty if it runs none.
// It must not be asked for an interface with the filter's own.
func foreignXDP(ifindex int) (string, error) {
	id, _, err := attachedXDP(ifindex)
	if err != nil || id == 0 {
		return "", err
	}
	name := "unknown name"
	if p, err := bpf.NewProgramFromID(bpf.ProgramID(id)); err == nil {
		if info, err := p.Info(); err == nil && info.Name != "" {
			name = info.Name
		}
		p.Close()
	}
	return fmt.Sprintf("another XDP program, id %d (%s)", id, name), nil
}

func (f *Filter) describe(a *attachment) sdk.FilterAttachment {
	if why := a.broken(); why != "" {
		return sdk.FilterAttachment{Interface: a.name, Index: a.index, MAC: a.mac, Note: why}
	}
	notes := a.notes
	if f.unpinned != "" {
		notes = append(notes[:len(notes):len(notes)], "not pinned, a restart interrupts traffic: "+f.unpinned)
	}
	return sdk.FilterAttachment{Interface: a.name, Index: a.index, MAC: a.mac, How: a.how, Note: strings.Join(notes, "; ")}
}
