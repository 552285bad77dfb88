package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// state is what an interface is like, compared with what it is to be.
type state struct {
	off     string   // why nothing is reached there; empty if it is
	anew    bool     // must be set up anew
	putBack []string // what somebody took away, in words
}

// compare judges an interface that is to hold addresses. wanted is its name in
// the configuration; empty is any.
func compare(on vip.Interface, wanted string, l vip.Look) state {
	switch {
	case l.Gone:
		return state{off: fmt.Sprintf("interface %s is gone", on.Name), anew: true}
	case wanted != "" && l.Name != wanted:
		return state{off: fmt.Sprintf("interface %s is gone: it is called %s now", wanted, l.Name), anew: true}
	case l.MAC.String() != on.MAC.String():
		return state{off: fmt.Sprintf("the MAC address of interface %s changed", on.Name), anew: true}
	case l.Down:
		return state{off: fmt.Sprintf("interface %s is down", l.Name)}
	case l.Dark: // heartbeats may come by another network all the same
		return state{off: fmt.Sprintf("interface %s has no carrier", l.Name)}
	}
	s := state{anew: l.Name != on.Name}
	for _, a := range l.Missing {
		s.putBack = append(s.putBack, a.String())
	}
	s.putBack = append(s.putBack, l.Unset...)
	return s
}

// unfiltered says why an interface is not filtered any more, empty if it is.
func unfiltered(on vip.Interface, list []sdk.FilterAttachment) string {
	at := slices.IndexFunc(list, func(a sdk.FilterAttachment) bool { return a.Index == on.Index })
	switch {
	case at < 0:
		return "it is not there any more"
	case list[at].How == "":
		return list[at].Note
	}
	return ""
}

// look compares the network with what it is to be, and mends it.
func (n *network) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, networkTime)
	defer cancel()
	n.changing.Lock()
	defer n.changing.Unlock()
	if len(n.holds()) == 0 {
		return
	}
	anew := n.mend(ctx)
	if anew && n.setUpAnew(ctx) {
		n.mend(ctx)
	}
}

// mend puts back what is missing and says whether all must be set up anew.
func (n *network) mend(ctx context.Context) (anew bool) {
	var off []string
	attached, err := n.wire.attached(ctx)
	asked := err == nil
	for _, i := range byInterface(n.holds()) {
		l, err := n.wire.holder.Look(i.on, i.addrs())
		if err != nil {
			off = append(off, err.Error())
			continue
		}
		s := compare(i.on, i.held[0].wanted, l)
		if s.off == "" && !s.anew && len(s.putBack) > 0 {
			s.off = n.putBack(i, s.putBack)
		}
		if s.off == "" && !s.anew && asked {
			s.off = n.filterAgain(ctx, i.on, attached)
		}
		if s.off == "" && !s.anew {
			s.off = n.readdressed(ctx, i.on, l.Own)
		}
		n.tell(i.on.Name, s.off)
		anew = anew || s.anew
		if s.off != "" {
			off = append(off, s.off)
		}
	}
	n.comeFrom(n.holds())
	n.cutOff(strings.Join(off, "; "))
	return anew
}

// putBack sets the addresses of an interface again; it answers why that failed.
func (n *network) putBack(i heldOn, what []string) string {
	for _, h := range i.held {
		if err := n.wire.holder.Add(h.on, h.addr.Addr, h.invisible()); err != nil {
			return err.Error()
		}
	}
	if now := time.Now(); now.Sub(n.putAt) >= lookInterval { // somebody may go on and on
		n.putAt = now
		n.wire.note("warn", fmt.Sprintf("%s was not on %s any more and was put back.", strings.Join(what, ", "), i.on.Name))
	}
	return ""
}

// filterAgain filters an interface again if somebody took the filter off it; it
// answers why that failed.
func (n *network) filterAgain(ctx context.Context, on vip.Interface, list []sdk.FilterAttachment) string {
	why := unfiltered(on, list)
	if why == "" {
		return ""
	}
	if err := n.wire.configure(ctx, n.interfaces); err != nil {
		return fmt.Sprintf("interface %s is not filtered (%s): %v", on.Name, why, err)
	}
	n.wire.table()
	n.wire.note("warn", fmt.Sprintf("Interface %s was not filtered any more (%s) and is filtered again.", on.Name, why))
	return ""
}

// readdressed tells the filter when the interface's own addresses changed, one of
// which stands in for virtual ones that the kernel must not show; it answers why
// that failed.
func (n *network) readdressed(ctx context.Context, on vip.Interface, own []netip.Prefix) string {
	before, known := n.own[on.Index]
	if known && slices.Equal(before, own) {
		return ""
	}
	if known {
		if err := n.wire.configure(ctx, n.interfaces); err != nil {
			return fmt.Sprintf("the addresses of interface %s changed: %v", on.Name, err)
		}
	}
	n.own[on.Index] = own
	return ""
}

// setUpAnew sets the network up on the interfaces that are there now.
func (n *network) setUpAnew(ctx context.Context) bool {
	was := n.unreached()
	interfaces, held, err := n.place()
	if err == nil {
		err = n.lay(ctx, interfaces, held)
	}
	if err != nil {
		n.cutOff(joined(was, err.Error()))
		return false
	}
	for _, i := range byInterface(held) {
		n.wire.note("info", fmt.Sprintf("%s was set up anew on %s.", i.text(), i.on.Name))
	}
	n.settle(held)
	n.moved = true
	return true
}

// announceMoved announces the addresses after they were set up on another card. Who
// took this node's share has done so, too, but it may have been away for too short a
// time for that. Before it has a share again it would get frames that it cannot
// bring to anybody.
func (n *network) announceMoved() {
	if n.moved && n.wire.owns() {
		n.moved = false
		n.announceAll()
	}
}

// cutOff takes this node's share away while nothing reaches it, and gives it back.
func (n *network) cutOff(why string) {
	n.mu.Lock()
	was := n.off
	n.off = why
	n.mu.Unlock()
	switch {
	case (was == "") == (why == ""): // what else is known of the reason is for the status only
	case why != "":
		cause := n.wire.note("warn", fmt.Sprintf("%s takes no connections on this node: %s.", n.module, why))
		n.wire.share(share.Cut{Why: why}, cause)
	default:
		cause := n.wire.note("info", fmt.Sprintf("%s can take connections on this node again.", n.module))
		n.wire.share(share.Cut{}, cause)
	}
}

// tell publishes what an interface is like, if that is news.
func (n *network) tell(name, off string) {
	if said, ok := n.said[name]; ok && said == off {
		return
	}
	n.said[name] = off
	r := core.Resource{Name: "intf." + name, Value: core.ResUp}
	if off != "" {
		r.Value, r.Reason = core.ResDown, off
	}
	n.wire.resource(r)
}

// settle says of interfaces that hold nothing any more that they do not matter.
func (n *network) settle(held []heldAddress) {
	for name, off := range n.said {
		if slices.ContainsFunc(held, func(h heldAddress) bool { return h.on.Name == name }) {
			continue
		}
		if off != "" {
			n.wire.resource(core.Resource{Name: "intf." + name, Value: core.ResUnknown, Reason: "it holds no virtual address now"})
		}
		delete(n.said, name)
	}
}

// heldOn are the addresses held on one interface.
type heldOn struct {
	on   vip.Interface
	held []heldAddress
}

func (i heldOn) addrs() []netip.Addr {
	var list []netip.Addr
	for _, h := range i.held {
		list = append(list, h.addr.Addr)
	}
	return list
}

func (i heldOn) text() string {
	var list []string
	for _, a := range i.addrs() {
		list = append(list, a.String())
	}
	return strings.Join(list, ", ")
}

// byInterface sorts addresses by where they are held, in order.
func byInterface(held []heldAddress) []heldOn {
	var list []heldOn
	for _, h := range held {
		at := slices.IndexFunc(list, func(i heldOn) bool { return i.on.Index == h.on.Index })
		if at < 0 {
			list = append(list, heldOn{on: h.on})
			at = len(list) - 1
		}
		list[at].held = append(list[at].held, h)
	}
	return list
}

// joined puts texts that are not empty into one.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; ")
}
