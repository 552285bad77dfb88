package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/core/vip"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// network is a module's addresses and packet filter on this node: set up and
// removed when its state machine says so, and kept as they are to be meanwhile
// (look.go).
type network struct {
	module string
	conf   []config.Interface
	wire   wire
	wake   chan struct{}
	done   chan struct{}
	end    context.CancelFunc

	changing   sync.Mutex             // held while the network is changed or compared
	interfaces []sdk.FilterInterface  // as the filter was given them
	said       map[string]string      // interface → why nothing is reached there
	own        map[int][]netip.Prefix // by interface: its own addresses as the filter knows them
	putAt      time.Time              // when the journal last told that something was put back
	sourceless string                 // why connections of this node do not come from its virtual addresses as they should
	moved      bool                   // of the loop: set up on another card, which was not announced yet

	mu   sync.Mutex
	held []heldAddress // set up; empty if the network is down
	off  string        // why nothing reaches this node; empty if it is reached
}

// heldAddress is a virtual address and where it is.
type heldAddress struct {
	on     vip.Interface
	wanted string         // name of the interface in the configuration; empty is any
	addr   config.Address // with its virtual MAC in vmac_invisible
}

// invisible says that the address is reached by a virtual MAC.
func (h heldAddress) invisible() bool { return h.addr.MAC != share.MAC{} }

// target is how the address is announced.
func (h heldAddress) target() vip.Target {
	t := vip.Target{Index: h.on.Index, Addr: h.addr.Addr, MAC: h.on.MAC, Source: h.on.MAC}
	if h.invisible() {
		t.MAC = h.addr.MAC[:]
	}
	return t
}

// What is done without a reason, and how often.
const (
	lookInterval   = 10 * time.Second // compare what is there with what is to be there
	patrolInterval = 2 * time.Second  // hear what else is known of the addresses
)

func newNetwork(ctx context.Context, module string, conf []config.Interface, w wire) *network {
	n := &network{module: module, conf: conf, wire: w, wake: make(chan struct{}, 1), done: make(chan struct{}), said: map[string]string{}, own: map[int][]netip.Prefix{}}
	ctx, n.end = context.WithCancel(ctx)
	go n.run(ctx)
	return n
}

// run looks after the network when it is poked, and now and then.
func (n *network) run(ctx context.Context) {
	defer close(n.done)
	look, patrol := time.NewTicker(lookInterval), time.NewTicker(patrolInterval)
	defer look.Stop()
	defer patrol.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
			n.look(ctx)
		case <-look.C:
			n.look(ctx)
		case <-patrol.C:
			n.announceMoved()
			if held := n.reached(); len(held) > 0 {
				n.wire.patrol(ctx, held)
			}
		}
	}
}

// poke has the network looked after soon.
func (n *network) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *network) close() {
	n.end()
	<-n.done
}

// place finds where the module's addresses belong.
func (n *network) place() ([]sdk.FilterInterface, []heldAddress, error) {
	var list []sdk.FilterInterface
	var held []heldAddress
	for _, i := range n.conf {
		f := sdk.FilterInterface{Name: i.Name, Directed: i.Directed}
		for _, a := range i.Addresses {
			on, err := n.wire.find(a.Addr, i.Name)
			if err != nil {
				return nil, nil, err
			}
			if f.Name != "" && f.Name != on.Name {
				return nil, nil, fmt.Errorf("the virtual addresses of one interface belong on different ones here: %s on %s, others on %s; write an <interface> for each", a.Addr, on.Name, f.Name)
			}
			f.Name = on.Name
			f.Addresses = append(f.Addresses, a.Addr)
			if !i.Directed {
				f.MACs = append(f.MACs, sdk.MAC(a.MAC))
			}
			held = append(held, heldAddress{on, i.Name, a})
		}
		list = append(list, f)
	}
	return list, held, nil
}

// up sets the network up, if nobody else has the addresses.
func (n *network) up(ctx context.Context) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	interfaces, held, err := n.place()
	if err == nil {
		err = n.wire.prepare(ctx, held)
	}
	if err == nil {
		err = n.lay(ctx, interfaces, held)
	}
	if err != nil {
		return err
	}
	n.poke() // what happened meanwhile was not seen
	return nil
}

// lay attaches the filter with its gate closed, then sets the addresses: in this
// order the node never answers for an address by itself. What was held before
// and is not now goes.
func (n *network) lay(ctx context.Context, interfaces []sdk.FilterInterface, held []heldAddress) error {
	if err := n.wire.lay(held); err != nil {
		return err
	}
	if err := n.wire.configure(ctx, interfaces); err != nil {
		return fmt.Errorf("attach the packet filter: %w", err)
	}
	before := n.holds()
	for i, h := range held {
		if err := n.wire.holder.Add(h.on, h.addr.Addr, h.invisible()); err != nil {
			if len(before) == 0 {
				for _, done := range held[:i] {
					if err := n.wire.holder.Remove(done.on, done.addr.Addr); err != nil {
						n.wire.note("warn", fmt.Sprintf("%s is left on %s: %v.", done.addr.Addr, done.on.Name, err))
					}
				}
			}
			return err
		}
	}
	for _, old := range before {
		if slices.ContainsFunc(held, func(h heldAddress) bool { return h.on.Index == old.on.Index && h.addr.Addr == old.addr.Addr }) {
			continue
		}
		n.wire.cancel(old.on.Index, old.addr.Addr)
		if err := n.wire.holder.Remove(old.on, old.addr.Addr); err != nil {
			return err
		}
	}
	n.mu.Lock()
	n.held = held
	n.mu.Unlock()
	n.comeFrom(held)
	n.interfaces = interfaces
	clear(n.own) // the first look tells
	n.wire.share(share.Started{MACs: realMACs(interfaces, held)}, 0)
	return nil
}

// realMACs are where frames for this node are sent, by interface.
func realMACs(interfaces []sdk.FilterInterface, held []heldAddress) []share.MAC {
	var macs []share.MAC
	for _, i := range interfaces {
		at := slices.IndexFunc(held, func(h heldAddress) bool { return h.on.Name == i.Name })
		if at >= 0 && len(held[at].on.MAC) == len(share.MAC{}) {
			macs = append(macs, share.MAC(held[at].on.MAC))
		}
	}
	return macs
}

// down removes the network: the addresses first, so that the kernel never answers
// for one without the filter.
func (n *network) down(ctx context.Context) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.wire.halt()
	n.mu.Lock()
	held := n.held
	n.held, n.off = nil, ""
	n.mu.Unlock()
	n.settle(nil)
	first := n.wire.source(nil)
	for _, h := range held {
		n.wire.cancel(h.on.Index, h.addr.Addr)
		if err := n.wire.holder.Remove(h.on, h.addr.Addr); err != nil && first == nil {
			first = err
		}
	}
	if err := n.wire.unfilter(ctx); err != nil && first == nil {
		first = fmt.Errorf("detach the packet filter: %w", err)
	}
	if first == nil {
		first = n.wire.unlay()
	}
	return first
}

// refilter gives a filter that knows nothing what it has to know.
func (n *network) refilter(ctx context.Context) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	if len(n.holds()) == 0 {
		return nil
	}
	err := n.wire.configure(ctx, n.interfaces)
	if err == nil {
		n.wire.table()
	}
	return err
}

// announceAll tells the network that the addresses are reached here.
func (n *network) announceAll() {
	n.wire.announce(targets(n.reached())...)
}

// hush ends that.
func (n *network) hush() {
	for _, h := range n.holds() {
		n.wire.cancel(h.on.Index, h.addr.Addr)
	}
}

// holds are the addresses that are set up.
func (n *network) holds() []heldAddress {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held
}

// reached are the addresses that are set up, if they can be reached.
func (n *network) reached() []heldAddress {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.off != "" {
		return nil
	}
	return n.held
}

// unreached says why nothing reaches this node; empty if it is reached.
func (n *network) unreached() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.off
}
