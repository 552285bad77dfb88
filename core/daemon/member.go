package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/console"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
	"github.com/orchestrator-ha/orchestrator/core/inbox"
	"github.com/orchestrator-ha/orchestrator/core/pki"
	"github.com/orchestrator-ha/orchestrator/core/vip"
)

// member is what a node has while it belongs to a cluster.
type member struct {
	d       *Daemon
	log     *slog.Logger
	id      *pki.Identity
	tokens  *pki.Tokens
	catalog *catalog.Catalog
	syncer  *catalog.Syncer
	cluster *cluster.Cluster
	heart   *heartbeat.Heartbeat
	lease   *lease
	undo    closers
	ctx     context.Context
	local   map[string]netip.Addr // see localFile

	mu          sync.Mutex
	config      cluster.Config
	modules     map[string]*module
	ready       chan struct{} // closed when the modules of the catalog are there
	loaded      chan struct{} // closed and made anew when a module was loaded
	digests     digests
	notes       notes
	lapsed      map[string]bool // share machines that have not yet answered a lapse; nil when none is
	loading     sync.Mutex      // held while modules are loaded or removed
	closing     bool
	done        sync.WaitGroup
	ways        ways
	replication replicationPort

	accessing sync.Mutex // guards what follows
	access    accessList
}

// clusterItem is the name of the cluster document in the catalog.
const clusterItem = "cluster"

// moduleItem is the name of a module in the catalog.
func moduleItem(name string) string { return "module/" + name }

// startMember takes part in the cluster whose keys the node has.
func (d *Daemon) startMember(id *pki.Identity) error {
	ctx, cancel := context.WithCancel(d.ctx)
	m := &member{d: d, log: d.log, id: id, ctx: ctx, modules: map[string]*module{}, ready: make(chan struct{}), loaded: make(chan struct{}), digests: newDigests()}
	m.undo.add("end the membership's work", func() error { cancel(); m.done.Wait(); return nil })
	if err := m.start(); err != nil {
		return errors.Join(err, m.undo.run())
	}
	d.mu.Lock()
	d.member = m
	d.mu.Unlock()
	m.loadAll()
	m.forgetLeft()
	close(m.ready)
	m.reconfigure() // what came before somebody listened for it
	return nil
}

func (m *member) start() error {
	d, self := m.d, m.id.Node.Number
	var err error
	if m.tokens, err = m.id.OpenTokens(d.path("cluster")); err != nil {
		return fmt.Errorf("open the join tokens: %w", err)
	}
	if m.catalog, err = catalog.Open(d.path("catalog"), self); err != nil {
		return fmt.Errorf("open the catalog: %w", err)
	}
	if m.config, err = m.readConfig(); err != nil {
		return err
	}
	m.takeAccess()
	if m.local, err = d.readLocal(); err != nil {
		return err
	}
	me, ok := m.config.Node(self)
	if !ok {
		return errTakenOut
	}
	m.cluster, err = cluster.New(cluster.Options{
		Self: self, Name: me.Name, Cluster: m.config.ID, Key: m.id.Keys.Gossip,
		Bind:      netip.AddrPortFrom(netip.IPv4Unspecified(), m.config.Ports.Gossip),
		Advertise: primary(m.config, me),
		Peers:     m.config.Peers(self), Digest: m.catalog.Digest, Log: m.log,
	})
	if err != nil {
		return fmt.Errorf("listen for the cluster: %w", err)
	}
	m.undo.add("close the cluster connection", m.closeCluster)
	m.undo.add("close the port of replication", m.closeReplication)
	m.handlers()
	m.syncer = catalog.NewSyncer(m.catalog, m.cluster, 0, m.log)
	m.work(func() { m.events() })
	m.work(func() {
		if err := m.syncer.Run(m.ctx); err != nil && m.ctx.Err() == nil {
			m.log.Error("synchronize the catalog", "error", err)
		}
	})
	if m.hasModules() {
		clean, cancel := context.WithTimeout(m.ctx, networkTime)
		defer cancel()
		if err := d.cleanLeftovers(clean); err != nil {
			return err
		}
	}
	if err := m.startHeart(self); err != nil {
		return err
	}
	m.undo.add("forget catalog changes", m.watchCatalog())
	m.work(func() {
		var cables cables
		vip.Watch(m.ctx, m.log, func() { m.askAgain(&cables); m.interfacesChanged() })
	})
	return m.listen(me)
}

// work runs f beside, until the membership ends.
func (m *member) work(f func()) {
	m.done.Add(1)
	go func() { defer m.done.Done(); f() }()
}

func (m *member) closeCluster() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := m.cluster.Leave(ctx); err != nil {
		m.log.Debug("say goodbye to the cluster", "error", err)
	}
	return m.cluster.Close()
}

func (m *member) startHeart(self core.NodeID) error {
	m.lease = newLease(m.d.filter, m.log)
	m.work(func() { m.lease.run(m.ctx) })
	news := inbox.New[heartbeat.Event]()
	run, err := m.d.incarnation(time.Now())
	if err != nil {
		return fmt.Errorf("start the heartbeat: %w", err)
	}
	m.heart, err = heartbeat.Start(heartbeat.Options{
		Self: self, Incarnation: run, Key: m.id.Keys.Heartbeat,
		Interval: m.config.HeartbeatInterval, Timeout: m.config.HeartbeatTimeout, Digest: m.leftDigest(),
		Networks: heartNetworks(m.config, self, m.local), OnBeat: m.lease.until, Events: news.Put, Log: m.log,
	})
	if err != nil {
		return fmt.Errorf("start the heartbeat: %w", err)
	}
	m.undo.add("stop the heartbeat", m.heart.Close)
	m.work(func() { m.heartEvents(news) })
	return nil
}

// heartNetworks are the networks of the cluster as the heartbeat takes them. local are
// this node's own addresses where others know it by another one.
func heartNetworks(c cluster.Config, self core.NodeID, local map[string]netip.Addr) []heartbeat.Network {
	var list []heartbeat.Network
	for _, n := range c.Networks {
		net := heartbeat.Network{Name: n.Name, Peers: map[core.NodeID]netip.AddrPort{}}
		for _, node := range c.Nodes {
			addr := netip.AddrPortFrom(node.Addresses[n.Name], c.Ports.Heartbeat)
			own, translated := local[n.Name]
			switch {
			case node.Number != self:
				net.Peers[node.Number] = addr
			case translated:
				net.Local = netip.AddrPortFrom(own, c.Ports.Heartbeat)
			default:
				net.Local = addr
			}
		}
		list = append(list, net)
	}
	return list
}

// maxConnections is how many connections from the network the API has at a time: whoever
// opens more, with or without a login, shall not take the memory of a daemon that others
// rely on. Further ones wait.
const maxConnections = 1000

func limited(l net.Listener) net.Listener { return netutil.LimitListener(l, maxConnections) }

// listen serves the API and the console to the network: with TLS, and a login.
func (m *member) listen(me cluster.Node) error {
	address := net.JoinHostPort("", strconv.Itoa(int(m.config.Ports.API)))
	l, err := (&net.ListenConfig{}).Listen(m.ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for the API on port %d: %w", m.config.Ports.API, err)
	}
	l = limited(l)
	m.undo.add("close the ways to other nodes", m.ways.close)
	server := m.d.server(m.caller())
	server.Handler = console.Beside(server.Handler)
	server.TLSConfig = m.id.ServerTLS()
	m.undo.add("close the API", server.Close)
	m.work(func() {
		if err := server.ServeTLS(l, "", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("serve the API", "error", err)
		}
	})
	m.log.Info("the API listens", "node", me.Name, "port", m.config.Ports.API)
	return nil
}

// adminToken is the login of the API on the network; every node has the same.
func (m *member) adminToken() string {
	raw, err := os.ReadFile(m.d.path("cluster", "admin.token"))
	if err != nil {
		m.log.Warn("read the admin token", "error", err)
	}
	return strings.TrimSpace(string(raw))
}

// interfacesChanged has all networks looked after.
func (m *member) interfacesChanged() {
	for _, mod := range m.all() {
		if mod.network != nil {
			mod.network.poke()
		}
	}
}

// readConfig reads the cluster document from the catalog.
func (m *member) readConfig() (cluster.Config, error) {
	var c cluster.Config
	item, err := m.catalog.Get(clusterItem)
	if err != nil {
		return c, fmt.Errorf("read the cluster's configuration: %w", err)
	}
	if err := json.Unmarshal(item.Content, &c); err != nil {
		return c, err
	}
	return c, errors.Join(c.Validate()...)
}

// name tells a node's name.
func (m *member) name(n core.NodeID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if node, ok := m.config.Node(n); ok {
		return node.Name
	}
	return fmt.Sprintf("node %d", n)
}

// settings is the cluster's configuration in use.
func (m *member) settings() cluster.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config
}

// reconfigure takes over a new cluster document.
func (m *member) reconfigure() {
	c, err := m.readConfig()
	if err != nil {
		m.log.Error("take over the cluster's configuration", "error", err)
		return
	}
	self := m.id.Node.Number
	if _, ok := c.Node(self); !ok {
		go m.d.removed(m) // which waits for who calls this
		return
	}
	m.mu.Lock()
	m.config = c
	m.mu.Unlock()
	m.cluster.UpdatePeers(c.Peers(self))
	if err := m.heart.SetNetworks(heartNetworks(c, self, m.local)); err != nil {
		m.log.Error("take over the cluster's networks", "error", err)
	}
	for _, mod := range m.all() {
		mod.reweigh()
		if mod.widowed() {
			m.changed(moduleItem(mod.conf.Name))
		}
	}
}

// events takes what membership tells. It decides nothing: the heartbeat does.
func (m *member) events() {
	for e := range m.cluster.Events() {
		switch e.Kind {
		case cluster.Joined:
			m.syncer.Joined(e.Node)
		case cluster.RemoteState:
			if err := m.syncer.RemoteDigest(e.Node, e.Payload); err != nil {
				m.log.Warn("compare catalogs", "node", e.Node, "error", err)
			}
		case cluster.Left, cluster.MetaChanged, cluster.Message:
		}
	}
}

// stopMember ends the membership: modules stop first, within limit.
func (d *Daemon) stopMember(limit time.Duration) error {
	d.mu.Lock()
	m := d.member
	d.mu.Unlock()
	if m == nil {
		return nil
	}
	m.stopModules(limit)
	d.sessions.Clear()
	d.mu.Lock()
	d.member = nil
	d.mu.Unlock()
	return m.undo.run()
}

// primary is a node's address on the preferred network.
func primary(c cluster.Config, n cluster.Node) netip.Addr {
	for _, net := range c.Networks {
		if a, ok := n.Addresses[net.Name]; ok {
			return a
		}
	}
	return netip.Addr{}
}
