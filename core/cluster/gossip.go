package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/orchestrator-ha/orchestrator/core"
)

// How memberlist is set. It is the directory and the courier, not the clock of
// take-over, so it need not be fast; it must not be fooled by a busy machine.
const (
	probeInterval   = 500 * time.Millisecond
	probeTimeout    = 250 * time.Millisecond
	suspicionMult   = 4
	gossipInterval  = 100 * time.Millisecond
	stateInterval   = 30 * time.Second // push/pull with one other node
	streamTimeout   = 5 * time.Second  // one message or state exchange over TCP
	reclaimTime     = time.Second      // a dead node may come back with another address
	announceTimeout = time.Second
	leaveTimeout    = 2 * time.Second
)

// gossip is the carrier over memberlist.
type gossip struct {
	c     *Cluster
	list  *memberlist.Memberlist
	ready chan struct{} // closed when list is set

	ending sync.Mutex // memberlist panics at a Leave after Shutdown
	closed bool
}

// New starts this node's part of the cluster. It fails if the address cannot be
// listened on; it does not wait for other nodes, which are contacted for ever
// in the background.
func New(o Options) (*Cluster, error) {
	if len(o.Key) != keySize {
		return nil, fmt.Errorf("join the cluster: the gossip key has %d bytes, not %d", len(o.Key), keySize)
	}
	o.Bind = o.bind()
	if !o.Advertise.IsValid() {
		o.Advertise = o.Bind.Addr()
	}
	if o.Advertise.IsUnspecified() {
		return nil, errors.New("join the cluster: say which address of this node others are to use (Advertise)")
	}
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	g := &gossip{c: c, ready: make(chan struct{})}
	c.carrier = g
	if err := g.start(o); err != nil {
		c.cancel()
		c.wg.Wait()
		return nil, fmt.Errorf("join the cluster: listen on %s, TCP and UDP: %w", o.Bind, err)
	}
	c.spawn(func() { g.rejoin(c.ctx) })
	return c, nil
}

// bind fills in where to listen: on all addresses, of both families if IPv6 is
// in use.
func (o Options) bind() netip.AddrPort {
	if o.Bind.Addr().IsValid() {
		return o.Bind
	}
	all := netip.IPv4Unspecified()
	if o.Advertise.Is6() && !o.Advertise.Is4In6() {
		all = netip.IPv6Unspecified()
	}
	for _, p := range o.Peers {
		for _, a := range p.Addresses {
			if a.Addr().Is6() && !a.Addr().Is4In6() {
				all = netip.IPv6Unspecified()
			}
		}
	}
	return netip.AddrPortFrom(all, o.Bind.Port())
}

func (g *gossip) start(o Options) error {
	logger := slog.NewLogLogger(g.c.log.Handler(), slog.LevelDebug)
	sockets, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{o.Bind.Addr().String()},
		BindPort:  int(o.Bind.Port()),
		Logger:    logger,
	})
	if err != nil {
		return err
	}
	self := netip.AddrPortFrom(o.Advertise.Unmap(), uint16(sockets.GetAutoBindPort()))
	g.c.mu.Lock()
	g.c.self.Addresses = []netip.AddrPort{self}
	g.c.mu.Unlock()

	conf := memberlist.DefaultLANConfig()
	conf.Name = listName(o.Self, o.Name)
	conf.Transport = newPaths(g.c, sockets)
	conf.Label = o.Cluster
	conf.SecretKey = o.Key
	conf.BindPort = int(self.Port())
	conf.AdvertiseAddr, conf.AdvertisePort = self.Addr().String(), int(self.Port())
	conf.Logger = logger
	conf.Delegate, conf.Events, conf.Alive, conf.Ping = g, g, g, g
	conf.GossipVerifyIncoming, conf.GossipVerifyOutgoing = true, true
	conf.EnableCompression = false // archives are compressed already
	conf.ProbeInterval, conf.ProbeTimeout = probeInterval, probeTimeout
	conf.SuspicionMult = suspicionMult
	conf.GossipInterval = gossipInterval
	conf.PushPullInterval = stateInterval
	conf.TCPTimeout = streamTimeout
	conf.DeadNodeReclaimTime = reclaimTime

	list, err := memberlist.Create(conf)
	if err != nil {
		return errors.Join(err, sockets.Shutdown())
	}
	g.list = list
	close(g.ready)
	return nil
}

// listName is a node's name in memberlist: its number leads.
func listName(n core.NodeID, name string) string { return strconv.Itoa(int(n)) + "-" + name }

func numberOf(listName string) (core.NodeID, error) {
	text, _, _ := strings.Cut(listName, "-")
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || n == 0 || n > core.MaxNodes {
		return 0, fmt.Errorf("%q is no name of a node", listName)
	}
	return core.NodeID(n), nil
}

func (g *gossip) send(to Peer, frame []byte, fast bool) error {
	<-g.ready
	if len(to.Addresses) == 0 {
		return errors.New("the node has no address")
	}
	a := memberlist.Address{Addr: to.Addresses[0].String(), Name: listName(to.Number, to.Name)}
	if fast {
		return g.list.SendToAddress(a, frame)
	}
	first := to.Addresses[0]
	return g.list.SendReliable(&memberlist.Node{
		Name: a.Name, Addr: first.Addr().Unmap().AsSlice(), Port: first.Port(),
	}, frame)
}

func (g *gossip) announce() error {
	if err := g.list.UpdateNode(announceTimeout); err != nil {
		return fmt.Errorf("tell the cluster of a change: %w", err)
	}
	return nil
}

func (g *gossip) leave(ctx context.Context) error {
	wait := leaveTimeout
	if end, ok := ctx.Deadline(); ok {
		wait = max(time.Millisecond, min(wait, time.Until(end)))
	}
	g.ending.Lock()
	defer g.ending.Unlock()
	if g.closed {
		return ErrClosed
	}
	return g.list.Leave(wait)
}

func (g *gossip) close() error {
	g.ending.Lock()
	defer g.ending.Unlock()
	g.closed = true
	return g.list.Shutdown()
}

// The rest are memberlist's callbacks. Some come while it holds its lock, so
// they note or queue and return, and never call it.

// NodeMeta is part of memberlist.Delegate.
func (g *gossip) NodeMeta(int) []byte { return g.c.metaBytes() }

// NotifyMsg is part of memberlist.Delegate.
func (g *gossip) NotifyMsg(b []byte) { g.c.receive(b) }

// GetBroadcasts is part of memberlist.Delegate.
func (g *gossip) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState is part of memberlist.Delegate.
func (g *gossip) LocalState(bool) []byte { return g.c.stateBytes() }

// MergeRemoteState is part of memberlist.Delegate.
func (g *gossip) MergeRemoteState(b []byte, _ bool) { g.c.remoteState(b) }

// NotifyAlive is part of memberlist.AliveDelegate.
func (g *gossip) NotifyAlive(n *memberlist.Node) error {
	_, err := numberOf(n.Name)
	return err
}

// NotifyJoin is part of memberlist.EventDelegate.
func (g *gossip) NotifyJoin(n *memberlist.Node) { g.up(n) }

// NotifyUpdate is part of memberlist.EventDelegate.
func (g *gossip) NotifyUpdate(n *memberlist.Node) { g.up(n) }

// NotifyLeave is part of memberlist.EventDelegate. Whether the node left on
// purpose it does not tell; for that there is frameLeave.
func (g *gossip) NotifyLeave(n *memberlist.Node) {
	if number, err := numberOf(n.Name); err == nil {
		g.c.memberDown(number, 0, false)
	}
}

// AckPayload is part of memberlist.PingDelegate.
func (g *gossip) AckPayload() []byte { return nil }

// NotifyPingComplete is part of memberlist.PingDelegate.
func (g *gossip) NotifyPingComplete(n *memberlist.Node, took time.Duration, _ []byte) {
	if number, err := numberOf(n.Name); err == nil {
		g.c.pinged(number, took)
	}
}

func (g *gossip) up(n *memberlist.Node) {
	number, err := numberOf(n.Name)
	if err != nil {
		return
	}
	a, _ := netip.AddrFromSlice(n.Addr)
	g.c.memberUp(number, n.Meta, netip.AddrPortFrom(a.Unmap(), n.Port))
}
