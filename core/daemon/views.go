package daemon

import (
	"context"
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
)

// statusTime limits how long another node may take to tell its status.
const statusTime = 2 * time.Second

// localModule is what one node tells of one module.
type localModule struct {
	Name string             `json:"name"`
	Node control.ModuleNode `json:"node"`
}

// Status shows all modules on all nodes.
func (d *Daemon) Status(ctx context.Context, name string) (control.Status, error) {
	st := control.Status{Version: d.opt.Version, Modules: []control.ModuleStatus{}}
	m := d.current()
	if m == nil {
		return st, errNoCluster
	}
	conf := m.settings()
	st.Cluster, st.Node = conf.Name, m.name(m.id.Node.Number)
	answers := make([]map[string]control.ModuleNode, len(conf.Nodes))
	var all sync.WaitGroup
	for i, n := range conf.Nodes {
		all.Go(func() { answers[i] = m.askStatus(ctx, n, name) })
	}
	all.Wait()
	for _, mod := range m.all() {
		if name != "" && mod.conf.Name != name {
			continue
		}
		ms := control.ModuleStatus{Name: mod.conf.Name, Mode: mod.conf.Mode, Signature: mod.now.Load().head.Signature.Short()}
		for _, a := range mod.config().Addresses() {
			ms.Addresses = append(ms.Addresses, a.Addr.String())
		}
		for i, n := range conf.Nodes {
			node, ok := answers[i][mod.conf.Name]
			if !ok {
				node = control.ModuleNode{Phase: core.NotReady, Reason: m.silence(n.Number), Reachable: answers[i] != nil}
				if answers[i] != nil {
					node.Reason = "the module is not installed there yet"
				}
			}
			node.Node = n.Name
			ms.Nodes = append(ms.Nodes, node)
		}
		st.Modules = append(st.Modules, ms)
	}
	if name != "" && len(st.Modules) == 0 {
		_, err := d.module(name)
		return st, err
	}
	return st, nil
}

// askStatus asks one node; nil if it does not answer.
func (m *member) askStatus(ctx context.Context, n cluster.Node, name string) map[string]control.ModuleNode {
	var list []localModule
	if n.Number == m.id.Node.Number {
		list = m.localStatus(ctx, name)
	} else {
		if !m.alive(n.Number) {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, statusTime)
		defer cancel()
		raw, err := m.cluster.Call(ctx, n.Number, "status", []byte(name))
		if err == nil {
			err = json.Unmarshal(raw, &list)
		}
		if err != nil {
			m.log.Debug("ask a node for its status", "node", n.Name, "error", err)
			return nil
		}
	}
	answer := map[string]control.ModuleNode{}
	for _, l := range list {
		l.Node.Reachable = true
		answer[l.Name] = l.Node
	}
	return answer
}

// alive says that the heartbeat hears a node.
func (m *member) alive(n core.NodeID) bool {
	return slices.ContainsFunc(m.heart.Status(), func(p heartbeat.PeerStatus) bool {
		return p.Node == n && (p.Verdict == heartbeat.VerdictAlive || p.Verdict == heartbeat.VerdictSuspect)
	})
}

// silence says since when a node is not heard.
func (m *member) silence(n core.NodeID) string {
	for _, p := range m.heart.Status() {
		switch {
		case p.Node != n:
		case p.Verdict == heartbeat.VerdictAlive, p.Verdict == heartbeat.VerdictSuspect:
			return "it is heard, but does not answer"
		case p.Verdict == heartbeat.VerdictNever:
			return "not heard yet since the daemon here started"
		case p.Verdict == heartbeat.VerdictLeft:
			return "its daemon was stopped at " + time.Now().Add(-p.Since).Format(time.DateTime)
		default:
			return "not heard since " + time.Now().Add(-p.Since).Format(time.DateTime)
		}
	}
	return "not heard"
}

// numbered is how the heartbeat names nodes.
var numbered = regexp.MustCompile(`\bnodes? (\d+(?:(?:, | and )\d+)*)`)

// named is evidence of the heartbeat with the names of nodes in the place of their
// numbers.
func (m *member) named(evidence string) string {
	return numbered.ReplaceAllStringFunc(evidence, func(s string) string {
		_, list, _ := strings.Cut(s, " ")
		return digits.ReplaceAllStringFunc(list, func(d string) string {
			n, _ := strconv.Atoi(d)
			return m.name(core.NodeID(n))
		})
	})
}

var digits = regexp.MustCompile(`\d+`)

// localStatus tells of this node's modules.
func (m *member) localStatus(ctx context.Context, name string) []localModule {
	list := []localModule{}
	for _, mod := range m.all() {
		if name == "" || mod.conf.Name == name {
			list = append(list, localModule{mod.conf.Name, mod.status(ctx)})
		}
	}
	return list
}

// ClusterStatus shows the nodes and who is current.
func (d *Daemon) ClusterStatus(context.Context) (control.ClusterStatus, error) {
	st := control.ClusterStatus{Nodes: []control.ClusterNode{}}
	m := d.current()
	if m == nil {
		return st, errNoCluster
	}
	conf, self := m.settings(), m.id.Node.Number
	st.ID, st.Name, st.Node, st.Hash = conf.ID, conf.Name, m.name(self), string(conf.Hash)
	st.Signatures = map[string]string{}
	for _, it := range m.catalog.List() {
		if !it.Deleted {
			st.Signatures[it.Name] = it.Signature.Short()
		}
	}
	peers := map[core.NodeID]heartbeat.PeerStatus{}
	for _, p := range m.heart.Status() {
		peers[p.Node] = p
	}
	gossip := map[core.NodeID]string{}
	for _, g := range m.cluster.Members() {
		gossip[g.Node] = string(g.Status)
	}
	signatures := m.syncer.Signatures()
	for _, n := range conf.Nodes {
		cn := control.ClusterNode{Name: n.Name, Number: n.Number, Member: gossip[n.Number], Addresses: textOf(n.Addresses)}
		p, heard := peers[n.Number]
		switch {
		case n.Number == self:
			cn.Alive, cn.Evidence = true, "this node"
		case heard:
			cn.Alive = p.Verdict == heartbeat.VerdictAlive || p.Verdict == heartbeat.VerdictSuspect
			cn.Since, cn.Evidence = time.Now().Add(-p.Since).Round(time.Millisecond), m.named(p.Evidence)
			if cn.Evidence == "" || p.Verdict == heartbeat.VerdictAlive { // what was seen before it was heard again is past
				cn.Evidence = string(p.Verdict)
			}
		}
		cn.Stale = stale(signatures, self, n.Number)
		cn.Current = len(cn.Stale) == 0
		st.Nodes = append(st.Nodes, cn)
	}
	return st, nil
}

// stale lists the items of which node n has another version than this one.
func stale(all map[string]map[core.NodeID]catalog.Signature, self, n core.NodeID) []string {
	var list []string
	for item, by := range all {
		if by[n] != by[self] {
			list = append(list, item)
		}
	}
	slices.Sort(list)
	return list
}

func textOf(addresses map[string]netip.Addr) map[string]string {
	out := map[string]string{}
	for network, a := range addresses {
		out[network] = a.String()
	}
	return out
}

// Plugins shows the plugins of this node.
func (d *Daemon) Plugins(context.Context) ([]control.PluginInfo, error) {
	list := []control.PluginInfo{}
	for _, p := range d.plugins.List() {
		list = append(list, control.PluginInfo{
			Kind: string(p.Kind), Name: p.Name, Version: p.Version, Summary: p.Summary, State: string(p.State),
			PID: p.PID, Restarts: p.Restarts, Since: p.Since, Error: p.LastError,
		})
	}
	return list, nil
}
