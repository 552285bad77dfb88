package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// ErrNameTaken says that a node of that name is in the cluster.
var ErrNameTaken = errors.New("the name is taken")

const (
	minHeartbeatInterval = 5 * time.Millisecond
	maxHeartbeatTimeout  = time.Minute
	// minBeats is how many heartbeats must fit into the timeout: one may be
	// lost and one late without a false alarm.
	minBeats = 3
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Validate returns everything that is wrong with the document, nil if nothing.
func (c Config) Validate() []error {
	v := &validator{c: c}
	if c.ID == "" {
		v.wrong("the cluster has no id")
	}
	if !plainName.MatchString(c.Name) {
		v.wrong("cluster name %q: use 1 to 63 letters, digits, '-', '_' or '.'", c.Name)
	}
	if c.Hash != share.Keyed && c.Hash != share.LowBits {
		v.wrong("hash function %q: use %s or %s", c.Hash, share.Keyed, share.LowBits)
	}
	v.networks()
	v.nodes()
	v.addresses()
	v.ports()
	v.times()
	return v.errs
}

type validator struct {
	c    Config
	errs []error
}

func (v *validator) wrong(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

func (v *validator) networks() {
	if len(v.c.Networks) == 0 {
		v.wrong("the cluster has no network: at least one must join the nodes")
	}
	seen := map[string]bool{}
	for _, n := range v.c.Networks {
		if !plainName.MatchString(n.Name) {
			v.wrong("network name %q: use 1 to 63 letters, digits, '-', '_' or '.'", n.Name)
		}
		if seen[n.Name] {
			v.wrong("network %s is there twice", n.Name)
		}
		seen[n.Name] = true
	}
}

func (v *validator) nodes() {
	if len(v.c.Nodes) > core.MaxNodes {
		v.wrong("the cluster has %d nodes: %d is the most", len(v.c.Nodes), core.MaxNodes)
	}
	names, numbers := map[string]bool{}, map[core.NodeID]string{}
	for _, n := range v.c.Nodes {
		if !plainName.MatchString(n.Name) {
			v.wrong("node name %q: use 1 to 63 letters, digits, '-', '_' or '.'", n.Name)
		}
		if name := strings.ToLower(n.Name); names[name] {
			v.wrong("two nodes are called %s", n.Name)
		} else {
			names[name] = true
		}
		if n.Number == 0 || n.Number > core.MaxNodes {
			v.wrong("node %s has number %d: it must be 1 to %d", n.Name, n.Number, core.MaxNodes)
		}
		if other, taken := numbers[n.Number]; taken {
			v.wrong("nodes %s and %s both have number %d", other, n.Name, n.Number)
		}
		numbers[n.Number] = n.Name
		if int(n.Number) >= v.c.NextNumber {
			v.wrong("next_number is %d, but node %s has number %d already", v.c.NextNumber, n.Name, n.Number)
		}
	}
}

func (v *validator) addresses() {
	owner := map[netip.Addr]string{}
	family := map[string]bool{} // network → is IPv4
	known := map[string]bool{}
	for _, w := range v.c.Networks {
		known[w.Name] = true
		for _, n := range v.c.Nodes {
			a, ok := n.Addresses[w.Name]
			if !ok {
				v.wrong("node %s has no address on network %s: give it one, or remove the network", n.Name, w.Name)
				continue
			}
			if problem := v.unusable(a); problem != "" {
				v.wrong("node %s, network %s: address %s %s", n.Name, w.Name, a, problem)
				continue
			}
			a = a.Unmap()
			if first, seen := family[w.Name]; seen && first != a.Is4() {
				v.wrong("network %s has IPv4 and IPv6 addresses: make it two networks", w.Name)
			}
			family[w.Name] = a.Is4()
			if other, taken := owner[a]; taken {
				v.wrong("address %s is given to %s and to %s", a, other, n.Name)
			}
			owner[a] = n.Name
		}
	}
	for _, n := range v.c.Nodes {
		for w := range n.Addresses {
			if !known[w] {
				v.wrong("node %s has an address on network %s, which the cluster does not have", n.Name, w)
			}
		}
	}
}

// unusable says why other nodes cannot reach a.
func (v *validator) unusable(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "is missing"
	case a.IsUnspecified():
		return "is no node's address"
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is a group, not one node"
	case a.Zone() != "" || a.IsLinkLocalUnicast() && a.Is6():
		return "is valid on one link only: use a global or unique local address"
	case a.IsLoopback() && len(v.c.Nodes) > 1:
		return "is a loopback address, which other nodes cannot reach"
	}
	return ""
}

func (v *validator) ports() {
	p := v.c.Ports
	if p.Heartbeat == 0 || p.Gossip == 0 || p.API == 0 {
		v.wrong("ports: heartbeat %d, gossip %d, api %d: each must be 1 to 65535", p.Heartbeat, p.Gossip, p.API)
	}
	if p.Heartbeat == p.Gossip {
		v.wrong("heartbeat and gossip both use port %d", p.Gossip)
	}
	if p.API == p.Gossip {
		v.wrong("gossip and api both use port %d", p.Gossip)
	}
}

func (v *validator) times() {
	i, t := v.c.HeartbeatInterval, v.c.HeartbeatTimeout
	if i < minHeartbeatInterval {
		v.wrong("the heartbeat interval is %s: at least %s", i, minHeartbeatInterval)
	}
	if t < minBeats*i {
		v.wrong("the heartbeat timeout is %s: at least %d intervals, %s, or one lost packet is a false alarm", t, minBeats, minBeats*i)
	}
	if t > maxHeartbeatTimeout {
		v.wrong("the heartbeat timeout is %s: at most %s", t, maxHeartbeatTimeout)
	}
}
