package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/heartbeat"
	"github.com/orchestrator-ha/orchestrator/core/journal"
	"github.com/orchestrator-ha/orchestrator/sdk"
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
				node = control.ModuleNode{Phase: core.NotReady, Reason: "the node cannot be asked", Reachable: answers[i] != nil}
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

func (mod *module) status(ctx context.Context) control.ModuleNode {
	in := mod.runner.Snapshot()
	n := control.ModuleNode{
		State: in.State, Phase: in.Phase, Since: in.Since, Reason: in.LastReason, Drained: in.Drained,
		Signature: mod.now.Load().head.Signature.Short(),
		Muted:     mod.muted(), Boot: mod.atBoot(),
		Loop: control.Loop{Count: in.Counted(time.Now()), Max: in.Module.MaxLoop, Interval: control.Duration(in.Module.LoopInterval)},
	}
	if in.BlockedBy != "" {
		n.Reason = in.BlockedBy
	}
	for _, name := range slices.Sorted(maps.Keys(in.Resources)) {
		if in.Network || !ofNetwork(name) || isCheck(mod.config(), name) {
			n.Resources = append(n.Resources, in.Resources[name])
		}
	}
	if mod.pair != nil {
		n.Pair = mod.pairStatus(in)
	}
	if mod.network == nil || !in.Network {
		return n
	}
	if off := mod.network.unreached(); off != "" {
		n.Reason = off
	}
	mod.shareStatus(&n)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if counts, err := mod.m.d.filter.Sockets(ctx, mod.conf.Name); err == nil {
		for _, buckets := range counts {
			for _, c := range buckets {
				n.Connections += int(c)
			}
		}
	}
	mod.filterStatus(ctx, &n)
	return n
}

// shareStatus adds this node's share of the connections.
func (mod *module) shareStatus(n *control.ModuleNode) {
	if mod.gate != nil {
		if mod.gate.serves() {
			n.Share = 1
		}
		return
	}
	view, self := mod.sharing.current(), mod.m.id.Node.Number
	n.Shares = map[string]float64{}
	for i, t := range view.Tables {
		n.Shares[t.Name] = t.Share(self)
		if i == 0 {
			n.Share = t.Share(self)
		}
	}
	n.Held = view.Held(self)
}

// filterStatus adds how the module's interfaces are filtered, and its counters.
func (mod *module) filterStatus(ctx context.Context, n *control.ModuleNode) {
	st, err := mod.m.d.filter.State(ctx)
	if err != nil {
		n.Filter = []string{"the filter cannot be asked: " + err.Error()}
		return
	}
	for _, i := range byInterface(mod.network.holds()) {
		n.Filter = append(n.Filter, filterText(i, st.Attachments))
		for _, h := range i.held {
			if h.invisible() {
				n.Filter = append(n.Filter, fmt.Sprintf("%s %s is reached at the virtual MAC %s", h.on.Name, h.addr.Addr, h.target().MAC))
			}
		}
	}
	n.Counters = map[string]uint64{}
	for name, v := range st.Counters {
		if reason, ok := strings.CutPrefix(name, mod.conf.Name+"/"); ok {
			n.Counters[reason] = v
		}
	}
	for _, c := range st.Packets {
		if c.Module == mod.conf.Name {
			n.Packets = append(n.Packets, control.PacketCount{Group: c.Group, Class: c.Class, Reason: c.Reason, Packets: c.Packets})
		}
	}
}

// filterText says how an interface is filtered, and why not faster or at all.
func filterText(i heldOn, list []sdk.FilterAttachment) string {
	if why := unfiltered(i.on, list); why != "" {
		return fmt.Sprintf("%s is not filtered: %s", i.on.Name, why)
	}
	a := list[slices.IndexFunc(list, func(a sdk.FilterAttachment) bool { return a.Index == i.on.Index })]
	text := a.Interface + " " + a.How
	if slices.ContainsFunc(i.held, heldAddress.invisible) {
		text += ", in promiscuous mode"
	}
	if a.Note != "" {
		text += " (" + a.Note + ")"
	}
	return text
}

// ofNetwork says that a resource is about the network, which is of interest while it
// is set up.
func ofNetwork(resource string) bool {
	return strings.HasPrefix(resource, "intf.") || strings.HasPrefix(resource, "ip.")
}

// Serving says whether a module takes connections on this node; and since when, or
// why not.
func (d *Daemon) Serving(name string) (bool, string) {
	mod, err := d.module(name)
	if err != nil {
		return false, err.Error()
	}
	in := mod.runner.Snapshot()
	if in.State != core.Up && !in.State.Primary() || in.Phase != core.Ready || in.Drained {
		return false, name + " is " + in.Status()
	}
	return true, in.Since.UTC().Format(time.RFC3339Nano)
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
			cn.Since, cn.Evidence = time.Now().Add(-p.Since).Round(time.Millisecond), p.Evidence
			if cn.Evidence == "" {
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

// Log emits journal entries, and new ones as they come if asked to.
func (d *Daemon) Log(ctx context.Context, q control.LogQuery, emit func(control.LogEntry) error) error {
	f := journal.Filter{Module: q.Module, Since: q.Since, Kinds: q.Types, Level: q.Level, Grep: q.Grep, After: q.After, Limit: q.Limit}
	if q.Grep != "" { // what hooks printed is not in the journal itself, so it is looked through here
		f.Also, f.Limit = []string{"output"}, 0
	}
	show := func(e journal.Entry) error {
		if one := d.entry(e); contains(one, q.Grep) {
			return emit(one)
		}
		return nil
	}
	if q.Follow && q.After > 0 {
		return d.journal.Follow(ctx, f, show)
	}
	last := d.journal.Last() // before the look: what comes meanwhile is not missed
	entries, err := d.journal.Query(ctx, f)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		last = max(last, entries[len(entries)-1].ID)
	}
	if q.Grep != "" {
		entries = slices.DeleteFunc(entries, func(e journal.Entry) bool { return !contains(d.entry(e), q.Grep) })
		if over := len(entries) - q.Limit; q.Limit > 0 && over > 0 {
			from := over // the newest
			if q.After > 0 {
				from = 0
			}
			entries = entries[from : from+q.Limit]
		}
	}
	for _, e := range entries {
		if err := show(e); err != nil {
			return err
		}
	}
	if !q.Follow {
		return nil
	}
	f.After, f.Limit = last, 0
	return d.journal.Follow(ctx, f, show)
}

// contains says that a text stands in an entry or in what a hook printed, in any case.
func contains(e control.LogEntry, text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(strings.ToLower(e.Text), text) || strings.Contains(strings.ToLower(e.Output), text)
}

// maxOutput is how much of a hook's output the log shows.
const maxOutput = 64 << 10

// entry is a journal entry as the API shows it, with the output of a hook.
func (d *Daemon) entry(e journal.Entry) control.LogEntry {
	out := control.LogEntry{ID: e.ID, Time: e.Time, Module: e.Module, Kind: e.Kind, Level: e.Level, Text: e.Text, Cause: e.Cause}
	if name, ok := e.Data["file"].(string); ok && e.Kind == "output" {
		raw, err := os.ReadFile(d.path("output", e.Module, filepath.Base(name)))
		switch {
		case errors.Is(err, os.ErrNotExist):
			out.Output = "(the output is no longer kept)"
		case err != nil:
			out.Output = "(" + err.Error() + ")"
		case len(raw) > maxOutput:
			out.Output = "…" + string(raw[len(raw)-maxOutput:])
		default:
			out.Output = string(raw)
		}
	}
	return out
}

// historyLimit is how many changes of a resource are told if nothing is said.
const historyLimit = 100

// ResourceHistory answers the last changes of a module's resources on this node.
func (d *Daemon) ResourceHistory(ctx context.Context, q control.HistoryQuery) ([]control.ResourceChange, error) {
	if _, err := d.module(q.Module); err != nil {
		return nil, err
	}
	entries, err := d.journal.Changes(ctx, q.Module, q.Resource, cmp.Or(q.Limit, historyLimit))
	if err != nil {
		return nil, err
	}
	list := []control.ResourceChange{}
	for _, e := range entries {
		c := control.ResourceChange{Entry: e.ID, Time: e.Time}
		name, _ := e.Data["resource"].(string)
		value, _ := e.Data["value"].(string)
		c.Reason, _ = e.Data["reason"].(string)
		c.Resource, c.Value = name, core.Value(value)
		list = append(list, c)
	}
	return list, nil
}

// Why tells what led to a module's last change on this node.
func (d *Daemon) Why(ctx context.Context, name string) (control.Why, error) {
	if _, err := d.module(name); err != nil {
		return control.Why{}, err
	}
	chain, err := d.journal.Why(ctx, name)
	if errors.Is(err, journal.ErrNoEntry) {
		return control.Why{Text: fmt.Sprintf("Nothing has happened to %s on this node yet.", name)}, nil
	}
	if err != nil {
		return control.Why{}, err
	}
	w := control.Why{Text: journal.Tell(chain)}
	for _, e := range chain {
		w.Chain = append(w.Chain, d.entry(e))
	}
	return w, nil
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
