package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/orchestrator-ha/orchestrator/core"
)

// Each file in testdata is a list of texts with what is read of them, or of
// resources with what the rules make of them. Run with -rewrite after a change.
func TestTexts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := session{now: time.Unix(0, 0).UTC(), view: View{Local: map[string]core.Value{}, Cluster: core.ResUp}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var words []string
			for _, a := range d.CmdArgs {
				words = append(words, strings.Join(append([]string{a.Key}, a.Vals...), "="))
			}
			return s.do(t, d.Cmd, words, d.Input)
		})
	})
}

// session is what the commands of a file work on.
type session struct {
	set    Set
	engine Engine
	view   View
	now    time.Time
}

func (s *session) do(t *testing.T, cmd string, words []string, text string) string {
	switch cmd {
	case "parse": // the rules below
		var problems []string
		rules, found := Parse("rules", text)
		for _, p := range found {
			problems = append(problems, p.Error())
		}
		s.set.Rules = rules
		s.engine = NewEngine(s.set)
		var b strings.Builder
		for _, r := range rules {
			b.WriteString(r.Label + ": " + r.Text + " then " + r.Action.String() + "\n")
		}
		if len(problems) > 0 {
			b.WriteString(found.Error() + "\n")
		}
		return b.String()
	case "handle_time": // handle_time 15s
		d, err := time.ParseDuration(words[0])
		if err != nil {
			t.Fatal(err)
		}
		s.set.HandleTime = d
		s.engine = NewEngine(s.set)
		return ""
	case "set": // set tcp.web=down remote.rfs.uptodate=up cluster=down
		for _, w := range words {
			name, value, _ := strings.Cut(w, "=")
			s.view = s.view.With(name, core.Value(value))
		}
		return s.step()
	case "advance": // advance 10s
		d, err := time.ParseDuration(words[0])
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(d)
		return s.step()
	case "forget": // forget both: its checks were started anew
		s.engine = s.engine.Forget(core.When(words[0]))
		return s.step()
	case "explain":
		var b strings.Builder
		for _, e := range s.set.Explain(s.view) {
			b.WriteString(e.String() + "\n")
		}
		return b.String()
	}
	t.Fatalf("unknown command %s", cmd)
	return ""
}

func (s *session) step() string {
	var b strings.Builder
	next, changes, again := s.engine.Step(s.now, s.view)
	s.engine = next
	for _, c := range changes {
		b.WriteString(c.Resource.Name + " is " + string(c.Resource.Value) + " (" + c.Resource.Reason + ")\n")
	}
	if !again.IsZero() {
		b.WriteString("looks again after " + again.Sub(s.now).String() + "\n")
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"a: if (tcp.? == down) then stop();", "a: if ((!x.y)&&cluster()==up) then x.y=up; /*", "--Lua Rules", "é: if (é.é == up) then swap;"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, problems := Parse("f", text)
		if len(rules) == 0 && len(problems) == 0 && strings.TrimSpace(strings.ReplaceAll(text, "/**/", "")) != "" && !strings.Contains(text, "/*") {
			t.Errorf("%q is nothing", text)
		}
		for _, r := range rules {
			again, problems := Parse("f", r.Label+": if ("+r.Text+") then "+r.Action.String()+";")
			if len(again) != 1 || len(problems) > 0 {
				t.Errorf("%q is not read again: %v", r.Text, problems)
			}
		}
	})
}

// A rule that waits shuts the gate of the state machine, and opens it again.
func TestRuleWaits(t *testing.T) {
	own, problems := Parse("rules", "no_licence: if (custom.licence == down) then wait();\nsick: if (custom.app == down) then restart();")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set := Set{Rules: own}
	in := core.New(set.Extend(core.Module{Name: "m", Mode: core.Light, MaxLoop: 3, LoopInterval: time.Hour}))
	engine, now := NewEngine(set), time.Unix(0, 0)
	see := func(v View) {
		next, changes, _ := engine.Step(now, v)
		engine = next
		for _, c := range changes {
			var err error
			if in, _, err = core.Step(in, core.Event{Kind: core.EventResource, Resource: c.Resource, At: now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(status, reason string) {
		t.Helper()
		if got := in.Status(); got != status || !strings.Contains(in.BlockedBy+in.LastReason, reason) {
			t.Fatalf("got %s (%s %s), want %s (%s)", got, in.BlockedBy, in.LastReason, status, reason)
		}
	}
	in, _, _ = core.Step(in, core.Event{Kind: core.EventCommand, Verb: core.VerbStart, At: now})
	expect("WAIT Transient", "rule.no_licence has no result yet")
	see(View{Local: map[string]core.Value{"custom.licence": core.ResDown, "custom.app": core.ResUp}})
	expect("WAIT NotReady", "rule no_licence holds: custom.licence is down")
	see(View{Local: map[string]core.Value{"custom.licence": core.ResUp, "custom.app": core.ResUp}})
	expect("UP Ready", "woke up: rule no_licence no longer holds")
	engine = engine.Forget(core.WhenBoth)
	see(View{Local: map[string]core.Value{"custom.licence": core.ResUp, "custom.app": core.ResDown}})
	expect("UP Ready", "rule sick held: custom.app is down")
	if len(in.Failures) != 1 {
		t.Errorf("%d counted", len(in.Failures))
	}
}

// A module's own rule takes the place of the built-in one, and extends="no" of
// all.
func TestOwnRulesReplaceBuiltin(t *testing.T) {
	m := core.Module{Mode: core.Farm, Checks: []core.Check{
		{Resource: "tcp.web", When: core.WhenBoth, Action: core.VerbRestart}, {Resource: "intf.10.0.0.0", When: core.WhenPre, Action: core.VerbWait}}}
	own, _ := Parse("rules", "t_web: if (tcp.web == down) then stop();")
	got := Set{Rules: own}.Extend(m).Checks
	if got[0].Action != core.VerbNone || got[1].Action != core.VerbWait || got[2].Action != core.VerbStop || got[2].Resource != "rule.t_web" {
		t.Errorf("got %+v", got)
	}
	if got := (Set{Rules: own, Replace: true}).Extend(m).Checks; got[1].Action != core.VerbNone {
		t.Errorf("extends=no: got %+v", got)
	}
	labels := ""
	for _, r := range (Set{Rules: own}).Complete(m).Rules {
		labels += r.Label + " "
	}
	if labels != "interface_failure t_web Implicit_wakeup " {
		t.Errorf("got %s", labels)
	}
}

func TestUnknownResources(t *testing.T) {
	own, _ := Parse("rules", "a: if (custom.Aplication == down || heartbeat.x == up || tcp.* == up) then stop();")
	p := Unknown(own, []string{"custom.Application"}, []string{"heartbeat"})
	if len(p) != 1 || p[0].Hint != `did you mean "custom.Application"?` {
		t.Errorf("got %v", p)
	}
}

// swap() belongs to a mirror.
func TestCheckKnowsTheMode(t *testing.T) {
	const text = "a: if (tcp.a == down) then restart();\nb: if (tcp.b == down) then swap();"
	if ps := Check(core.Mirror, text); len(ps) != 0 {
		t.Errorf("mirror: %v", ps)
	}
	if ps := Check(core.Farm, text); len(ps) != 1 || ps[0].ID != idAction || ps[0].Pos.Line != 2 {
		t.Errorf("farm: %v", ps)
	}
}

// Which classes of the other node's resources rules look at.
func TestRemotes(t *testing.T) {
	own, problems := Parse("rules", `
a: if (remote.tcp.web == down && (local.custom.x == up || remote.custom.* == down)) then stop();
b: if (!(remote.tcp.db == up)) then stop();
c: if (ping.x == down) then wait();
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := (Set{Rules: own}).Remotes(); !slices.Equal(got, []string{"custom", "tcp"}) {
		t.Errorf("got %v", got)
	}
	if got := (Set{Rules: own[2:]}).Remotes(); got != nil {
		t.Errorf("got %v", got)
	}
}
