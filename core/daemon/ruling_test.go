package daemon

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
	"github.com/orchestrator-ha/orchestrator/core/rules"
)

const ruledDocument = `<safe><service mode="farm"><user/>
<check><tcp ident="a"><to addr="::1" port="1"/></tcp><tcp ident="b"><to addr="::1" port="2"/></tcp></check>
<failover handle_time="3s"><![CDATA[
  both:    if (tcp.* == down) then stop();
  alone:   if (cluster() == down) then noaction();
  mark:    if (tcp.a == down) then custom.mark=up;
  marked:  if (custom.mark == up) then restart();
]]></failover></service></safe>`

func ruledModule(t *testing.T) *config.Module {
	t.Helper()
	m, ps := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(ruledDocument)}}, "m", config.Options{CheckRules: CheckRules})
	if m == nil {
		t.Fatal(ps)
	}
	return m
}

// The state machine gets a check for each rule beside those of the module.
func TestRulesAreChecks(t *testing.T) {
	m := ruledModule(t)
	var names []string
	for _, c := range RuleSet(m).Extend(m.Core()).Checks {
		names = append(names, c.Resource)
	}
	if want := []string{"tcp.a", "tcp.b", "rule.both", "rule.alone", "rule.marked"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

const luaDocument = `<safe><service mode="farm"><user/>
<check><tcp ident="a"><to addr="::1" port="1"/></tcp><ip ident="v"><to addr="::1"/></ip></check>
<failover handle_time="3s"><![CDATA[
  simple: if (tcp.a == down) then noaction();
]]><![CDATA[
--Lua Rules
Rules = Rules + {
  one = if_then("tcp.a", "down", Action.wait),
  many = function(r)
    if r["tcp.a"] == "up" then return nil, "all is well" end
    if cluster() == "down" then return Action.stop end
    return Action.restart
  end,
}
Rules.disable("ip_failure")
]]></failover></service></safe>`

// Rules in Lua stand beside those of the simple language, hold for handle_time as
// they do, and begin anew when what they ask for becomes another action.
func TestRulingInLua(t *testing.T) {
	m, ps := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(luaDocument)}}, "m", config.Options{CheckRules: CheckRules})
	if m == nil {
		t.Fatal(ps)
	}
	set := RuleSet(m)
	var names []string
	for _, c := range set.Extend(m.Core()).Checks {
		names = append(names, c.Resource+" "+string(c.Action))
	}
	want := []string{"tcp.a restart", "ip.v noaction", "rule.simple noaction", "rule.one wait", "rule.many.stop stop", "rule.many.restart restart"}
	if !slices.Equal(names, want) {
		t.Errorf("checks %v, want %v", names, want)
	}
	begin := time.Unix(1e9, 0)
	engine, now := rules.NewEngine(set), begin
	look := func(after time.Duration, a, cluster core.Value, want ...string) {
		t.Helper()
		now = now.Add(after)
		var changes []rules.Change
		engine, changes, _ = engine.Step(now, rules.View{Local: map[string]core.Value{"tcp.a": a}, Cluster: cluster})
		var got []string
		for _, c := range changes {
			got = append(got, c.Resource.Name+" "+string(c.Resource.Value))
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %s: %v, want %v", now.Sub(begin), got, want)
		}
	}
	look(0, core.ResInit, core.ResUp)
	look(time.Second, core.ResUp, core.ResUp, "rule.simple up", "rule.one up", "rule.many.stop up", "rule.many.restart up")
	look(time.Second, core.ResDown, core.ResUp)
	look(2*time.Second, core.ResDown, core.ResDown) // another action: its time begins now
	look(time.Second, core.ResDown, core.ResDown, "rule.simple down", "rule.one down")
	look(2*time.Second, core.ResDown, core.ResDown, "rule.many.stop down")
	look(time.Second, core.ResUp, core.ResUp, "rule.simple up", "rule.one up", "rule.many.stop up")
	if at := set.Rules[1].Pos; at.Line != 8 {
		t.Errorf("rule one stands in line %d", at.Line)
	}
}

func TestMistakesInLuaAreMistakesOfTheModule(t *testing.T) {
	bad := strings.Replace(luaDocument, "Action.wait", "Action.swap", 1)
	_, ps := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(bad)}}, "m", config.Options{CheckRules: CheckRules})
	if len(ps) != 1 || ps[0].ID != "rules/action" || ps[0].Pos.Line != 8 {
		t.Errorf("swap in a farm: %v", ps)
	}
	bad = strings.Replace(luaDocument, `"tcp.a", "down"`, `"tcp.a", "dwn"`, 1)
	_, ps = config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(bad)}}, "m", config.Options{CheckRules: CheckRules})
	if len(ps) != 1 || ps[0].ID != "hook/rules" || ps[0].Pos.Line != 8 {
		t.Errorf("no state: %v", ps)
	}
}

// What no check provides is told when the module is checked.
func TestUnknownResources(t *testing.T) {
	text := strings.NewReplacer("(tcp.a == down)", "(tcp.b == down)", `if_then("tcp.a"`, `if_then("custom.x"`).Replace(luaDocument)
	m, ps := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(text)}}, "m", config.Options{CheckRules: CheckRules})
	if m == nil {
		t.Fatal(ps)
	}
	var got []string
	for _, p := range UnknownResources(m) {
		got = append(got, string(p.Severity)+" "+p.Message)
	}
	want := []string{"warning rule simple speaks of tcp.b, which no check of this module provides",
		"note rule one speaks of custom.x, which no check of this module provides: a hook or a program has to set it"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A rule holds when its condition has been true for handle_time, and ceases at
// once; what a rule sets is seen by others; a start of checks begins anew.
func TestRuling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		updates := make(chan core.Instance, 1)
		var told sync.Map // name → core.Value
		var alone atomic.Bool
		r := newRuling(t.Context(), RuleSet(ruledModule(t)), rulingPorts{
			watch:   func() (<-chan core.Instance, func()) { return updates, func() {} },
			post:    func(e core.Event) { told.Store(e.Resource.Name, e.Resource.Value) },
			cluster: func() core.Value { return map[bool]core.Value{true: core.ResDown, false: core.ResUp}[alone.Load()] },
		})
		defer r.close()
		set := func(a, b core.Value) {
			updates <- core.Instance{Resources: map[string]core.Resource{"tcp.a": {Value: a}, "tcp.b": {Value: b}}}
			synctest.Wait()
		}
		after := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		expect := func(what, name string, want core.Value) {
			t.Helper()
			if got, known := told.Load(name); known != (want != "") || known && got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
		set(core.ResUp, core.ResUp)
		expect("all is well", "rule.both", core.ResUp)
		set(core.ResUp, core.ResDown)
		after(time.Minute)
		expect("one is down", "rule.both", core.ResUp)
		set(core.ResDown, core.ResDown)
		after(2 * time.Second)
		expect("both are down, not for long", "rule.both", core.ResUp)
		after(time.Second)
		expect("both are down for handle_time", "rule.both", core.ResDown)
		expect("what a rule sets", "custom.mark", core.ResUp)
		after(3 * time.Second)
		expect("what follows from that", "rule.marked", core.ResDown)
		told.Delete("rule.both")
		r.begin(core.WhenBoth)
		after(2 * time.Second)
		expect("it was begun anew", "rule.both", "")
		after(time.Second)
		expect("and holds again", "rule.both", core.ResDown)
		set(core.ResUp, core.ResDown)
		expect("one is up again", "rule.both", core.ResUp)
		alone.Store(true)
		r.poke()
		after(3 * time.Second)
		expect("no other node is heard", "rule.alone", core.ResDown)
	})
}
