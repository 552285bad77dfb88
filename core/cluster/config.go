package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// Ports are the ports on which every node of the cluster listens.
type Ports struct {
	Heartbeat uint16 `json:"heartbeat"` // UDP
	Gossip    uint16 `json:"gossip"`    // TCP and UDP
	API       uint16 `json:"api"`       // TCP
}

// What holds if nobody asks for anything else.
const (
	DefaultHeartbeatPort     = 4800
	DefaultGossipPort        = 4801
	DefaultAPIPort           = 9010
	DefaultHeartbeatInterval = 20 * time.Millisecond
	DefaultHeartbeatTimeout  = 100 * time.Millisecond
)

// Network is a network that joins the nodes. The order of networks in a Config
// is their order of preference.
type Network struct {
	Name string `json:"name"`
}

// Node is a member of the cluster.
type Node struct {
	Number    core.NodeID           `json:"number"`
	Name      string                `json:"name"`
	Addresses map[string]netip.Addr `json:"addresses"` // by network
}

// Config is the cluster document, the same on all nodes. It is kept in the
// catalog under the name "cluster".
type Config struct {
	ID         string    `json:"id"` // random, for ever
	Name       string    `json:"name"`
	Networks   []Network `json:"networks"`
	Nodes      []Node    `json:"nodes"`
	NextNumber int       `json:"next_number"` // the lowest number that no node ever had
	// Hash is how clients are turned into buckets. It is chosen when the cluster
	// is founded and never changed: every node's filter has to know it.
	Hash              share.Function `json:"hash"`
	Ports             Ports          `json:"ports"`
	HeartbeatInterval time.Duration  `json:"-"` // in JSON a text such as "20ms"
	HeartbeatTimeout  time.Duration  `json:"-"`
}

// NewConfig is a cluster without nodes and with the usual ports and times.
func NewConfig(id, name string, networks ...string) Config {
	c := Config{
		ID: id, Name: name, NextNumber: 1, Hash: share.Keyed,
		Ports:             Ports{DefaultHeartbeatPort, DefaultGossipPort, DefaultAPIPort},
		HeartbeatInterval: DefaultHeartbeatInterval,
		HeartbeatTimeout:  DefaultHeartbeatTimeout,
	}
	for _, n := range networks {
		c.Networks = append(c.Networks, Network{Name: n})
	}
	return c
}

// plain is Config without its methods, times is what JSON spells differently.
type (
	plain Config
	times struct {
		HeartbeatInterval string `json:"heartbeat_interval"`
		HeartbeatTimeout  string `json:"heartbeat_timeout"`
	}
	document struct {
		plain
		times
	}
)

// MarshalJSON writes the document with times as texts.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(document{plain(c), times{c.HeartbeatInterval.String(), c.HeartbeatTimeout.String()}})
}

// UnmarshalJSON reads the document; it does not validate it.
func (c *Config) UnmarshalJSON(b []byte) error {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return fmt.Errorf("read the cluster document: %w", err)
	}
	*c = Config(d.plain)
	if c.Hash == "" {
		c.Hash = share.Keyed // written before there was a choice
	}
	var err error
	if c.HeartbeatInterval, err = time.ParseDuration(d.times.HeartbeatInterval); err != nil {
		return fmt.Errorf("read the cluster document: heartbeat_interval: %w", err)
	}
	if c.HeartbeatTimeout, err = time.ParseDuration(d.times.HeartbeatTimeout); err != nil {
		return fmt.Errorf("read the cluster document: heartbeat_timeout: %w", err)
	}
	return nil
}

// Clone returns a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Networks = slices.Clone(c.Networks)
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		c.Nodes[i].Addresses = maps.Clone(c.Nodes[i].Addresses)
	}
	return c
}

// Node finds a node by number.
func (c Config) Node(n core.NodeID) (Node, bool) {
	i := slices.IndexFunc(c.Nodes, func(x Node) bool { return x.Number == n })
	if i < 0 {
		return Node{}, false
	}
	return c.Nodes[i], true
}

// NodeNamed finds a node by name; letter case does not matter.
func (c Config) NodeNamed(name string) (Node, bool) {
	i := slices.IndexFunc(c.Nodes, func(x Node) bool { return strings.EqualFold(x.Name, name) })
	if i < 0 {
		return Node{}, false
	}
	return c.Nodes[i], true
}

// Peers returns all nodes but self in the form that New and UpdatePeers take,
// with their gossip addresses in order of preference.
func (c Config) Peers(self core.NodeID) []Peer {
	var list []Peer
	for _, n := range c.Nodes {
		if n.Number == self {
			continue
		}
		p := Peer{Number: n.Number, Name: n.Name}
		for _, a := range c.addresses(n) {
			p.Addresses = append(p.Addresses, netip.AddrPortFrom(a, c.Ports.Gossip))
		}
		list = append(list, p)
	}
	return list
}

// addresses lists a node's addresses in the order of the networks.
func (c Config) addresses(n Node) []netip.Addr {
	var list []netip.Addr
	for _, w := range c.Networks {
		if a, ok := n.Addresses[w.Name]; ok {
			list = append(list, a)
		}
	}
	return list
}

// AddNode adds a member and gives it a number: the lowest that no node ever had
// or, when all are worn out, the lowest that no member has. It changes a copy.
// The name must not be taken (ErrNameTaken); the rest is Validate's.
func (c Config) AddNode(name string, addresses map[string]netip.Addr) (Config, Node, error) {
	if _, taken := c.NodeNamed(name); taken {
		return c, Node{}, fmt.Errorf("add node %s: %w", name, ErrNameTaken)
	}
	if len(c.Nodes) >= core.MaxNodes {
		return c, Node{}, fmt.Errorf("add node %s: the cluster has %d nodes already, which is the most; take one out first, with 'orchestrator cluster leave' on it, or 'orchestrator cluster remove' if it is gone", name, len(c.Nodes))
	}
	c = c.Clone()
	number := max(c.NextNumber, 1)
	for number > core.MaxNodes || c.has(number) {
		number++
		if number > core.MaxNodes {
			number = 1
		}
	}
	c.NextNumber = max(c.NextNumber, number+1)
	n := Node{Number: core.NodeID(number), Name: name, Addresses: maps.Clone(addresses)}
	c.Nodes = append(c.Nodes, n)
	return c, n, nil
}

func (c Config) has(number int) bool {
	_, ok := c.Node(core.NodeID(number))
	return ok
}

// RemoveNode removes a member; its number stays worn out. It changes a copy.
func (c Config) RemoveNode(n core.NodeID) (Config, error) {
	if _, ok := c.Node(n); !ok {
		return c, fmt.Errorf("remove node %d: it is not in the cluster", n)
	}
	c = c.Clone()
	c.Nodes = slices.DeleteFunc(c.Nodes, func(x Node) bool { return x.Number == n })
	return c, nil
}
