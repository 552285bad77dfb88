package daemon

import (
	"slices"
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
	m, ps := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(ruledDocument)}}, "m", config.Options{CheckRules: rules.Check})
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
