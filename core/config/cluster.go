package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/diag"
)

// Cluster is what a cluster.xml says, checked.
type Cluster struct {
	Lans []ClusterLan
}

// ClusterLan is a network of the cluster with the nodes on it.
type ClusterLan struct {
	Name  string
	Nodes []ClusterNode
	Pos   diag.Position
}

// ClusterNode is a node on one network.
type ClusterNode struct {
	Name string
	Addr string // address, or a name that has not been looked up
	// Local is likewise what the node itself has, where Addr is translated on the way to
	// it; empty: Addr.
	Local string
	Pos   diag.Position
}

// Nodes are the names of all nodes, in the order of their first mention.
func (c *Cluster) Nodes() []string {
	var out []string
	for _, l := range c.Lans {
		for _, n := range l.Nodes {
			if !slices.Contains(out, n.Name) {
				out = append(out, n.Name)
			}
		}
	}
	return out
}

// Addresses are the addresses of a node, by network, in the document's order.
func (c *Cluster) Addresses(node string) (lans, addresses []string) {
	for _, l := range c.Lans {
		for _, n := range l.Nodes {
			if n.Name == node {
				lans, addresses = append(lans, l.Name), append(addresses, n.Addr)
			}
		}
	}
	return lans, addresses
}

// Local are a node's own addresses where others know it by another one, by network.
func (c *Cluster) Local(node string) (lans, addresses []string) {
	for _, l := range c.Lans {
		for _, n := range l.Nodes {
			if n.Name == node && n.Local != "" && n.Local != n.Addr {
				lans, addresses = append(lans, l.Name), append(addresses, n.Local)
			}
		}
	}
	return lans, addresses
}

// ParseCluster reads and checks a cluster.xml; file is its name in problems. All
// problems found are returned, sorted; the cluster is nil if one of them is an
// error.
func ParseCluster(data []byte, file string) (*Cluster, diag.Problems) {
	p := newParser(file, ClusterSchema())
	var c *Cluster
	if root := p.decode(data); root != nil && p.outermost(root) {
		p.check(root, p.schema)
		c = p.cluster(root)
	}
	if p.finish() {
		return nil, p.problems
	}
	return c, p.problems
}

func (p *parser) cluster(root *node) *Cluster {
	c := &Cluster{}
	names := p.unique("lan")
	for _, n := range root.one("lans").all("lan") {
		if names.add(n.values["name"]) {
			c.Lans = append(c.Lans, p.clusterLan(n))
		}
	}
	all := c.Nodes()
	if len(c.Lans) > 0 && !slices.ContainsFunc(c.Lans, func(l ClusterLan) bool { return len(l.Nodes) == len(all) }) {
		p.errorf(idCluster, root.one("lans").at, "no network has all nodes: %s", strings.Join(all, ", ")).Hint =
			"add the missing nodes to one <lan>"
	}
	return c
}

func (p *parser) clusterLan(n *node) ClusterLan {
	l := ClusterLan{Name: n.values["name"].text, Pos: p.position(n.at)}
	names, addresses := p.unique("node"), p.unique("address")
	for _, m := range n.all("node") {
		name, addr := m.values["name"], m.values["addr"]
		if names.add(name) && addresses.add(addr) {
			l.Nodes = append(l.Nodes, ClusterNode{Name: name.text, Addr: addr.text, Local: m.values["laddr"].text, Pos: p.position(m.at)})
		}
	}
	return l
}

// CheckCluster compares the nodes and networks that a module names with those of
// the cluster. What is missing may be there later, so it is no error; but a mirror
// needs two nodes, and would not know which of more.
func CheckCluster(m *Module, nodes, networks []string) diag.Problems {
	var out diag.Problems
	missing := func(id, what, name string, known []string, at diag.Position, follows string) {
		if slices.Contains(known, name) {
			return
		}
		p := diag.Problem{ID: id, Severity: diag.Warning, Pos: at, Message: fmt.Sprintf("the cluster has no %s %q: %s", what, name, follows)}
		if near := diag.Nearest(name, known); near != "" {
			p.Hint = fmt.Sprintf("did you mean %q?", near)
		} else if len(known) > 0 {
			p.Hint = "it has " + strings.Join(known, ", ")
		}
		out = append(out, p)
	}
	for _, g := range m.Groups {
		for _, h := range g.Hosts {
			missing(idUnknownNode, "node", h.Name, nodes, h.Pos, "its power has no effect")
		}
	}
	if m.Mode == core.Mirror && len(nodes) != 2 {
		out = append(out, diag.Problem{ID: idMirrorNodes, Severity: diag.Error, Pos: m.Pos,
			Message: fmt.Sprintf("a mirror runs on the two nodes of a cluster; this cluster has %d: %s", len(nodes), strings.Join(nodes, ", ")),
			Hint:    "make a cluster of two nodes for it, or use mode farm or light"})
	}
	if m.DefaultPrim != "alone" && m.DefaultPrim != "lastprim" {
		missing(idUnknownNode, "node", m.DefaultPrim, nodes, m.Pos, "defaultprim has no effect")
	}
	for _, l := range m.Farm.Lans {
		if l.Name != "" {
			missing(idUnknownNetwork, "network", l.Name, networks, l.Pos, "all networks of the cluster are used")
		}
	}
	for _, l := range m.Heart.Networks {
		if l.Name != "" {
			missing(idUnknownNetwork, "network", l.Name, networks, l.Pos, "no heartbeat goes there")
		}
	}
	return out
}
