package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/config"
)

// Witnesses are asked by the checker of their kind, and while the module waits already.
func TestWitnessSpecs(t *testing.T) {
	document := `<safe><service mode="mirror"><check><splitbrain ident="w" arg="192.0.2.1">
		<witness addr="2001:db8::2" port="443" interval="500ms" timeout="200ms"/><witness ident="web" url="https://192.0.2.3/"/>
	</splitbrain></check></service></safe>`
	conf, problems := config.Parse(fstest.MapFS{"conf/userconfig.xml": {Data: []byte(document)}}, "db", config.Options{})
	if conf == nil {
		t.Fatal(problems)
	}
	mod := &module{m: &member{d: &Daemon{}}, conf: conf}
	var got []string
	for _, s := range mod.specs([]core.When{core.WhenPre}) {
		got = append(got, fmt.Sprintf("%s by %s every %v, down after %d: %s", s.Resource, s.Plugin, s.Interval, s.Fall, s.Settings))
	}
	want := []string{
		`splitbrain.192.0.2.1 by ping every 1s, down after 2: {"addr":"192.0.2.1","timeout":"1s"}`,
		`splitbrain.2001:db8::2_443 by tcp every 500ms, down after 2: {"addr":"2001:db8::2","port":443,"timeout":"200ms"}`,
		`splitbrain.web by http every 1s, down after 2: {"body":"","headers":{},"method":"GET","status":"100-599","timeout":"1s","url":"https://192.0.2.3/","verify":true}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := conf.Core().Mirror.Witnesses; !slices.Equal(c, conf.SplitBrain.Resources()) {
		t.Errorf("the state machine knows %v", c)
	}
	conf.SplitBrain.Action = core.VerbNone
	if c := conf.Core().Mirror.Witnesses; c != nil {
		t.Errorf("with noaction the state machine knows %v", c)
	}
}

// While the peer is heard nobody needs a witness; after that one is enough.
func TestWitnessReached(t *testing.T) {
	updates, told := make(chan core.Instance), make(chan core.Event)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go followWitnesses(ctx, func() []config.Checker {
		return []config.Checker{{Class: "splitbrain", Ident: "a"}, {Class: "splitbrain", Ident: "b"}}
	}, func() (<-chan core.Instance, func()) { return updates, func() {} }, func(e core.Event) { told <- e })
	for _, c := range []struct {
		link core.Link
		a, b core.Value
		want string // empty: nothing new
	}{
		{core.LinkHeard, core.ResInit, core.ResDown, "up "},
		{core.LinkHeard, core.ResDown, core.ResDown, ""},
		{core.LinkLost, core.ResInit, core.ResDown, "init no witness has answered yet"},
		{core.LinkLost, core.ResUp, core.ResDown, "up "},
		{core.LinkLost, core.ResDown, core.ResUp, ""},
		{core.LinkLost, core.ResDown, core.ResUnknown, "down the peer is not heard, nor is a witness reached: a, b"},
		{core.LinkHeard, core.ResDown, core.ResDown, "up "},
	} {
		in := core.Instance{Resources: map[string]core.Resource{"splitbrain.a": {Value: c.a}, "splitbrain.b": {Value: c.b}}}
		in.Pair.Link = c.link
		updates <- in
		got := ""
		if c.want != "" {
			e := <-told
			got = string(e.Resource.Value) + " " + e.Resource.Reason
			if e.Kind != core.EventResource || e.Resource.Name != "splitbrain.uptodate" {
				t.Errorf("posted %+v", e)
			}
		}
		if got != c.want {
			t.Errorf("%s %s %s: published %q, want %q", c.link, c.a, c.b, got, c.want)
		}
	}
	select {
	case updates <- core.Instance{}:
	case e := <-told:
		t.Errorf("published once too often: %+v", e.Resource)
	}
}
