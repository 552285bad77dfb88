package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// rulebook has a module's filter use the rules that its nodes use together: those that
// the view in force was made for, which are not the ones of the configuration while a
// change of these is under way (share.Settings). Addresses change by themselves.
type rulebook struct {
	filter filterDoor
	config func(groups []sdk.FilterGroup, interfaces []sdk.FilterInterface) sdk.FilterConfig

	mu         sync.Mutex
	known      map[string][]config.Group
	newest     string
	force      string                // rules in the filter
	groups     []sdk.FilterGroup     // as it was given them
	interfaces []sdk.FilterInterface // likewise; nil: the network is down
	tables     map[string][]sdk.Row  // of its groups; nil: it has none yet
}

// filterDoor is what a rulebook needs of the filter.
type filterDoor interface {
	Configure(context.Context, sdk.FilterConfig) (sdk.FilterState, error)
	SetTable(context.Context, sdk.FilterTable) error
}

// rulesName tells sets of rules apart, alike on all nodes. In vmac_invisible it is
// empty: two nodes must never take one packet, so rules by which they might are
// changed when the module is stopped, and all others do not need to change together. A
// mirror has always the same.
func rulesName(conf *config.Module) string {
	if conf.Mode == core.Mirror || slices.ContainsFunc(conf.Interfaces, func(i config.Interface) bool { return !i.Directed }) {
		return ""
	}
	raw, err := json.Marshal(filterGroups(conf.Groups, nil))
	if err != nil {
		panic(err) // only names and numbers come here
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// filterGroups are groups as the filter takes them, without rules for addresses that
// are not on the interfaces; with nil for all.
func filterGroups(groups []config.Group, on []sdk.FilterInterface) []sdk.FilterGroup {
	var list []sdk.FilterGroup
	for _, g := range groups {
		group := sdk.FilterGroup{Name: g.Name}
		for _, r := range g.Rules {
			there := on == nil || !r.Address.IsValid() || slices.ContainsFunc(on, func(i sdk.FilterInterface) bool { return slices.Contains(i.Addresses, r.Address) })
			if there {
				group.Rules = append(group.Rules, sdk.FilterRule{Address: r.Address, Port: r.Port, Protocol: r.Proto, Hash: sdk.HashMode(r.Filter)})
			}
		}
		list = append(list, group)
	}
	return list
}

// know tells of the rules of a configuration. Those of before stay known while they
// are in the filter.
func (b *rulebook) know(name string, groups []config.Group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := map[string][]config.Group{name: groups}
	if old, ok := b.known[b.force]; ok && b.interfaces != nil && b.force != name {
		next[b.force] = old
	}
	b.known, b.newest = next, name
}

// configure gives the filter interfaces and the rules in force; where the network was
// down, those of the configuration.
func (b *rulebook) configure(ctx context.Context, interfaces []sdk.FilterInterface) (sdk.FilterState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	force := b.force
	if b.interfaces == nil {
		force = b.newest
	}
	groups := filterGroups(b.known[force], interfaces)
	st, err := b.filter.Configure(ctx, b.config(groups, interfaces))
	if err == nil {
		b.force, b.groups, b.interfaces = force, groups, interfaces
	}
	return st, err
}

// down forgets a filter that is to go.
func (b *rulebook) down() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.force, b.groups, b.interfaces, b.tables = "", nil, nil, nil
}

// setTable puts a table in force, with the rules that it is for.
func (b *rulebook) setTable(ctx context.Context, t sdk.FilterTable, rules string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	groups, known := b.known[rules]
	switch {
	case b.interfaces == nil:
		return fmt.Errorf("set the table of module %s: its filter is not set up", t.Module)
	case !known && t.Moving && b.tables == nil:
		return nil // nothing is shared by it yet, and the next one is by rules that are known
	case !known:
		return fmt.Errorf("set the table of module %s: it is for rules that this node does not know (%s): its configuration is another one", t.Module, rules)
	case rules == b.force:
		return b.put(ctx, t, b.groups)
	}
	return b.change(ctx, t, rules, filterGroups(groups, b.interfaces))
}

// change goes over to other rules. Their groups get their rows before the first packet
// can meet them.
func (b *rulebook) change(ctx context.Context, t sdk.FilterTable, rules string, groups []sdk.FilterGroup) error {
	both := slices.Clone(b.groups)
	for _, g := range groups {
		if !slices.ContainsFunc(both, func(o sdk.FilterGroup) bool { return o.Name == g.Name }) {
			both = append(both, sdk.FilterGroup{Name: g.Name})
		}
	}
	if _, err := b.filter.Configure(ctx, b.config(both, b.interfaces)); err != nil {
		return err
	}
	b.groups = both
	mixed := t
	mixed.Groups = map[string][]sdk.Row{}
	for _, g := range both {
		if mixed.Groups[g.Name] = t.Groups[g.Name]; mixed.Groups[g.Name] == nil {
			mixed.Groups[g.Name] = b.tables[g.Name]
		}
	}
	if err := b.put(ctx, mixed, both); err != nil {
		return err
	}
	if _, err := b.filter.Configure(ctx, b.config(groups, b.interfaces)); err != nil {
		return err
	}
	b.force, b.groups = rules, groups
	return b.put(ctx, t, groups)
}

// put gives the filter a table for the groups that it has.
func (b *rulebook) put(ctx context.Context, t sdk.FilterTable, groups []sdk.FilterGroup) error {
	t = fitted(t, groups)
	err := b.filter.SetTable(ctx, t)
	if err == nil {
		b.tables = t.Groups
	}
	return err
}

// fitted is a table for the groups that the filter has. Of one that is not planned yet
// nothing is shared.
func fitted(t sdk.FilterTable, groups []sdk.FilterGroup) sdk.FilterTable {
	rows := make(map[string][]sdk.Row, len(groups))
	for _, g := range groups {
		if rows[g.Name] = t.Groups[g.Name]; rows[g.Name] == nil {
			rows[g.Name] = make([]sdk.Row, share.Buckets)
		}
	}
	t.Groups = rows
	return t
}
