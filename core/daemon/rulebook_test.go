package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/share"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// filterNotes is a filter that notes what it is given, and refuses what a real one
// does: a table of other groups than it has.
type filterNotes struct {
	groups []string
	did    []string
	broken error
}

func (f *filterNotes) Configure(_ context.Context, c sdk.FilterConfig) (sdk.FilterState, error) {
	if f.broken != nil {
		return sdk.FilterState{}, f.broken
	}
	f.groups = nil
	var text []string
	for _, g := range c.Groups {
		f.groups = append(f.groups, g.Name)
		var rules []string
		for _, r := range g.Rules {
			rules = append(rules, fmt.Sprintf("%d/%s", r.Port, r.Hash))
		}
		text = append(text, g.Name+"("+strings.Join(rules, " ")+")")
	}
	f.did = append(f.did, "rules "+strings.Join(text, " "))
	return sdk.FilterState{}, nil
}

func (f *filterNotes) SetTable(_ context.Context, t sdk.FilterTable) error {
	names := slices.Sorted(maps.Keys(t.Groups))
	if !slices.Equal(names, slices.Sorted(slices.Values(f.groups))) {
		return fmt.Errorf("a table of %v for groups %v", names, f.groups)
	}
	for i, n := range names {
		names[i] = fmt.Sprintf("%s=%d", n, t.Groups[n][0])
	}
	f.did = append(f.did, "table "+strings.Join(names, " "))
	return nil
}

func (f *filterNotes) took() []string {
	did := f.did
	f.did = nil
	return did
}

func sharedBy(rules ...string) *config.Module {
	m := &config.Module{Interfaces: []config.Interface{{Directed: true}}}
	for i, r := range rules {
		name, filter, _ := strings.Cut(r, " ")
		m.Groups = append(m.Groups, config.Group{Name: name, Rules: []config.Rule{{Port: uint16(80 + i), Proto: "tcp", Filter: filter}}})
	}
	return m
}

func tableOf(owners map[string]sdk.Row) sdk.FilterTable {
	t := sdk.FilterTable{Groups: map[string][]sdk.Row{}}
	for name, owner := range owners {
		t.Groups[name] = slices.Repeat([]sdk.Row{owner}, share.Buckets)
	}
	return t
}

// TestRulesOfTheViewAreInTheFilter, not those of the configuration, while the nodes
// change from one to the other; a group has its rows before its first packet comes.
func TestRulesOfTheViewAreInTheFilter(t *testing.T) {
	f := &filterNotes{}
	b := &rulebook{filter: f, config: func(g []sdk.FilterGroup, i []sdk.FilterInterface) sdk.FilterConfig {
		return sdk.FilterConfig{Groups: g, Interfaces: i}
	}}
	ctx, eth0 := t.Context(), []sdk.FilterInterface{{Name: "eth0"}}
	expect := func(what string, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if did := f.took(); !slices.Equal(did, want) {
			t.Errorf("%s:\n%s\ninstead of\n%s", what, strings.Join(did, "\n"), strings.Join(want, "\n"))
		}
	}
	old, next := sharedBy("web on_port", "dns on_addr"), sharedBy("web on_addr", "new on_port")
	if rulesName(old) == rulesName(next) || rulesName(old) == "" {
		t.Fatal("the rules have no names of their own")
	}
	b.know(rulesName(old), old.Groups)
	if err := b.setTable(ctx, tableOf(nil), rulesName(old)); err == nil {
		t.Error("a table without a filter")
	}
	_, err := b.configure(ctx, eth0)
	expect("set up", err, "rules web(80/on_port) dns(81/on_addr)")
	expect("a table", b.setTable(ctx, tableOf(map[string]sdk.Row{"web": 1, "dns": 2}), rulesName(old)), "table dns=2 web=1")
	b.know(rulesName(next), next.Groups)
	_, err = b.configure(ctx, eth0)
	expect("an address changes meanwhile", err, "rules web(80/on_port) dns(81/on_addr)")
	expect("the old rules still", b.setTable(ctx, tableOf(map[string]sdk.Row{"web": 3, "dns": 2}), rulesName(old)), "table dns=2 web=3")
	expect("the new rules", b.setTable(ctx, tableOf(map[string]sdk.Row{"web": 4, "new": 5}), rulesName(next)),
		"rules web(80/on_port) dns(81/on_addr) new()", "table dns=2 new=5 web=4", "rules web(80/on_addr) new(81/on_port)", "table new=5 web=4")
	if err := b.setTable(ctx, tableOf(map[string]sdk.Row{"x": 1}), "others"); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("rules that nobody knows: %v", err)
	}
	b.know(rulesName(next), next.Groups) // the old ones are not needed any more
	if err := b.setTable(ctx, tableOf(map[string]sdk.Row{"web": 1, "dns": 1}), rulesName(old)); err == nil {
		t.Error("the old rules are still known")
	}
	f.broken = errors.New("no memory")
	b.know(rulesName(old), old.Groups)
	if err := b.setTable(ctx, tableOf(map[string]sdk.Row{"web": 1, "dns": 2}), rulesName(old)); err == nil {
		t.Error("a filter that refuses rules is believed to have them")
	}
	f.broken = nil
	expect("tried again", b.setTable(ctx, tableOf(map[string]sdk.Row{"web": 1, "dns": 2}), rulesName(old)),
		"rules web(80/on_addr) new(81/on_port) dns()", "table dns=2 new=5 web=1", "rules web(80/on_port) dns(81/on_addr)", "table dns=2 web=1")
	b.down()
	b.know(rulesName(next), next.Groups)
	_, err = b.configure(ctx, eth0)
	expect("set up again", err, "rules web(80/on_addr) new(81/on_port)")
	moving := tableOf(map[string]sdk.Row{"web": 1, "dns": 2})
	moving.Moving = true
	expect("what comes before the new rules is no matter of a node that has no table", b.setTable(ctx, moving, rulesName(old)))
}

// A rule for an address is in the filter while the address is.
func TestRulesForAddresses(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	groups := []config.Group{{Name: "g", Rules: []config.Rule{{Address: a, Port: 1}, {Address: b, Port: 2}, {Port: 3}}}}
	got := filterGroups(groups, []sdk.FilterInterface{{Addresses: []netip.Addr{a}}})
	if len(got) != 1 || len(got[0].Rules) != 2 || got[0].Rules[0].Port != 1 || got[0].Rules[1].Port != 3 {
		t.Errorf("%+v", got)
	}
	if all := filterGroups(groups, nil); len(all[0].Rules) != 3 {
		t.Errorf("%+v", all)
	}
}

// In vmac_invisible rules have no name: a table is for whatever the filter has.
func TestRulesInInvisibleMode(t *testing.T) {
	m := sharedBy("web on_port")
	m.Interfaces[0].Directed = false
	if name := rulesName(m); name != "" {
		t.Errorf("they are called %q", name)
	}
	f := &filterNotes{}
	b := &rulebook{filter: f, config: func(g []sdk.FilterGroup, i []sdk.FilterInterface) sdk.FilterConfig {
		return sdk.FilterConfig{Groups: g, Interfaces: i}
	}}
	next := sharedBy("web on_port", "more on_port")
	next.Interfaces[0].Directed = false
	b.know(rulesName(m), m.Groups)
	_, err := b.configure(t.Context(), []sdk.FilterInterface{{Name: "eth0"}})
	b.know(rulesName(next), next.Groups)
	_, err2 := b.configure(t.Context(), []sdk.FilterInterface{{Name: "eth0"}})
	err3 := b.setTable(t.Context(), tableOf(map[string]sdk.Row{"web": 1}), "")
	want := []string{"rules web(80/on_port)", "rules web(80/on_port) more(81/on_port)", "table more=0 web=1"}
	if did := f.took(); err != nil || err2 != nil || err3 != nil || !slices.Equal(did, want) {
		t.Errorf("%v %v %v %q", err, err2, err3, did)
	}
}
